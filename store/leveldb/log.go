package leveldb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// What Log reads from the database at once: until one of these is reached.
const (
	logCommits = 1024
	logChanges = 16384
)

// Log implements store.Store.
func (d *DB) Log(ctx context.Context, after uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		l := logReader{reached: after, upTo: d.tip().Position}
		err := d.use(ctx, func(*leveldb.DB) error { return nil })
		for err == nil && l.reached < l.upTo {
			if err = d.use(ctx, func(db *leveldb.DB) error { return l.read(db, &d.names) }); err != nil {
				break
			}
			for i := range l.commits {
				if !yield(l.commits[i].Entry(l.named), nil) {
					return
				}
			}
		}
		if err != nil {
			yield(store.Entry{}, err)
		}
	}
}

// A logReader reads several commits at a time.
type logReader struct {
	reached, upTo uint64 // positions
	chain         uint64 // of the commit at reached,
	chained       bool   // if one was read

	commits []record.Commit
	named   map[uint64][]byte // names of the streams in commits, by number
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// read reads the next commits, at least one.
func (l *logReader) read(db *leveldb.DB, cache *logscan.Names) error {
	l.commits = nil // the caller owns the bytes of the previous ones
	changes := 0
	err := logscan.CommitsAfter(db, l.reached, func(c *record.Commit, value []byte) error {
		if c.Last > l.upTo || len(l.commits) >= logCommits || changes >= logChanges {
			return errEnough
		}
		if l.chained && !c.Follows(l.chain, value) {
			return logscan.MissingBetween(l.reached, c.Last)
		}
		l.reached, l.chain, l.chained = c.Last, c.Chain, true
		changes += len(c.Runs) + len(c.Operations)
		l.commits = append(l.commits, c.Clone())
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
func (l *logReader) name(db *leveldb.DB, cache *logscan.Names) error {
	l.named = make(map[uint64][]byte)
	for i := range l.commits {
		for _, r := range l.commits[i].Runs {
			l.named[r.Number] = nil
		}
		for j := range l.commits[i].Operations {
			l.named[l.commits[i].Operations[j].Number] = nil
		}
	}
	delete(l.named, 0) // the whole store
	numbers := make([]uint64, 0, len(l.named))
	for number := range l.named {
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	found, err := cache.Of(db, numbers)
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
