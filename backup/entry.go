package backup

import (
	"slices"

	"gorewind/store"
)

// An Entry is one commit of an export. Reading the next entry skips the events that
// Event has not returned yet.
type Entry struct {
	store.Entry

	from  *Reader
	lost  []Lost // lost events, known after the last event
	left  uint64 // most events that may still follow
	there uint64 // events so far
	ended bool
}

// newEntry returns an entry whose events come next.
func newEntry(e store.Entry, from *Reader) *Entry {
	c := &Entry{Entry: e, from: from, left: min(e.Events(), store.MaxCommitEvents)}
	for i := range e.Changes {
		if e.Changes[i].Kind == store.Replaced {
			c.left++
		}
	}
	return c
}

// Event returns the next event of the commit in its own memory, and nil after the
// last. First come the events that the commit appended and that still exist, in the
// order of their positions, then the events that it replaced, with their present
// data. Errors are those of Reader.Next.
func (c *Entry) Event() (*store.Event, error) {
	if c.ended {
		return nil, nil
	}
	return c.from.event(c)
}

// each calls do with each remaining event.
func (c *Entry) each(do func(*store.Event) error) error {
	for {
		e, err := c.Event()
		if err == nil && e != nil {
			err = do(e)
		}
		if e == nil || err != nil {
			return err
		}
	}
}

// replaced skips the events that the commit appended, and returns the first one
// that it replaced, or nil.
func (c *Entry) replaced() (*store.Event, error) {
	for {
		e, err := c.Event()
		if e == nil || err != nil || e.Position < c.First {
			return e, err
		}
	}
}

// Lost returns the commit's events that the store could no longer read. It skips
// the remaining events.
func (c *Entry) Lost() ([]Lost, error) {
	err := c.each(func(*store.Event) error { return nil })
	return c.lost, err
}

// isLost reports whether an event is among the lost ones.
func isLost(lost []Lost, stream []byte, id uint64) bool {
	return slices.ContainsFunc(lost, func(l Lost) bool {
		return id >= l.First && id <= l.Last && string(l.Stream) == string(stream)
	})
}
