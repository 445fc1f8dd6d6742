package backup

import (
	"slices"

	"gorewind/store"
)

// A Commit is one commit of an export that is read. What Event has not returned of it
// when the next commit is read is passed over.
type Commit struct {
	store.Entry

	from  *Reader
	lost  []Lost // of its events, known after the last one
	left  uint64 // how many more events may be of it
	there uint64 // how many there were
	ended bool
}

// newCommit returns a commit whose events come next.
func newCommit(e store.Entry, from *Reader) *Commit {
	c := &Commit{Entry: e, from: from, left: min(e.Events(), store.MaxCommitEvents)}
	for i := range e.Changes {
		if e.Changes[i].Kind == store.Replaced {
			c.left++
		}
	}
	return c
}

// Event returns the next event of the commit, in memory of its own, and nil after the
// last: those that it appended and that are there, in the order of their positions,
// then those that it replaced, as they are now. Errors are those of Reader.Next.
func (c *Commit) Event() (*store.Event, error) {
	if c.ended {
		return nil, nil
	}
	return c.from.event(c)
}

// each calls do with each event that is left.
func (c *Commit) each(do func(*store.Event) error) error {
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

// replaced passes over the events that the commit appended, and returns the first of
// those that it replaced, nil if there is none.
func (c *Commit) replaced() (*store.Event, error) {
	for {
		e, err := c.Event()
		if e == nil || err != nil || e.Position < c.First {
			return e, err
		}
	}
}

// Lost returns what of its events the store itself could not read any more. Events
// that are left are passed over.
func (c *Commit) Lost() ([]Lost, error) {
	err := c.each(func(*store.Event) error { return nil })
	return c.lost, err
}

// isLost reports whether an event is among what is lost.
func isLost(lost []Lost, stream []byte, id uint64) bool {
	return slices.ContainsFunc(lost, func(l Lost) bool {
		return id >= l.First && id <= l.Last && string(l.Stream) == string(stream)
	})
}
