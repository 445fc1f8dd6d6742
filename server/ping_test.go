package server

import (
	"context"
	"errors"
	"testing"
)

func TestAlive(t *testing.T) {
	d := serve(t)
	if err := d.Alive(t.Context()); err != nil {
		t.Errorf("of a loop that runs: want nil, have %v", err)
	}

	hangs, goOn := make(chan struct{}), make(chan struct{})
	d.loop.out.post(func() { close(hangs); <-goOn })
	<-hangs
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() { answered <- d.Alive(ctx) }() // ends with ctx
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("of a loop that hangs: want %v, have %v", context.Canceled, err)
	}

	close(goOn)
	if err := d.Alive(t.Context()); err != nil {
		t.Errorf("of a loop that goes on: want nil, have %v", err)
	}
}
