package daemon

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"gorewind/internal/exit"
	"gorewind/internal/keyfile"
	"gorewind/server"
)

// Security is who may do what, and how much of it.
type Security struct {
	CurveKey       string        // file of the daemon's key pair; empty: CURVE is not used
	Clients        string        // file of the clients' keys and what each may do, read again on SIGHUP
	Drop           bool          // end all connections when SIGHUP takes something from a client
	MaxConnections int           // 0 is no limit
	MaxRequests    int           // a second, of one key or, without keys, one connection; 0 is no limit
	Handshake      time.Duration // how long one may take
	IPCMode        fs.FileMode   // of the files of ipc endpoints; 0 leaves it to the umask
}

// Flags are those of gorewind serve, by the fields of a server's options: its errors and its
// log name these to users.
var Flags = map[string]string{
	"Router": "--router", "Pub": "--pub", "MaxEvent": "--max-event-bytes", "Curve": "--curve-key", "Access": "--clients",
	"MaxConnections": "--max-connections", "MaxRequests": "--max-requests", "Handshake": "--handshake-time", "IPCMode": "--ipc-mode",
}

// Limit adds to a server's options what takes no file, and how users know them.
func (s *Security) Limit(o *server.Options) {
	o.Names = Flags
	o.MaxConnections, o.MaxRequests, o.Handshake, o.Drop, o.IPCMode = s.MaxConnections, s.MaxRequests, s.Handshake, s.Drop, s.IPCMode
}

// Secure reads the files and adds all of it to a server's options.
func (s *Security) Secure(o *server.Options) (err error) {
	s.Limit(o)
	if s.CurveKey == "" {
		return nil
	}
	pair, err := keyfile.ReadPair(s.CurveKey)
	if err != nil {
		return exit.AsUsage(fmt.Errorf("--curve-key: %w", err))
	}
	o.Curve = &pair
	if o.Access, err = readClients(s.Clients); err != nil {
		return exit.AsUsage(err)
	}
	o.Log.Info("every client is asked for a key", "key", pair.Public, "clients", o.Access.Len())
	warnOfNobody(o.Log, o.Access)
	return nil
}

// watch reads --clients again on SIGHUP, until ctx is done. end returns when it has
// ended. Until then SIGHUP does nothing else, neither without a file nor while the
// daemon starts or stops, since whoever reloads a service does not mean to end it.
func (s *Security) watch(ctx context.Context, srv *server.Server, log *slog.Logger) (end func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	var wg sync.WaitGroup
	wg.Go(func() { // ends when ctx is done
		for {
			select {
			case <-hup:
				s.reload(srv, log)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		wg.Wait()
		signal.Stop(hup)
	}
}

// reload has the server go by the file as it is now.
func (s *Security) reload(srv *server.Server, log *slog.Logger) {
	if s.Clients == "" {
		log.Info("there is nothing to read again: no --clients was given")
		return
	}
	rules, err := readClients(s.Clients)
	if err != nil {
		log.Error("the rules stay as they were: the new ones cannot be read", "error", err)
		return
	}
	srv.Allow(rules)
	log.Info("the rules were read again", "clients", rules.Len())
	warnOfNobody(log, rules)
}
