package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"gorewind/internal/exit"
	"gorewind/internal/keyfile"
	"gorewind/server"
)

// security is what serve can be told of who may do what, and how much of it.
type security struct {
	CurveKey       string        `placeholder:"FILE" help:"Ask every client for a key (CURVE), and show this one, a file NAME.key_secret of gorewind keygen. Default: none."`
	Clients        string        `placeholder:"FILE" help:"Keys of clients and what each may do, read again on SIGHUP; a curve-key goes with it. Default: none."`
	Drop           bool          `help:"End all connections when SIGHUP takes something from a client; others come back by themselves. Default: false."`
	MaxConnections int           `default:"0" placeholder:"N" help:"Let in so many connections at most; 0 is no limit. Default: ${default}."`
	MaxRequests    int           `default:"0" placeholder:"N" help:"Take so many requests a second of one key, or without keys of one connection; 0 is no limit. Default: ${default}."`
	HandshakeTime  time.Duration `default:"10s" placeholder:"TIME" help:"End connections whose handshake takes longer. Default: ${default}."`
	IPCMode        string        `name:"ipc-mode" placeholder:"MODE" help:"Mode of the files of ipc endpoints, octal, such as 0660. Default: umask."`
}

// check refuses what was not asked properly.
func (s *security) check() error {
	switch {
	case s.CurveKey != "" && s.Clients == "":
		return errors.New("--curve-key needs --clients; give a file that says which keys may do what")
	case s.CurveKey == "" && s.Clients != "":
		return errors.New("--clients needs --curve-key; make a key with gorewind keygen")
	case s.Drop && s.Clients == "":
		return errors.New("--drop needs --clients; leave it out")
	case s.HandshakeTime == 0: // to a server that is the default
		return errors.New("--handshake-time is 0s; give 1ms or more")
	}
	_, err := s.ipcMode()
	return err
}

// ipcMode returns 0 where the umask is to decide.
func (s *security) ipcMode() (fs.FileMode, error) {
	if s.IPCMode == "" {
		return 0, nil
	}
	mode, err := strconv.ParseUint(s.IPCMode, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return 0, fmt.Errorf("--ipc-mode is %q; give an octal mode such as 0660", s.IPCMode)
	}
	return fs.FileMode(mode), nil
}

// limit adds to a server's options what takes no file.
func (s *security) limit(o *server.Options) {
	o.MaxConnections, o.MaxRequests, o.Handshake, o.Drop = s.MaxConnections, s.MaxRequests, s.HandshakeTime, s.Drop
}

// secure reads the files and adds to a server's options.
func (s *security) secure(o *server.Options) (err error) {
	s.limit(o)
	if o.IPCMode, err = s.ipcMode(); err != nil || s.CurveKey == "" {
		return err
	}
	pair, err := keyfile.ReadPair(s.CurveKey)
	if err != nil {
		return exit.Misused(fmt.Errorf("--curve-key: %w", err))
	}
	o.Curve = &pair
	if o.Access, err = readClients(s.Clients); err != nil {
		return exit.Misused(err)
	}
	o.Log.Info("every client is asked for a key", "key", pair.Public, "clients", o.Access.Len())
	warnOfNobody(o.Log, o.Access)
	return nil
}

// watch reads --clients again on SIGHUP, until ctx is done. end returns when it has
// ended. Until then SIGHUP does nothing else, neither without a file nor while the
// daemon starts or stops, since whoever reloads a service does not mean to end it.
func (s *security) watch(ctx context.Context, srv *server.Server, log *slog.Logger) (end func()) {
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
func (s *security) reload(srv *server.Server, log *slog.Logger) {
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
