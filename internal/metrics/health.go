package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// aliveWithin is how soon a loop that lives answers.
const aliveWithin = time.Second

// hungAfter is how long a commit may be under way until the disk is taken for hung.
const hungAfter = 10 * time.Second

// healthz tells whether the process is to be started again: only if its loop does
// not turn any more. A start that repairs a large store takes minutes, and must
// be left alone.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	var err error
	if d := s.daemon.Load(); d != nil && !s.stopping.Load() {
		err = alive(r.Context(), d.Alive)
	}
	answer(w, "ok", err)
}

// Alive returns nil if the broker's loop turns, or if it may be the disk that holds
// it up: little is committed on the loop itself, and what the disk has hung on, or
// refused, no other process gets done either.
func (d *Daemon) Alive(ctx context.Context) error {
	err := d.Broker.Alive(ctx)
	if d.Store.Writing() > 0 {
		return nil
	}
	return err
}

// readyz tells whether clients are to be sent here.
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
		return fmt.Errorf("the broker's loop has not answered within %v", aliveWithin)
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
		return fmt.Errorf("the store takes no writes: %s", st.Refusal)
	case st.Writing >= hungAfter:
		return fmt.Errorf("the disk does not answer: a commit has been under way for %v", st.Writing.Round(time.Second))
	}
	return alive(ctx, d.Broker.Alive)
}
