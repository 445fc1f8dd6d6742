package main

import (
	"context"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

func (r *redis) replayByHand(w workload, page int) way {
	return way{fmt.Sprintf("by hand, pages of %d", page), func(ctx context.Context, s *server, n int) (float64, error) {
		stream, err := r.fill(ctx, s, w, n)
		if err != nil {
			return 0, err
		}
		return measureClients(ctx, 1, n, func(ctx context.Context, n int, begin func()) error {
			c, err := dialRedis(ctx, s.addr)
			if err != nil {
				return err
			}
			defer c.close()
			begin()
			events, bytes, err := c.replay(stream, page)
			if err == nil {
				err = whole(events, bytes, n, w.size)
			}
			return err
		})
	}}
}

func (r *redis) replayGoRedis(w workload, page int) way {
	return way{fmt.Sprintf("go-redis, pages of %d", page), func(ctx context.Context, s *server, n int) (float64, error) {
		stream, err := r.fill(ctx, s, w, n)
		if err != nil {
			return 0, err
		}
		return measureClients(ctx, 1, n, func(ctx context.Context, n int, begin func()) error {
			c := goredis.NewClient(&goredis.Options{Addr: s.addr, ReadTimeout: time.Minute})
			defer c.Close()
			if err := c.Ping(ctx).Err(); err != nil {
				return err
			}
			begin()
			events, bytes := 0, 0
			for from := "-"; ; {
				got, err := c.XRangeN(ctx, stream, from, "+", int64(page)).Result()
				if err != nil {
					return err
				}
				for _, e := range got {
					bytes += len(e.Values["e"].(string))
					from = "(" + e.ID
				}
				events += len(got)
				if len(got) < page {
					return whole(events, bytes, n, w.size)
				}
			}
		})
	}}
}

// fill makes a stream to be replayed.
func (r *redis) fill(ctx context.Context, s *server, w workload, n int) (string, error) {
	stream := s.stream()
	c, err := dialRedis(ctx, s.addr)
	if err != nil {
		return "", err
	}
	defer c.close()
	return stream, c.publish(stream, func(i int) []byte { return r.events.event(i, w.size) }, n, redisPipelined)
}
