package torture

import (
	"fmt"
	"slices"
	"time"

	"gorewind/client"
	"gorewind/wire"
)

// A cursorTrace is what is known of a cursor.
type cursorTrace struct {
	commits  []*operation // that were not refused
	reads    []cursorRead
	timeouts []*operation
}

type cursorRead struct {
	*operation
	value uint64
}

func (c *checker) cursor(consumer, stream []byte) *cursorTrace {
	name := cursorName{string(consumer), string(stream)}
	t := c.cursors[name]
	if t == nil {
		t = new(cursorTrace)
		c.cursors[name] = t
	}
	return t
}

func (t *cursorTrace) read(o *operation, value uint64) {
	t.reads = append(t.reads, cursorRead{o, value})
}

func (c *checker) commit(o *operation, r wire.Commit) {
	t := c.cursor(r.Consumer, r.Stream)
	if cursor, ok := client.AsBehind(o.err()); ok {
		if cursor <= r.ID || r.Rewind {
			c.fail("not behind: %v", o)
		}
		t.read(o, cursor)
	}
	if o.outcome != refused {
		t.commits = append(t.commits, o)
	}
	if o.outcome != acknowledged || r.ID == 0 {
		return
	}
	if len(r.Stream) == 0 {
		c.info = append(c.info, atLeast(r.ID, o, o.end))
		return
	}
	c.had(r.Stream, r.ID, o)
}

func (c *checker) wait(o *operation, r wire.Wait) {
	t := c.cursor(r.Consumer, r.Stream)
	if o.outcome == acknowledged {
		if o.value < r.ID {
			c.fail("not reached: %v", o)
		}
		t.read(o, o.value)
	}
	if o.outcome == refused && o.refusal.Code == wire.Timeout {
		t.timeouts = append(t.timeouts, o)
	}
}

// check checks that a cursor went as far as was committed, and back only by
// rewind: for a cursor that never goes back, that is the same as for a stream.
func (t *cursorTrace) check() error {
	var items []item
	writes := make(map[uint64]*item)
	forward := true
	for _, o := range t.commits {
		r := o.request.(wire.Commit)
		forward = forward && !r.Rewind
		w := writes[r.ID]
		if w == nil {
			w = &item{2 * r.ID, o.call, forever, o}
			writes[r.ID] = w
		}
		w.call = min(w.call, o.call)
		if o.outcome == acknowledged {
			w.end = min(w.end, o.end)
			items = append(items, readOf(r.ID, o))
		}
	}
	for _, r := range t.reads {
		if err := t.explain(r); err != nil {
			return err
		}
		if w := writes[r.value]; w != nil {
			w.end = min(w.end, r.end)
		}
		items = append(items, readOf(r.value, r.operation))
	}
	if !forward {
		return nil
	}
	for _, o := range t.timeouts {
		for _, w := range t.commits {
			if w.outcome == acknowledged && w.end < o.call && w.request.(wire.Commit).ID >= o.request.(wire.Wait).ID {
				return fmt.Errorf("%v was reached by %v", o, w)
			}
		}
	}
	for _, w := range writes {
		if w.end < forever {
			items = append(items, *w)
		}
	}
	return linear(items)
}

// explain finds a COMMIT whose value a read can have seen.
func (t *cursorTrace) explain(r cursorRead) error {
	fresh := func(since time.Duration) bool { // nothing else was surely committed after that and before the read
		return !slices.ContainsFunc(t.commits, func(o *operation) bool {
			return o.outcome == acknowledged && o.call > since && o.end < r.call
		})
	}
	if r.value == 0 && fresh(-1) {
		return nil
	}
	for _, o := range t.commits {
		end := o.end
		if o.outcome == unknown {
			end = forever
		}
		if o.request.(wire.Commit).ID == r.value && o.call < r.end && fresh(end) {
			return nil
		}
	}
	return fmt.Errorf("no COMMIT, or an old one, of the cursor %d that was seen by %v", r.value, r.operation)
}
