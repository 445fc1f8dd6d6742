package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// redisPipelined is how many events one client of Redis has in flight when it
// sends as fast as it can. Redis takes 16 KiB from a connection at a time, so
// more do not make it faster.
const redisPipelined = 1_000

func (r *redis) publishByHand(w workload, inFlight int) way {
	return way{fmt.Sprintf("by hand, %d in flight", inFlight), func(ctx context.Context, s *server, n int) (float64, error) {
		stream := s.stream()
		rate, err := measureClients(ctx, w.clients, n, func(ctx context.Context, n int, begin func()) error {
			c, err := dialRedis(ctx, s.addr)
			if err != nil {
				return err
			}
			defer c.close()
			begin()
			return c.publish(stream, func(i int) []byte { return r.events.event(i, w.size) }, n, inFlight)
		})
		return rate, errors.Join(err, r.verify(ctx, s, stream, n))
	}}
}

func (r *redis) publishGoRedis(w workload, inFlight int) way {
	return r.publishPipelines(w, inFlight, fmt.Sprintf("go-redis, pipelines of %d", inFlight), (*goredis.Client).Pipeline)
}

// publishBatches sends batches that are stored whole or not at all.
func (r *redis) publishBatches(w workload) way {
	return r.publishPipelines(w, w.batch, fmt.Sprintf("go-redis, MULTI and EXEC around %d", w.batch), (*goredis.Client).TxPipeline)
}

// publishPipelines sends pipelines of so many events, each when the one before
// it has been answered.
func (r *redis) publishPipelines(w workload, length int, name string, open func(*goredis.Client) goredis.Pipeliner) way {
	return way{name, func(ctx context.Context, s *server, n int) (float64, error) {
		stream := s.stream()
		rate, err := measureClients(ctx, w.clients, n, func(ctx context.Context, n int, begin func()) error {
			c := goredis.NewClient(&goredis.Options{Addr: s.addr, ReadTimeout: time.Minute, WriteTimeout: time.Minute})
			defer c.Close()
			if err := c.Ping(ctx).Err(); err != nil {
				return err
			}
			begin()
			for sent := 0; sent < n; sent += length {
				if err := r.pipeline(ctx, open(c), stream, sent, min(length, n-sent), w.size); err != nil {
					return err
				}
			}
			return nil
		})
		return rate, errors.Join(err, r.verify(ctx, s, stream, n))
	}}
}

// pipeline adds n events with go-redis and waits for all of them.
func (r *redis) pipeline(ctx context.Context, p goredis.Pipeliner, stream string, first, n, size int) error {
	for i := range n {
		p.XAdd(ctx, &goredis.XAddArgs{Stream: stream, Values: []any{"e", r.events.event(first+i, size)}})
	}
	_, err := p.Exec(ctx)
	return err
}
