package main

import (
	"context"
	"fmt"
)

// A peer is a store of events that takes part in the comparison.
type peer interface {
	// key is its name in -peers, name the one in the table.
	key() string
	name() string
	version() string

	// settings says what makes it durable and how it is asked.
	settings() string

	// start starts a server on an empty directory for one workload. The caller
	// stops it.
	start(ctx context.Context, dir string, w workload) (*server, error)

	// ways are the ways to do a workload that were found worth a try; the
	// fastest one counts. There is none if the peer cannot do it.
	ways(w workload) []way
}

// A way is how a client does a workload.
type way struct {
	name string

	// measure does n events in a stream that is new and returns events a
	// second. It fails if the server did not store or return all of them.
	measure func(ctx context.Context, s *server, n int) (float64, error)
}

// whole fails unless there are n events of a size.
func whole(events, bytes, n, size int) error {
	if events != n || bytes != n*size {
		return fmt.Errorf("%d events of %d bytes were acknowledged, but there are %d with %d bytes in all", n, size, events, bytes)
	}
	return nil
}
