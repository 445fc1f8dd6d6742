package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// measureClients runs one function for every client and returns the events a
// second of all of them. A client first makes its connection and then waits
// for begin, so that connecting is not measured. It ends when all of its
// goroutines have; the first error ends the others.
func measureClients(ctx context.Context, clients, n int, client func(ctx context.Context, n int, begin func()) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	ready.Add(clients)
	for i := range clients {
		share := (n + i) / clients // the shares add up to n
		done.Go(func() {
			isReady := sync.OnceFunc(ready.Done)
			defer isReady() // also when it fails before it began
			err := client(ctx, share, func() { isReady(); <-start })
			if err != nil {
				cancel(err)
			}
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	took := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		return 0, err
	}
	if n == 0 || took <= 0 {
		return 0, errors.New("nothing was measured")
	}
	return float64(n) / took.Seconds(), nil
}
