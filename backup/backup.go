// Package backup makes copies of stores, and stores from copies.
//
// An export is a file (see format.go) of what was committed in a store and what is
// left of it. It is made while a daemon serves the store. A backup is a directory
// of exports (see manifest.go), each continuing where the one before it ended. The
// next backup also erases from the exports what was erased in the store.
package backup

import (
	"context"
	"errors"
	"fmt"
	"os"

	"gorewind/store"
)

// BackupOptions are the options of Backup.
type BackupOptions struct {
	AcceptLoss bool // skip events that cannot be read
	Progress   Progress

	segment int64 // replaces segmentBytes in tests
	gather  int   // replaces erasureBytes in tests
}

// Backup brings the backup in a directory up to date, and begins one if there is
// none.
func Backup(ctx context.Context, from Source, dir string, o BackupOptions) (Summary, error) {
	if o.segment == 0 {
		o.segment = segmentBytes
	}
	if o.gather == 0 {
		o.gather = erasureBytes
	}
	id, upTo, err := from.Identity(ctx)
	if err != nil {
		return Summary{}, err
	}
	d, err := makeDirectory(dir)
	if err != nil {
		return Summary{}, err
	}
	defer d.close()
	if d.m == nil {
		d.m = &manifest{Gorewind: backupWord, Format: formatVersion, Store: id.ID, Generation: id.Generation}
		if err := d.m.write(dir); err != nil {
			return Summary{}, err
		}
	}
	for i := range d.m.Segments {
		if err := d.look(&d.m.Segments[i]); err != nil {
			return Summary{}, err
		}
	}
	if err := d.tidy(); err != nil {
		return Summary{}, err
	}
	if err := d.follows(ctx, from, id, upTo); err != nil {
		return Summary{}, err
	}
	after, _ := d.m.end()
	sum := Summary{Store: store.Identity{ID: id.ID, Generation: id.Generation}, After: after, End: after}
	for sum.End < upTo {
		if err := d.extend(ctx, from, id, after, upTo, &o, &sum); err != nil {
			return sum, err
		}
	}
	sum.Rewritten, err = d.erase(ctx, &o)
	return sum, err
}

// follows checks that a store is the one in the backup, and continues it.
func (d *directory) follows(ctx context.Context, from Source, id store.Identity, upTo uint64) error {
	end, at := d.m.end()
	switch {
	case d.m.Store != id.ID:
		return fmt.Errorf("%w: %s backs up the store %s, but the daemon serves %s; give another directory", ErrOtherStore, d.path, d.m.Store, id.ID)
	case d.m.Generation != id.Generation:
		return fmt.Errorf("%w: %s backs up generation %d of the store, but the daemon serves generation %d, which was restored or repaired with loss; begin a new backup in another directory",
			ErrOtherStore, d.path, d.m.Generation, id.Generation)
	case upTo < end:
		return fmt.Errorf("%w: %s holds the store up to position %d, but the daemon's store ends at %d: an older copy was put back; begin a new backup in another directory",
			ErrOtherStore, d.path, end, upTo)
	case end == 0:
		return nil
	}
	if same, err := hasCommit(ctx, from, end, at); same || err != nil {
		return err
	}
	return fmt.Errorf("%w: the daemon's store has another commit at position %d than %s: an older copy was put back and went on differently; begin a new backup in another directory",
		ErrOtherStore, end, d.path)
}

// extend adds a segment. An interruption ends the segment early and keeps what was
// copied. A commit that is too large to be held back begins a segment of its own
// (see Writer).
func (d *directory) extend(ctx context.Context, from Source, id store.Identity, began, upTo uint64, o *BackupOptions, sum *Summary) error {
	s := segment{After: sum.End, Erased: upTo}
	var t Trailer
	var interrupted error
	err := d.write(&s, newHeader(id, s.After, nil), func(w *Writer) error {
		w.first = true
		x := exporter{
			source: from, w: w, upTo: upTo, began: began, acceptLoss: o.AcceptLoss, stop: o.segment,
			progress: func(position, of uint64) { o.Progress("backing up", int64(position), int64(of), Positions) },
		}
		err := x.run(ctx)
		t = w.sums.count
		if w.canEnd() {
			interrupted, err = err, nil
		}
		return err
	})
	if err != nil {
		return err
	}
	d.m.Segments = append(d.m.Segments, s)
	if err := d.m.write(d.path); err != nil {
		return err
	}
	sum.addTrailer(&t, s.Bytes)
	return interrupted
}

// erasureBytes is how much data to erase is gathered at once.
const erasureBytes = 64 << 20

// erasures are what is to be erased from segments.
type erasures struct {
	upTo     uint64            // position: every erasure up to it is in here, or was done before
	deleted  map[string]uint64 // stream to the last deleted id
	replaced map[eventName]replacement
	bytes    int
}

type eventName struct {
	stream string
	id     uint64
}

// A replacement is the data that replaced an event, at a position.
type replacement struct {
	position uint64
	event    *store.Event // nil: it was deleted later
}

// errEnough ends gather.
var errEnough = errors.New("enough")

// erase removes from the segments what was erased in the store since they were
// made. It returns how many segments it rewrote.
func (d *directory) erase(ctx context.Context, o *BackupOptions) (rewritten int, err error) {
	had := make(map[uint64]bool) // by the position after which the segment begins
	end, _ := d.m.end()
	for {
		from := end
		for i := range d.m.Segments {
			from = min(from, d.m.Segments[i].Erased)
		}
		if from == end {
			return len(had), nil
		}
		e, err := d.gather(ctx, from, o)
		if err == nil {
			err = d.eraseAll(ctx, e, had, o)
		}
		if err != nil {
			return len(had), err
		}
	}
}

