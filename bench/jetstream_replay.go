package main

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A reader calls each for every event of a stream with n, until it returns
// false.
type reader func(ctx context.Context, js jetstream.JetStream, stream string, n int, each func(data []byte) bool) error

func (j *jetStream) replay(w workload, name string, read reader) way {
	return way{name, func(ctx context.Context, s *server, n int) (float64, error) {
		stream, err := j.makeStream(ctx, s, w)
		if err != nil {
			return 0, err
		}
		if err := j.fill(ctx, s, stream, n, w.size); err != nil {
			return 0, err
		}
		return measureClients(ctx, 1, n, func(ctx context.Context, n int, begin func()) error {
			js, err := j.connect(s)
			if err != nil {
				return err
			}
			defer js.Conn().Close()
			begin()
			events, bytes := 0, 0
			err = read(ctx, js, stream, n, func(data []byte) bool {
				events++
				bytes += len(data)
				return events < n
			})
			if err == nil {
				err = whole(events, bytes, n, w.size)
			}
			return err
		})
	}}
}

// fill makes the stream that is replayed.
func (j *jetStream) fill(ctx context.Context, s *server, stream string, n, size int) error {
	js, err := j.connect(s, jetstream.WithPublishAsyncMaxPending(4_000))
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	if err := j.sendAsync(ctx, js, stream, n, size); err != nil {
		return err
	}
	return j.verify(ctx, s, stream, n)
}

// ordered reads with an ordered consumer that asks for so many events ahead.
func (*jetStream) ordered(ahead int) reader {
	return func(ctx context.Context, js jetstream.JetStream, stream string, _ int, each func([]byte) bool) error {
		c, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
		if err != nil {
			return err
		}
		return consume(ctx, each, func(h jetstream.MessageHandler) (jetstream.ConsumeContext, error) {
			return c.Consume(h, jetstream.PullMaxMessages(ahead))
		})
	}
}

// pushed reads with a consumer to which the server sends without being asked.
func (*jetStream) pushed(ctx context.Context, js jetstream.JetStream, stream string, _ int, each func([]byte) bool) error {
	c, err := js.CreateOrUpdatePushConsumer(ctx, stream, jetstream.ConsumerConfig{
		DeliverSubject: nats.NewInbox(), AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true,
		FlowControl: true, IdleHeartbeat: 5 * time.Second,
	})
	if err != nil {
		return err
	}
	return consume(ctx, each, func(h jetstream.MessageHandler) (jetstream.ConsumeContext, error) { return c.Consume(h) })
}

// consume gives messages to each until it returns false.
func consume(ctx context.Context, each func([]byte) bool, start func(jetstream.MessageHandler) (jetstream.ConsumeContext, error)) error {
	done := make(chan struct{})
	finish := sync.OnceFunc(func() { close(done) })
	over := false // only the handler's goroutine uses it
	cc, err := start(func(m jetstream.Msg) {
		if over = over || !each(m.Data()); over {
			finish()
		}
	})
	if err != nil {
		return err
	}
	defer func() { cc.Stop(); <-cc.Closed() }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fetched reads in requests of so many events.
func (*jetStream) fetched(page int) reader {
	return func(ctx context.Context, js jetstream.JetStream, stream string, n int, each func([]byte) bool) error {
		c, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true})
		if err != nil {
			return err
		}
		for left := n; left > 0; left -= page {
			batch, err := c.Fetch(min(page, left), jetstream.FetchContext(ctx))
			if err != nil {
				return err
			}
			for m := range batch.Messages() {
				each(m.Data())
			}
			if err := batch.Error(); err != nil {
				return err
			}
		}
		return nil
	}
}
