package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// aliveWithin is how soon a loop that works answers.
const aliveWithin = time.Second

// hungAfter is how long a commit may take before the disk counts as hung.
const hungAfter = 10 * time.Second

// healthz answers whether the process should be restarted. It should only if its loop
// hangs. A start that repairs a large store takes minutes and must be left alone.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	var err error
	if d := s.daemon.Load(); d != nil && !s.stopping.Load() {
		err = alive(r.Context(), d.Alive)
	}
	answer(w, "ok", err)
}

// Alive returns nil if the broker's loop answers, or if the disk may be what holds the
// loop up: the loop commits small changes itself. Restarting does not help against a
// hung disk.
func (d *Daemon) Alive(ctx context.Context) error {
	err := d.Broker.Alive(ctx)
	if d.Store.Writing() > 0 {
		return nil
	}
	return err
}

// readyz answers whether clients should be sent here.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	answer(w, "ready", s.ready(r.Context()))
}

func answer(w http.ResponseWriter, ok string, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		ok = err.Error()
	}
	fmt.Fprintln(w, ok)
}

func alive(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, aliveWithin)
	defer cancel()
	if ask(ctx) != nil {
		return fmt.Errorf("the server's main loop did not answer within %v", aliveWithin)
	}
	return nil
}

func (s *Server) ready(ctx context.Context) error {
	d := s.daemon.Load()
	switch {
	case s.stopping.Load():
		return errors.New("stopping")
	case d == nil:
		return errors.New("starting: the store is being opened")
	}
	switch st := d.Store.Stats(); {
	case st.Refusal != "":
		return fmt.Errorf("the store is read-only: %s", st.Refusal)
	case st.Writing >= hungAfter:
		return fmt.Errorf("the disk hangs: a commit has been pending for %v", st.Writing.Round(time.Second))
	}
	return alive(ctx, d.Broker.Alive)
}
