package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorewind/client"
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
	cl, err := client.Dial(dialing, client.Options{Endpoint: c.Connect, Curve: curve})
	if errors.Is(err, client.ErrHandshake) {
		return nil, notLetIn(err)
	}
	if errors.Is(err, client.ErrEndpoint) {
		return nil, misused(fmt.Errorf("--connect: %w", err))
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w; give its endpoint with --connect", err)
	}
	return cl, err
}

// notLetIn adds to an error of a handshake what to do about it.
func notLetIn(err error) error {
	return fmt.Errorf("%w; see whether --client-key and --server-key are what its operator gave you", err)
}
