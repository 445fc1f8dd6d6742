package leveldb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
)

// What Log takes from the database at once: until either is reached.
const (
	logCommits = 1024
	logChanges = 16384
)

// Log implements store.Store.
func (d *DB) Log(ctx context.Context, after uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		l := logReader{reached: after, upTo: d.tip().position}
		err := d.use(ctx, func(*leveldb.DB) error { return nil })
		for err == nil && l.reached < l.upTo {
			if err = d.use(ctx, func(db *leveldb.DB) error { return l.read(db, &d.names) }); err != nil {
				break
			}
			for i := range l.commits {
				if !yield(l.commits[i].entry(l.named), nil) {
					return
				}
			}
		}
		if err != nil {
			yield(store.Entry{}, err)
		}
	}
}

// A logReader reads commits, some at once.
type logReader struct {
	reached, upTo uint64 // positions
	chain         uint64 // of the commit at reached,
	chained       bool   // if one was read

	commits []commitRecord
	named   map[uint64][]byte // the streams in commits, by number
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// read reads the next commits, at least one.
func (l *logReader) read(db *leveldb.DB, cache *names) error {
	l.commits = nil // the last ones' octets are the caller's
	changes := 0
	err := commitsAfter(db, l.reached, func(c *commitRecord, value []byte) error {
		if c.last > l.upTo || len(l.commits) >= logCommits || changes >= logChanges {
			return errEnough
		}
		if l.chained && !c.follows(l.chain, value) {
			return missingBetween(l.reached, c.last)
		}
		l.reached, l.chain, l.chained = c.last, c.chain, true
		changes += len(c.runs) + len(c.operations)
		l.commits = append(l.commits, c.clone())
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if len(l.commits) == 0 {
		return fmt.Errorf("%w: the commit after position %d is missing", store.ErrDamaged, l.reached)
	}
	return l.name(db, cache)
}

// name finds the names of the streams in the commits.
func (l *logReader) name(db *leveldb.DB, cache *names) error {
	l.named = make(map[uint64][]byte)
	for i := range l.commits {
		for _, r := range l.commits[i].runs {
			l.named[r.number] = nil
		}
		for j := range l.commits[i].operations {
			l.named[l.commits[i].operations[j].number] = nil
		}
	}
	delete(l.named, 0) // of the whole store
	numbers := make([]uint64, 0, len(l.named))
	for number := range l.named {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	found, err := cache.of(db, numbers)
	if err != nil {
		return err
	}
	for i, number := range numbers {
		l.named[number] = found[i]
	}
	return nil
}

// clone returns a copy that shares no memory with what c was read from.
func (c *commitRecord) clone() commitRecord {
	k := *c
	k.runs = slices.Clone(c.runs)
	k.operations = slices.Clone(c.operations)
	for i := range k.operations {
		o := &k.operations[i]
		o.name, o.sum = slices.Clone(o.name), slices.Clone(o.sum)
	}
	return k
}

// entry returns what the log has of c, given the streams' names.
func (c *commitRecord) entry(named map[uint64][]byte) store.Entry {
	e := store.Entry{
		Position: c.last, First: c.first, Time: time.UnixMicro(c.time), Octets: c.octets,
		NextStream: c.nextNumber, Chain: c.chain, Changes: make([]store.Change, 0, len(c.runs)+len(c.operations)),
	}
	for _, r := range c.runs {
		e.Changes = append(e.Changes, store.Change{
			Kind: store.Appended, Number: r.number, Stream: named[r.number], First: r.first, Last: r.first + r.count - 1,
		})
	}
	for i := range c.operations {
		change := c.operations[i].change()
		change.Stream = named[change.Number]
		e.Changes = append(e.Changes, change)
	}
	return e
}

// change returns what an operation is in the log, without the stream's name.
func (o *operation) change() store.Change {
	c := store.Change{Number: o.number, Name: o.name}
	switch o.kind {
	case opReplace:
		c.Kind, c.First, c.Last = store.Replaced, o.id, o.page
	case opDelete:
		c.Kind, c.First, c.Last = store.Deleted, o.first, o.id
	case opCursor:
		c.Kind, c.Last = store.Moved, o.id
	case opKey:
		c.Kind, c.Sum, c.IDs = store.Keyed, o.sum, o.ids
	case opLost:
		c.Kind, c.Count, c.Patch = store.Gap, o.count, o.patch
	case opOmitted:
		c.Kind, c.Count = store.Omitted, o.count
	}
	return c
}

// operationOf is the inverse of change; ok is false for what appends.
func operationOf(c *store.Change) (o operation, ok bool) {
	o = operation{number: c.Number, name: c.Name}
	switch c.Kind {
	case store.Replaced:
		o.kind, o.id, o.page = opReplace, c.First, c.Last
	case store.Deleted:
		o.kind, o.first, o.id = opDelete, c.First, c.Last
	case store.Moved:
		o.kind, o.id = opCursor, c.Last
	case store.Keyed:
		o.kind, o.sum, o.ids = opKey, c.Sum, c.IDs
	case store.Gap:
		o.kind, o.count, o.patch = opLost, c.Count, c.Patch
	case store.Omitted:
		o.kind, o.count = opOmitted, c.Count
	default:
		return o, false
	}
	return o, true
}

// Identity implements store.Store.
func (d *DB) Identity() store.Identity {
	return store.Identity{ID: d.identity.id, Generation: d.identity.generation, Secret: d.identity.secret}
}
