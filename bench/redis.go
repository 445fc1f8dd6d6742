package main

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"regexp"
)

// redis is Redis Streams in a process of Debian's redis-server.
type redis struct {
	program string
	number  string
	events  payload
}

func newRedis(ctx context.Context, events payload) (*redis, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w; install Debian's package redis-server, or leave it out with -peers", err)
	}
	text, err := output(ctx, ".", program, "--version")
	if err != nil {
		return nil, err
	}
	m := regexp.MustCompile(`v=(\S+)`).FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("redis-server --version said %q", text)
	}
	return &redis{program: program, number: m[1], events: events}, nil
}

func (*redis) key() string       { return "redis" }
func (*redis) name() string      { return "Redis Streams" }
func (r *redis) version() string { return "Redis " + r.number }
func (*redis) settings() string {
	return "``appendonly yes``, ``appendfsync always``, no RDB saves and no rewrites of the AOF; all events are in memory too; XADD and XRANGE over TCP, by hand and with go-redis " +
		moduleVersion("github.com/redis/go-redis/v9")
}

func (r *redis) start(ctx context.Context, dir string, _ workload) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	return startServer(ctx, dir, addr, r.program,
		"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--daemonize", "no",
		"--appendonly", "yes", "--appendfsync", "always", "--save", "",
		// A rewrite forks in the middle of a measurement. Without it Redis is at
		// its best.
		"--auto-aof-rewrite-percentage", "0")
}

func (r *redis) ways(w workload) []way {
	switch {
	case w.batch > 0:
		return []way{r.publishBatches(w)}
	case w.replay:
		return []way{
			r.replayByHand(w, 1_000), r.replayByHand(w, 100), r.replayByHand(w, 10_000),
			r.replayGoRedis(w, 1_000),
		}
	}
	inFlight := w.inFlight
	if inFlight == 0 {
		inFlight = redisPipelined
	}
	ways := []way{r.publishByHand(w, inFlight)}
	if w.inFlight != 1 {
		ways = append(ways, r.publishGoRedis(w, inFlight))
	}
	return ways
}

// verify fails unless the stream has n events.
func (r *redis) verify(ctx context.Context, s *server, stream string, n int) error {
	c, err := dialRedis(ctx, s.addr)
	if err != nil {
		return err
	}
	defer c.close()
	stored, err := c.length(stream)
	if err == nil {
		err = whole(stored, 0, n, 0)
	}
	return err
}