// eraseAll removes what was gathered from the segments, and notes in had which ones
// held some of it.
func (d *directory) eraseAll(ctx context.Context, e *erasures, had map[uint64]bool, o *BackupOptions) error {
	for i := range d.m.Segments {
		s := &d.m.Segments[i]
		if s.Erased >= e.upTo {
			continue
		}
		has, err := d.has(ctx, s, e, o)
		if err == nil && has {
			had[s.After] = true
			err = d.rewrite(ctx, s, e, o)
		}
		if err != nil {
			return err
		}
		s.Erased = e.upTo
	}
	return d.m.write(d.path)
}

// gather collects what was erased after a position.
func (d *directory) gather(ctx context.Context, from uint64, o *BackupOptions) (*erasures, error) {
	e := &erasures{upTo: from, deleted: make(map[string]uint64), replaced: make(map[eventName]replacement)}
	for i := range d.m.Segments {
		s := &d.m.Segments[i]
		if s.End <= from {
			continue
		}
		take := func(c *Entry) error { return e.take(c, o.gather) }
		err := d.read(ctx, s, o.Progress.part("searching for erased data in "+s.File), take)
		if errors.Is(err, errEnough) {
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return e, nil
}

// perErasure is about the memory that one map entry takes, in bytes.
const perErasure = 100

// take collects what a commit erased. It returns errEnough, and may take only a
// part, if that is a lot.
func (e *erasures) take(c *Entry, most int) error {
	if c.Position <= e.upTo {
		return nil
	}
	event, err := c.replaced()
	at := c.First - 1
	for i := 0; i < len(c.Changes) && err == nil; i++ {
		change := &c.Changes[i]
		at += change.Positions()
		var data *store.Event
		if change.Kind == store.Replaced && event != nil && event.ID == change.First && string(event.Stream) == string(change.Stream) {
			data = event
			event, err = c.Event()
		}
		if at > e.upTo && err == nil {
			e.change(change, at, data)
			if e.bytes >= most {
				err = errEnough
			}
		}
	}
	return err
}

// change collects what a change erased; at is its last position.
func (e *erasures) change(c *store.Change, at uint64, event *store.Event) {
	e.upTo = at
	stream := string(c.Stream)
	switch c.Kind {
	case store.Deleted:
		e.deleted[stream] = max(e.deleted[stream], c.Last)
		e.bytes += len(stream) + perErasure
	case store.Replaced:
		e.replaced[eventName{stream, c.First}] = replacement{at, event}
		e.bytes += len(stream) + perErasure
		if event != nil {
			e.bytes += len(event.Data)
		}
	}
}

// without returns an event without what was erased, nil if nothing is left, and
// whether that makes a difference. Erasures up to the position erased have already
// been applied to the segment.
func (e *erasures) without(event *store.Event, erased uint64) (left *store.Event, differs bool) {
	stream := string(event.Stream)
	if event.ID <= e.deleted[stream] {
		return nil, true
	}
	r, replaced := e.replaced[eventName{stream, event.ID}]
	if !replaced || r.position <= erased {
		return event, false
	}
	if r.event == nil {
		return nil, true
	}
	fresh := *event
	fresh.Data = r.event.Data
	return &fresh, true
}

// errDiffer ends the search in a segment.
var errDiffer = errors.New("it holds erased data")

// has reports whether a segment holds something that was erased.
func (d *directory) has(ctx context.Context, s *segment, e *erasures, o *BackupOptions) (bool, error) {
	if len(e.deleted)+len(e.replaced) == 0 {
		return false, nil
	}
	err := d.read(ctx, s, o.Progress.part("searching for erased data in "+s.File), func(c *Entry) error {
		return c.each(func(event *store.Event) error {
			if _, differs := e.without(event, s.Erased); differs {
				return errDiffer
			}
			return nil
		})
	})
	if errors.Is(err, errDiffer) {
		return true, nil
	}
	return false, err
}

// rewrite replaces a segment by one without what was erased.
func (d *directory) rewrite(ctx context.Context, s *segment, e *erasures, o *BackupOptions) error {
	h, err := readHeader(d.file(s))
	if err != nil {
		return err
	}
	fresh := *s
	err = d.write(&fresh, h, func(w *Writer) error {
		return d.read(ctx, s, o.Progress.part("erasing in "+s.File), func(c *Entry) error {
			return e.rewrite(w, c, s.Erased)
		})
	})
	if err != nil {
		return err
	}
	old := d.file(s)
	fresh.Erased = e.upTo
	*s = fresh
	if err := d.m.write(d.path); err != nil {
		return err
	}
	if err := os.Remove(old); err != nil {
		return err
	}
	return syncDir(d.path)
}

// rewrite writes a commit of a segment without what was erased.
func (e *erasures) rewrite(w *Writer, c *Entry, erased uint64) error {
	w.begin(&c.Entry)
	err := c.each(func(event *store.Event) error {
		left, _ := e.without(event, erased)
		if left == nil {
			return nil
		}
		return w.event(left)
	})
	if err != nil {
		return err
	}
	lost, err := c.Lost()
	if err != nil {
		return err
	}
	return w.end(lost)
}
