package leveldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"unsafe"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
)

// recentOctets is how much memory the newest commits may take that are kept for
// those who follow. Who is farther behind reads from the database.
const recentOctets = 4 << 20

// recent holds the newest commits for those who follow.
type recent struct {
	mu        sync.Mutex // protects the fields below
	followers int
	commits   []recentCommit // without a gap, the last one ending at last
	octets    int
	last      uint64        // position of the newest commit
	grown     chan struct{} // closed, and replaced, when last rises or closed is set
	closed    bool
}

type recentCommit struct {
	before uint64 // position that the commit follows
	events []store.Event
	octets int
}

func (r *recent) init() { r.grown = make(chan struct{}) }

// followed reports whether anybody follows.
func (r *recent) followed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.followers > 0
}

func (r *recent) join(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers += n
}

// add makes a commit known; events is nil when nobody followed as it was made.
func (r *recent) add(last uint64, events []store.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if events == nil {
		r.commits, r.octets = nil, 0
	} else {
		const eventSize = int(unsafe.Sizeof(store.Event{}))
		c := recentCommit{before: r.last, events: events, octets: cap(events) * eventSize}
		for i := range events {
			c.octets += len(events[i].Data)
		}
		r.commits = append(r.commits, c)
		r.octets += c.octets
	}
	for r.octets > recentOctets && len(r.commits) > 1 {
		r.octets -= r.commits[0].octets
		r.commits[0] = recentCommit{}
		r.commits = r.commits[1:]
	}
	r.last = last
	close(r.grown)
	r.grown = make(chan struct{})
}

func (r *recent) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	close(r.grown)
	r.grown = make(chan struct{})
}

// after returns the events of the commit that holds the position after from, if
// it is at hand. Otherwise behind says whether it is in the database; if not,
// grown is closed when to ask again.
func (r *recent) after(from uint64) (events []store.Event, behind, closed bool, grown <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from >= r.last {
		return nil, false, r.closed, r.grown
	}
	for i := len(r.commits) - 1; i >= 0; i-- {
		if c := &r.commits[i]; c.before <= from {
			return since(c.events, from), false, false, nil
		}
	}
	return nil, true, false, nil
}

// since returns the events with a position greater than from.
func since(events []store.Event, from uint64) []store.Event {
	for len(events) > 0 && events[0].Position <= from {
		events = events[1:]
	}
	return events
}

// Tail implements store.Store.
func (d *DB) Tail(ctx context.Context, from uint64) iter.Seq2[[]store.Event, error] {
	return func(yield func([]store.Event, error) bool) {
		d.recent.join(+1)
		defer d.recent.join(-1)
		names := make(map[uint64][]byte)
		for {
			events, behind, closed, grown := d.recent.after(from)
			var err error
			switch {
			case behind:
				events, err = d.readCommit(ctx, from, names)
			case closed:
				err = store.ErrClosed
			case grown != nil:
				select {
				case <-grown:
				case <-ctx.Done():
					err = ctx.Err()
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(events) == 0 {
				continue
			}
			from = events[len(events)-1].Position
			if !yield(events, nil) {
				return
			}
		}
	}
}

var errEnough = errors.New("enough")

// readCommit reads the events of the first commit after from. names remembers
// streams' names from call to call.
func (d *DB) readCommit(ctx context.Context, from uint64, names map[uint64][]byte) (events []store.Event, err error) {
	err = d.use(ctx, func(db *leveldb.DB) error {
		return commitsAfter(db, from, func(c commitRecord, _ []byte) error {
			spans := c.spans()
			for _, r := range spans {
				name, err := nameOf(db, r.number, names)
				if err != nil {
					return err
				}
				for r.count > 0 {
					have := len(events)
					if events, err = scan(db, events, name, r, chunkOctets); err != nil {
						return err
					}
					read := uint64(len(events) - have)
					if read == 0 {
						return fmt.Errorf("%w: the commit at position %d has %d events from %d on", store.ErrDamaged, c.last, r.count, r.first)
					}
					r.first += read
					r.count -= read
				}
			}
			if len(spans) > 1 {
				slices.SortFunc(events, func(a, b store.Event) int { return cmp.Compare(a.Position, b.Position) })
			}
			return errEnough
		})
	})
	if err == nil {
		return nil, fmt.Errorf("%w: there is no commit after position %d", store.ErrDamaged, from)
	}
	if !errors.Is(err, errEnough) {
		return nil, err
	}
	return since(events, from), nil
}

// spans returns a run for each stream of a commit: where streams alternate, there
// are many runs, but what a commit adds to a stream has neighbouring ids.
func (c *commitRecord) spans() []run {
	at := make(map[uint64]int)
	var spans []run
	for _, r := range c.runs {
		i, ok := at[r.number]
		if !ok {
			at[r.number] = len(spans)
			spans = append(spans, r)
			continue
		}
		spans[i].count += r.count
	}
	return spans
}

func nameOf(db *leveldb.DB, number uint64, names map[uint64][]byte) ([]byte, error) {
	if name, ok := names[number]; ok {
		return name, nil
	}
	name, err := db.Get(nameKey(number), nil)
	if err != nil {
		return nil, fault(fmt.Sprintf("name of the stream number %d", number), err)
	}
	const remembered = 10_000
	if len(names) >= remembered {
		clear(names)
	}
	names[number] = name
	return name, nil
}
