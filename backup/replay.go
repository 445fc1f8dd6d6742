package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gorewind/client"
	"gorewind/store"
	"gorewind/wire"
)

// Batches of Replay are small enough to take turns with other clients' requests.
const (
	replayEvents = 1000
	replayBytes  = 1 << 20
)

// A Replayed says what was appended, and what was not.
type Replayed struct {
	Checked
	Batches uint64
	Before  uint64 // events that an earlier Replay of this export had appended
	Unsure  bool   // Before is not known, since the key may not read
}

// Replay appends the events of an export to the store of a live daemon, in order,
// in batches. The key of each batch is made from the export's checksum and the
// batch's number, so a repeated call stores nothing twice and resumes an
// interrupted one. The events get new ids, positions and times; nothing else in the
// export is used. Replay returns a TooLargeError before it appends anything.
func Replay(ctx context.Context, path string, to *client.Client, progress Progress) (Replayed, error) {
	info, err := to.Info(ctx)
	if err != nil {
		return Replayed{}, err
	}
	checked, err := readFile(ctx, path, progress.part("checking "+path), func(c *Entry) error {
		return c.each(func(e *store.Event) error {
			if uint64(len(e.Data)) > info.MaxEvent {
				return &TooLargeError{bytes.Clone(e.Stream), e.ID, len(e.Data), info.MaxEvent}
			}
			return nil
		})
	})
	if err != nil {
		return Replayed{}, err
	}
	b := batcher{ctx: ctx, to: to, sum: checked.SHA256[:32], began: info.Position, repeats: true}
	if _, err := readFile(ctx, path, progress.part("appending "+path), b.commit); err != nil {
		return Replayed{}, err
	}
	err = b.flush()
	return Replayed{checked, b.number, b.before, b.unsure}, err
}

// A TooLargeError says which event of an export is larger than the daemon accepts.
type TooLargeError struct {
	Stream []byte
	ID     uint64
	Bytes  int    // of the event
	Limit  uint64 // largest event that the daemon accepts, in bytes
}

// Error names the event.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("event %d of the stream %+q has %d bytes, but the daemon accepts at most %d", e.ID, e.Stream, e.Bytes, e.Limit)
}

// A batcher appends events in batches.
type batcher struct {
	ctx    context.Context
	to     *client.Client
	sum    string
	number uint64 // of the batch
	began  uint64 // the last position before

	repeats bool   // all batches so far were appended by an earlier Replay
	before  uint64 // events of these
	unsure  bool   // that is not known

	groups []client.Group
	events int
	size   int
}

func (b *batcher) commit(c *Entry) error {
	return c.each(func(e *store.Event) error {
		if e.Position < c.First {
			return nil // it was replaced, and appended before
		}
		return b.event(e)
	})
}

func (b *batcher) event(e *store.Event) error {
	if b.events >= replayEvents || b.size >= replayBytes {
		if err := b.flush(); err != nil {
			return err
		}
	}
	stream := string(e.Stream)
	if n := len(b.groups); n == 0 || b.groups[n-1].Stream != stream {
		b.groups = append(b.groups, client.Group{Stream: stream})
	}
	g := &b.groups[len(b.groups)-1]
	g.Events = append(g.Events, e.Data)
	b.events++
	b.size += len(e.Data)
	return nil
}

// flush appends the present batch.
func (b *batcher) flush() error {
	if b.events == 0 {
		return nil
	}
	b.number++
	ids, err := b.to.Append(b.ctx, client.Append{Key: fmt.Sprintf("import %s %d", b.sum, b.number), Groups: b.groups})
	if err == nil && b.repeats {
		if b.repeats, err = b.repeated(b.groups[0].Stream, ids[0]); b.repeats {
			b.before += uint64(b.events)
		}
	}
	b.groups, b.events, b.size = nil, 0, 0
	return err
}

// repeated reports whether a batch was appended by an earlier Replay: the event of which the
// daemon answers the id has a position of before, or is deleted. Batches are appended in
// order, so that after the first that is new nobody has to ask.
func (b *batcher) repeated(stream string, id uint64) (bool, error) {
	o := client.QueryOptions{After: id - 1, UpTo: client.Some(id), Nearest: true, Meta: true}
	for e, err := range b.to.Query(b.ctx, stream, o) {
		if refused := (*wire.Error)(nil); errors.As(err, &refused) { // such as DENIED, or DAMAGED
			b.unsure = true
			return false, nil
		}
		return err == nil && e.Position <= b.began, err
	}
	return true, nil
}
