package main

import (
	"context"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that ends with SIGTERM or SIGINT. A second one
// kills.
func untilSignal() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
