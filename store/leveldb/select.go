package leveldb

import (
	"context"
	"errors"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/record"
)

// readSelection yields the events of several streams. It merges a small set of
// streams by position, so that other streams' events cost nothing. For many streams
// it scans the log.
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
	s := scanner{scanChunk: scanChunk{selection: r.Select}, budget: b, progress: r.Progress}
	if found != nil {
		s.numbers = found.names
	}
	if found != nil && found.fewer(rest) {
		m := merger{stretch: rest}
		// A scan of the log can say where damage is; a merge cannot.
		if err := d.readMerged(ctx, found, &m, b); !errors.Is(err, errWide) && !errors.Is(err, store.ErrDamaged) {
			return err
		}
		rest = m.stretch
	}
	return d.scan(ctx, &s, rest, scratch)
}

// choose finds the streams that a selection takes. It returns nil where a scan is
// cheaper: the range is short, the selection takes much of it, or the streams are
// many.
func (d *DB) choose(ctx context.Context, sel *store.Selection, in stretch) (*streamSet, error) {
	if in.upTo-in.after <= scanEvents {
		return nil, nil
	}
	if selective, err := d.isSelective(ctx, sel, in); !selective || err != nil {
		return nil, err
	}
	return d.findStreams(ctx, sel)
}

// isSelective reports whether the selection takes a small part of the first events
// of a range. Otherwise reading the log is cheaper than finding its streams.
func (d *DB) isSelective(ctx context.Context, sel *store.Selection, in stretch) (selective bool, err error) {
	const sample, part = 512, 16
	w := scanChunk{stretch: in, selection: sel, events: sample, bytes: scanBytes}
	err = d.use(ctx, func(db *leveldb.DB) error { return w.prepare(db, &d.names) })
	taken := 0
	for i := range w.spans {
		if !w.spans[i].skip {
			taken += int(w.spans[i].Count)
		}
	}
	return taken == 0 || taken*part < w.planned, err
}

// A streamSet is the streams that a selection takes, if they are few.
type streamSet struct {
	streams []setMember
	names   map[uint64][]byte // by number
	events  uint64
}

type setMember struct {
	record.Counter
	name []byte
}

const (
	maxSetStreams = 4096  // streams found
	maxSetLooks   = 16384 // streams looked at
)

// findStreams finds the streams that a selection takes. It returns nil if they may
// be too many.
func (d *DB) findStreams(ctx context.Context, sel *store.Selection) (*streamSet, error) {
	found := &streamSet{names: make(map[uint64][]byte)}
	looked := 0
	err := d.use(ctx, func(db *leveldb.DB) error {
		for _, prefix := range sel.Prefixes() {
			err := streamsFrom(db, prefix, nil, func(name []byte, c record.Counter) bool {
				if looked++; looked > maxSetLooks || len(found.streams) > maxSetStreams {
					return false
				}
				if c.Deleted < c.Last && sel.Matches(name) {
					name = slices.Clone(name)
					found.streams = append(found.streams, setMember{c, name})
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
	if err != nil || looked > maxSetLooks || len(found.streams) > maxSetStreams {
		return nil, err
	}
	return found, nil
}

// fewer reports whether merging the streams is less work than scanning the log.
// Finding the next event of k streams takes a seek in each, or a few in long ones;
// each seek takes as long as scanning some hundred positions.
func (s *streamSet) fewer(in stretch) bool {
	if s.events == 0 {
		return true
	}
	const find, search = 160, 2560 // positions
	merge := uint64(len(s.streams)) * find
	if in.after > 0 && s.events > uint64(len(s.streams)) {
		merge = uint64(len(s.streams)) * search
	}
	positions := in.upTo - in.after
	return merge < positions/s.events*min(s.events, scanEvents)
}
