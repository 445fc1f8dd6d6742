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

// Security holds the options of access and limits.
type Security struct {
	CurveKey       string        // file of the daemon's key pair; empty: no CURVE
	Clients        string        // file of the clients' keys and rights, read again on SIGHUP
	Drop           bool          // close all connections when SIGHUP takes a right away
	MaxConnections int           // 0 is no limit
	MaxRequests    int           // a second, for each key or, without CURVE, each connection; 0 is no limit
	Handshake      time.Duration // the longest one
	IPCMode        fs.FileMode   // of the files of ipc endpoints; 0: the umask decides
}

// Flags maps the fields of server.Options to the flags of gorewind serve. The server's errors
// and log name these.
var Flags = map[string]string{
	"Router": "--router", "Pub": "--pub", "MaxEvent": "--max-event-bytes", "Curve": "--curve-key", "Access": "--clients",
	"MaxConnections": "--max-connections", "MaxRequests": "--max-requests", "Handshake": "--handshake-time", "IPCMode": "--ipc-mode",
}

// Limit sets the options that need no file, and the names of all.
func (s *Security) Limit(o *server.Options) {
	o.Names = Flags
	o.MaxConnections, o.MaxRequests, o.Handshake, o.Drop, o.IPCMode = s.MaxConnections, s.MaxRequests, s.Handshake, s.Drop, s.IPCMode
}

// Secure reads the files and sets all options of security.
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
	o.Log.Info("CURVE required", "key", pair.Public, "clients", o.Access.Len())
	warnIfEmpty(o.Log, o.Access)
	return nil
}

// watch reads --clients again on SIGHUP, until ctx is done. end waits for it to end. Until end
// returns, SIGHUP never kills the daemon, whether there is a file or not, and also while the
// daemon starts or stops: reloading a service must not end it.
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

// reload applies the file as it is now.
func (s *Security) reload(srv *server.Server, log *slog.Logger) {
	if s.Clients == "" {
		log.Info("SIGHUP ignored: no --clients was given")
		return
	}
	rules, err := readClients(s.Clients)
	if err != nil {
		log.Error("cannot read the new clients; keeping the old ones", "error", err)
		return
	}
	srv.Allow(rules)
	log.Info("clients reloaded", "clients", rules.Len())
	warnIfEmpty(log, rules)
}
