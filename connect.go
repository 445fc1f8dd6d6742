package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/term"
)

// A connection is how a client command reaches a daemon.
type connection struct {
	Connect string `default:"tcp://127.0.0.1:9002" placeholder:"ENDPOINT" help:"Where the daemon takes requests, its --router. Default: ${default}."`
	keys
	Patience time.Duration `default:"5s" placeholder:"TIME" help:"Give up when no daemon answers for so long. Default: ${default}."`
}

// dial connects, or says why it could not.
func (c *connection) dial(ctx context.Context) (*client.Client, error) {
	curve, err := c.curve()
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	waits := time.AfterFunc(time.Second, c.tellOfSilence)
	defer waits.Stop()
	cl, err := client.Dial(dialing, client.Options{Endpoint: c.Connect, Curve: curve})
	if errors.Is(err, client.ErrHandshake) {
		return nil, notLetIn(err, "--router")
	}
	if errors.Is(err, client.ErrEndpoint) {
		return nil, exit.Misused(fmt.Errorf("--connect: %w", err))
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w, or give its endpoint with --connect", err)
	}
	return cl, err
}

// tellOfSilence tells a person what a command waits for. The error at the end of
// --patience is what programs see.
func (c *connection) tellOfSilence() {
	if term.IsTerminal(os.Stderr) && c.Patience > time.Second {
		fmt.Fprintf(os.Stderr, "gorewind: no answer from %s yet; trying for %v (--patience)\n", c.Connect, c.Patience)
	}
}

// notLetIn adds to an error of a handshake what to do about it. The endpoint has to be
// that of a flag of gorewind serve.
func notLetIn(err error, flag string) error {
	return fmt.Errorf("%w; see whether this is its %s, and --client-key and --server-key are what its operator gave you", err, flag)
}
