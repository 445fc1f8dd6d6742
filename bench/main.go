// Bench compares Gorewind with its peers, Redis Streams and NATS JetStream:
// the same workloads in one run on one machine, each peer with every event on
// disk before it is acknowledged.
//
// It is a module of its own so that no peer's client is a dependency of
// Gorewind. See README.rst.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns the exit status: 0, 1 when it could not do what it was asked to,
// 2 when it was not asked properly.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	// The first signal ends the servers and removes their directories; a second
	// one kills.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if err := compare(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// compare measures all peers and writes what came out.
func compare(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	dir, err := makeDir(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	c := &comparison{options: o, dir: dir, log: stderr}
	if c.peers, err = newPeers(ctx, o, dir); err != nil {
		return err
	}
	if err := c.run(ctx); err != nil {
		return err
	}
	r := c.report()
	fmt.Fprint(stdout, r.table())
	if o.out == "" {
		return nil
	}
	return r.write(o.out)
}

// newPeers finds or builds every peer that was asked for.
func newPeers(ctx context.Context, o options, dir string) ([]peer, error) {
	events := newPayload()
	var peers []peer
	for _, name := range o.peers {
		p, err := newPeer(ctx, name, o, dir, events)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

func newPeer(ctx context.Context, name string, o options, dir string, events payload) (peer, error) {
	switch name {
	case "gorewind":
		return newGorewind(ctx, o.gorewind, dir)
	case "redis":
		return newRedis(ctx, events)
	default: // parse has checked that there is no other
		return newJetStream(ctx, dir, events)
	}
}
