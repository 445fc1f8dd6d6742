package leveldb

import (
	"context"
	"errors"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/record"
)

// readSelection yields the events of several streams. Those of few streams are
// merged by position, so that what others have costs nothing; for many, the log
// is read.
func (d *DB) readSelection(ctx context.Context, r store.Range, b *budget, scratch *[]store.Event) error {
	r, err := d.resolvePositions(ctx, r)
	if err != nil {
		return err
	}
	rest := stretch{r.After.N, r.UpTo.N, r.Backward}
	if rest.empty() {
		return nil
	}
	found, err := d.choose(ctx, r.Select, rest)
	if err != nil {
		return err
	}
	s := scanner{window: window{selection: r.Select}, budget: b, progress: r.Progress}
	if found != nil {
		s.numbers = found.names
	}
	if found != nil && found.fewer(rest) {
		m := merger{stretch: rest}
		// Who meets damage reads the log, which knows where it is.
		if err := d.readMerged(ctx, found, &m, b); !errors.Is(err, errWide) && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		rest = m.stretch
	}
	return d.scan(ctx, &s, rest, scratch)
}

// choose finds the streams that a selection takes, unless it is not worth while: the range
// is short, or has much of it, or they are many. Then it returns nil.
func (d *DB) choose(ctx context.Context, sel *store.Selection, in stretch) (*survey, error) {
	if in.upTo-in.after <= windowEvents {
		return nil, nil
	}
	if dense, err := d.dense(ctx, sel, in); dense || err != nil {
		return nil, err
	}
	return d.survey(ctx, sel)
}

// dense reports whether the selection takes a good part of the first events of a
// range: then it is not worth while to find its streams.
func (d *DB) dense(ctx context.Context, sel *store.Selection, in stretch) (dense bool, err error) {
	const sample, part = 512, 16
	w := window{stretch: in, selection: sel, events: sample, bytes: scanBytes}
	err = d.use(ctx, func(db *leveldb.DB) error {
		if err := w.plan(db); err != nil {
			return err
		}
		return w.choose(db, &d.names)
	})
	taken := 0
	for i := range w.spans {
		if !w.spans[i].skip {
			taken += int(w.spans[i].Count)
		}
	}
	return taken > 0 && taken*part >= w.planned, err
}

// A survey is the streams that a selection takes, if they are not many.
type survey struct {
	streams []surveyed
	names   map[uint64][]byte // by number
	events  uint64
}

type surveyed struct {
	record.Counter
	name []byte
}

const (
	surveyMost = 4096  // streams that are found
	surveyLook = 16384 // that are looked at
)

// survey finds the streams that a selection takes. It returns nil if they are, or
// may be, too many.
func (d *DB) survey(ctx context.Context, sel *store.Selection) (*survey, error) {
	found := &survey{names: make(map[uint64][]byte)}
	looked := 0
	err := d.use(ctx, func(db *leveldb.DB) error {
		for _, prefix := range sel.Prefixes() {
			err := streamsFrom(db, prefix, nil, func(name []byte, c record.Counter) bool {
				if looked++; looked > surveyLook || len(found.streams) > surveyMost {
					return false
				}
				if c.Deleted < c.Last && sel.Matches(name) {
					name = slices.Clone(name)
					found.streams = append(found.streams, surveyed{c, name})
					found.names[c.Number] = name
					found.events += c.Last - c.Deleted
				}
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || looked > surveyLook || len(found.streams) > surveyMost {
		return nil, err
	}
	return found, nil
}

// fewer reports whether to merge streams is less work than to read the log: an
// event is found in one of k streams with a seek in each, or a few in long ones,
// each of which takes as long as to look at some hundred positions.
func (s *survey) fewer(in stretch) bool {
	if s.events == 0 {
		return true
	}
	const find, search = 160, 2560 // positions
	merge := uint64(len(s.streams)) * find
	if in.after > 0 && s.events > uint64(len(s.streams)) {
		merge = uint64(len(s.streams)) * search
	}
	positions := in.upTo - in.after
	return merge < positions/s.events*min(s.events, windowEvents)
}
