package leveldb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

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

// Identity implements store.Store.
func (d *DB) Identity() store.Identity { return d.identity }
