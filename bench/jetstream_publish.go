package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// pendingBatches is how many atomic batches one client has under way: more are
// not faster, and too many are refused.
const pendingBatches = 4

func (j *jetStream) publishSingle(w workload) way {
	return j.publish(w, "Publish", nil, func(ctx context.Context, js jetstream.JetStream, stream string, n int) error {
		for i := range n {
			if _, err := js.Publish(ctx, stream, j.events.event(i, w.size)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (j *jetStream) publishAsync(w workload, pending int) way {
	return j.publish(w, fmt.Sprintf("PublishAsync, at most %d pending", pending),
		[]jetstream.JetStreamOpt{jetstream.WithPublishAsyncMaxPending(pending)},
		func(ctx context.Context, js jetstream.JetStream, stream string, n int) error {
			return j.sendAsync(ctx, js, stream, n, w.size)
		})
}

// sendAsync publishes n events and waits for all of their acknowledgements.
// Those that fail are found when the events of the stream are counted.
func (j *jetStream) sendAsync(ctx context.Context, js jetstream.JetStream, stream string, n, size int) error {
	for i := range n {
		if _, err := js.PublishAsync(stream, j.events.event(i, size), jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	return awaitAll(ctx, js)
}

// awaitAll waits for the acknowledgements of all that was published.
func awaitAll(ctx context.Context, js jetstream.JetStream) error {
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publishBatches sends batches that are stored whole or not at all. Only the
// last event of a batch is acknowledged, and with it the rest.
func (j *jetStream) publishBatches(w workload) way {
	return j.publish(w, fmt.Sprintf("atomic batches of %d, at most %d pending", w.batch, pendingBatches),
		[]jetstream.JetStreamOpt{jetstream.WithPublishAsyncMaxPending(pendingBatches)},
		func(ctx context.Context, js jetstream.JetStream, stream string, n int) error {
			for first := 0; first < n; first += w.batch {
				if err := j.sendBatch(js, stream, first, min(w.batch, n-first), w.size); err != nil {
					return err
				}
			}
			return awaitAll(ctx, js)
		})
}

// sendBatch sends one batch. nats.go has no function for it.
func (j *jetStream) sendBatch(js jetstream.JetStream, stream string, first, n, size int) error {
	id := strconv.Itoa(first)
	for i := range n {
		m := nats.NewMsg(stream)
		m.Data = j.events.event(first+i, size)
		m.Header["Nats-Batch-Id"] = []string{id}
		m.Header["Nats-Batch-Sequence"] = []string{strconv.Itoa(i + 1)}
		if i < n-1 {
			if err := js.Conn().PublishMsg(m); err != nil {
				return err
			}
			continue
		}
		m.Header["Nats-Batch-Commit"] = []string{"1"}
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
	}
	return nil
}

// publish returns a way whose clients each have a connection.
func (j *jetStream) publish(w workload, name string, o []jetstream.JetStreamOpt,
	send func(ctx context.Context, js jetstream.JetStream, stream string, n int) error) way {
	return way{name, func(ctx context.Context, s *server, n int) (float64, error) {
		stream, err := j.makeStream(ctx, s, w)
		if err != nil {
			return 0, err
		}
		rate, err := measureClients(ctx, w.clients, n, func(ctx context.Context, n int, begin func()) error {
			js, err := j.connect(s, o...)
			if err != nil {
				return err
			}
			defer js.Conn().Close()
			begin()
			return send(ctx, js, stream, n)
		})
		return rate, errors.Join(err, j.verify(ctx, s, stream, n))
	}}
}
