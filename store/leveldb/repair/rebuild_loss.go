package repair

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// A lossRebuilder makes a store from what is left of one, after somebody accepted
// the loss. Ids and positions stay as they were:
//
//   - lost events get pages that say so (record.LostPages);
//   - lost commits are rebuilt from the pages of their events, as far as these exist,
//     and from records that only take positions (record.OpLost). The patches in these
//     records make the chain come out as the following commits, or the high-water
//     file, have it, so that none of those has to change;
//   - a stream whose name is lost is called lost+found/ and its number.
type lossRebuilder struct {
	*indexRebuilder
	least  datadir.Highwater
	gaps   []lostCommits
	runs   []foundRun // events found in the gaps
	latest uint64     // highest position of any event
	next   uint64     // next stream number after the gaps so far
	time   int64      // of the last commit in the gaps so far
}

// lostCommits is a range of positions whose commits are lost.
type lostCommits struct {
	before record.Tip // the commit before the range
	last   uint64     // last position of the range
	fixed  bool       // the chain at the end of the range is known:
	chain  uint64     // this one
	most   uint64     // next stream number of the commit after the range
}

// A foundRun is some events of a lost commit.
type foundRun struct {
	record.Run
	position uint64
	time     int64
	bytes    uint64
}

const lostName = "lost+found/"

// rebuildWithLoss makes a whole store of a database that rebuildIndex has processed
// and that LevelDB can read to the end. It returns the end of the log.
func rebuildWithLoss(ctx context.Context, db *leveldb.DB, least datadir.Highwater) (record.Tip, error) {
	m, err := newIndexRebuilder(ctx, db, least)
	if err != nil {
		return record.Tip{}, err
	}
	s := &lossRebuilder{indexRebuilder: m, least: least, latest: m.erased}
	for _, step := range []func() error{
		s.findGaps, s.findRuns, s.makeCommits, s.findIDs, s.makeCounters, s.makePages, s.limitCursors, s.limitKeys,
	} {
		if err := step(); err != nil {
			return record.Tip{}, err
		}
	}
	return logscan.Check(db, datadir.Highwater{})
}

// findGaps finds the positions of lost commits, and removes commit records that are
// unreadable or overlap others.
func (s *lossRebuilder) findGaps() error {
	last := record.Tip{NextNumber: 1}
	var c record.Commit
	err := s.kind(record.KindCommit, func(key, value []byte) {
		if c.Parse(key, value) != nil || c.First > c.Last || c.First <= last.Position {
			s.batch.Delete(bytes.Clone(key))
			return
		}
		follows := c.Follows(last.Chain, value)
		switch {
		case c.First == last.Position+1 && !follows:
			s.batch.Delete(bytes.Clone(key)) // it is lost, too
			return
		case !follows:
			value = bytes.Clone(value)
			before := solve(func(x uint64) uint64 { return record.Chain(x, c.Last, value[:len(value)-8]) }, c.Chain)
			s.gap(lostCommits{last, c.First - 1, true, before, c.NextNumber})
		}
		last = c.Tip()
	})
	s.log = last
	return err
}

// gap notes a range of lost commits. If the high-water file names a position in it,
// a commit has to end there again.
func (s *lossRebuilder) gap(g lostCommits) {
	if at := s.least.Position; at > g.before.Position && at < g.last {
		s.gaps = append(s.gaps, lostCommits{g.before, at, true, s.least.Chain, g.most})
		g.before = record.Tip{Position: at, Time: g.before.Time, Chain: s.least.Chain, NextNumber: g.before.NextNumber}
	}
	s.gaps = append(s.gaps, g)
}

// findRuns finds the events in the gaps.
func (s *lossRebuilder) findRuns() error {
	err := s.kind(record.KindEvent, func(key, value []byte) {
		number, _, ok := record.CutNumber(key[1:])
		p, err := record.ParsePage(key, value)
		for ok && err == nil && p.Left > 0 {
			var id, position uint64
			var data []byte
			if id, position, data, err = p.Next(); err == nil {
				s.latest = max(s.latest, position)
				s.found(number, id, position, p.Time, uint64(len(data)))
			}
		}
	})
	slices.SortFunc(s.runs, func(a, b foundRun) int { return cmp.Compare(a.position, b.position) })
	// The gap after the last commit.
	end, number := s.log, uint64(math.MaxUint64)
	if s.least.Position > end.Position {
		s.gaps = append(s.gaps, lostCommits{end, s.least.Position, true, s.least.Chain, number})
		end = record.Tip{Position: s.least.Position, Time: end.Time, Chain: s.least.Chain, NextNumber: end.NextNumber}
	}
	if s.latest > end.Position {
		s.gaps = append(s.gaps, lostCommits{before: end, last: s.latest, most: number})
	}
	return err
}

// found notes an event if no commit has it.
func (s *lossRebuilder) found(number, id, position uint64, time int64, size uint64) {
	in := func(g lostCommits) bool { return position > g.before.Position && position <= g.last }
	if position <= s.log.Position && !slices.ContainsFunc(s.gaps, in) {
		return
	}
	if n := len(s.runs); n > 0 {
		r := &s.runs[n-1]
		if r.Number == number && r.First+r.Count == id && r.position+r.Count == position && r.time == time && position != s.least.Position+1 {
			r.Count++
			r.bytes += size
			return
		}
	}
	s.runs = append(s.runs, foundRun{record.Run{Number: number, First: id, Count: 1}, position, time, size})
}

// makeCommits fills the gaps.
func (s *lossRebuilder) makeCommits() error {
	for _, g := range s.gaps {
		if err := s.fill(g); err != nil {
			return err
		}
	}
	return s.flush()
}

// fill writes the records of a range of lost commits: one for each run that was
// found, and one for the positions between two runs.
func (s *lossRebuilder) fill(g lostCommits) error {
	last := g.before
	last.NextNumber, last.Time = max(last.NextNumber, s.next), max(last.Time, s.time)
	for last.Position < g.last {
		c := s.lostCommit(g, last)
		if c.Last == g.last && g.fixed {
			o := &c.Operations[0]
			o.Patch = solve(func(x uint64) uint64 {
				o.Patch = x
				c.Append(nil, last.Chain)
				return c.Chain
			}, g.chain)
		}
		s.batch.Put(record.CommitKey(c.Last), c.Append(nil, last.Chain))
		last = c.Tip()
		if len(s.batch.Dump()) > rebuildBytes {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	if last.Position != g.last || g.fixed && last.Chain != g.chain {
		return fmt.Errorf("%w: events overlap the commits around positions %d to %d", store.ErrDamaged, g.before.Position+1, g.last)
	}
	if s.next, s.time = last.NextNumber, last.Time; last.Position > s.log.Position {
		s.log = last
	}
	return s.flush()
}

// lostCommit returns the next record of a range: for a run, or for positions
// without events.
func (s *lossRebuilder) lostCommit(g lostCommits, last record.Tip) *record.Commit {
	c := &record.Commit{First: last.Position + 1, Time: last.Time, NextNumber: last.NextNumber}
	lost := record.Operation{Kind: record.OpLost}
	next, _ := slices.BinarySearchFunc(s.runs, c.First, func(r foundRun, first uint64) int { return cmp.Compare(r.position, first) })
	switch {
	case next == len(s.runs) || s.runs[next].position > g.last:
		lost.Count = g.last - last.Position
	case s.runs[next].position > c.First:
		lost.Count = s.runs[next].position - c.First
	default:
		r := s.runs[next]
		c.Runs, c.Bytes, c.Time = []record.Run{r.Run}, r.bytes, max(r.time, last.Time)
		c.NextNumber = max(last.NextNumber, r.Number+1)
		st := s.stream(r.Number)
		st.committed = max(st.committed, r.First+r.Count-1)
	}
	lost.Count = min(lost.Count, record.MaxPositions)
	c.Last = last.Position + c.Events() + lost.Count
	if c.Last == g.last && g.most == math.MaxUint64 {
		for number := range s.streams {
			c.NextNumber = max(c.NextNumber, number+1)
		}
	}
	c.NextNumber = min(c.NextNumber, g.most)
	c.Operations = []record.Operation{lost}
	return c
}

// solve returns the argument for which f has a value. f is a CRC-64 of data that
// contains the 64 bits of the argument. Such a CRC is affine over GF(2): f(x) is
// f(0) XOR a linear function of x's bits. CRC-64 maps 64 adjacent bits one to one
// to checksums, whatever comes before and after them. So the linear function has an
// inverse, and exactly one patch exists for each chain. solve finds it by
// elimination, bit by bit.
func solve(f func(uint64) uint64, value uint64) (argument uint64) {
	zero := f(0)
	var of, from [64]uint64 // by highest bit: a value, and the argument that produces it
	for i := range 64 {
		v, x := f(1<<i)^zero, uint64(1)<<i
		for bit := 63; bit >= 0 && v != 0; bit-- {
			switch {
			case v>>bit&1 == 0:
			case of[bit] == 0:
				of[bit], from[bit] = v, x
				v = 0
			default:
				v, x = v^of[bit], x^from[bit]
			}
		}
	}
	value ^= zero
	for bit := 63; bit >= 0; bit-- {
		if value>>bit&1 == 1 {
			value, argument = value^of[bit], argument^from[bit]
		}
	}
	return argument
}

// findIDs raises the last id of streams to the ids in cursors and request records.
func (s *lossRebuilder) findIDs() error {
	err := s.kind(record.KindCursor, func(key, value []byte) {
		_, number, ok := record.ParseCursorKey(key)
		id, whole := record.ParseCursor(value)
		if st := s.streams[number]; st != nil && ok && whole {
			st.Last = max(st.Last, id)
		}
	})
	if err != nil {
		return err
	}
	return s.kind(record.KindKey, func(key, value []byte) {
		number, _, ok := record.CutNumber(key[1:])
		ids, whole := requestIDs(value)
		if st := s.streams[number]; st != nil && ok && whole {
			st.Last = max(st.Last, ids[0])
		}
	})
}

// makeCounters gives each stream its record and its name.
func (s *lossRebuilder) makeCounters() error {
	taken := make(map[string]bool)
	for _, st := range s.streams {
		taken[string(st.name)] = true
	}
	for _, number := range slices.Sorted(maps.Keys(s.streams)) {
		st := s.streams[number]
		if number >= s.log.NextNumber { // nothing of it is left; another stream will get its number
			s.batch.Delete(record.NameKey(number))
			s.batch.Delete(record.StreamKey(st.name))
			delete(s.streams, number)
			continue
		}
		st.Deleted = max(st.Deleted, st.removed)
		st.Counter = record.Counter{Number: number, Last: max(st.Last, st.committed, st.Deleted), Deleted: st.Deleted}
		if st.name == nil {
			name := fmt.Append(nil, lostName, number)
			for taken[string(name)] {
				name = append(name, '+')
			}
			st.name = name
		}
		s.put(record.NameKey(number), st.name)
		s.put(record.StreamKey(st.name), st.Append(nil))
	}
	return s.flush()
}

// makePages removes unreadable pages, and writes pages of lost events.
func (s *lossRebuilder) makePages() error {
	read := make(map[uint64]uint64) // ids up to which streams have pages
	var time int64
	var position uint64
	var shrink error
	err := s.kind(record.KindEvent, func(key, value []byte) {
		number, rest, ok := record.CutNumber(key[1:])
		st := s.streams[number]
		p, err := record.ParseAnyPage(key, value)
		if !ok || len(rest) != 8 || err != nil || st == nil || record.KeyNumber(key) > st.Last || record.KeyNumber(key) <= read[number] {
			s.batch.Delete(bytes.Clone(key))
			return
		}
		if _, seen := read[number]; !seen {
			read[number] = st.Deleted
			time, position = 0, 0
		}
		if next := read[number] + 1; p.First > next {
			s.lose(number, next, p.First-1, time, position)
		}
		if st.erasing < st.Deleted && p.First <= st.Deleted && shrink == nil {
			shrink = s.shrink(key, value, st.Deleted)
		}
		time, position = p.Time, p.Position
		read[number] = record.KeyNumber(key)
	})
	err = errors.Join(err, shrink)
	for _, number := range slices.Sorted(maps.Keys(s.streams)) {
		st := s.streams[number]
		if next := max(read[number], st.Deleted) + 1; next <= st.Last && err == nil {
			s.lose(number, next, st.Last, s.log.Time, s.log.Position)
			err = s.flush()
		}
	}
	return err
}

// shrink removes the events up to an id from a page.
func (s *lossRebuilder) shrink(key, value []byte, upTo uint64) error {
	value, err := record.ShrinkPage(key, value, upTo)
	if err != nil || value == nil {
		return err
	}
	return s.db.Put(key, value, nil)
}

// lose writes pages of lost events.
func (s *lossRebuilder) lose(number, first, last uint64, time int64, position uint64) {
	for key, value := range record.LostPages(number, first, last, time, position) {
		s.batch.Put(key, value)
	}
}

// limitCursors moves cursors back that are beyond the end, and removes those of
// missing streams.
func (s *lossRebuilder) limitCursors() error {
	return s.kind(record.KindCursor, func(key, value []byte) {
		_, number, ok := record.ParseCursorKey(key)
		id, whole := record.ParseCursor(value)
		last := s.log.Position
		if st := s.streams[number]; number > 0 && st != nil {
			last = st.Last
		} else if number > 0 {
			last = 0
		}
		switch {
		case !ok || !whole || last == 0:
			s.batch.Delete(bytes.Clone(key))
		case id > last:
			s.batch.Put(bytes.Clone(key), binary.AppendUvarint(nil, last))
		}
	})
}

// limitKeys removes the records of requests whose events do not exist.
func (s *lossRebuilder) limitKeys() error {
	return s.kind(record.KindKey, func(key, value []byte) {
		number, _, ok := record.CutNumber(key[1:])
		ids, whole := requestIDs(value)
		if st := s.streams[number]; !ok || !whole || st == nil || ids[0] > st.Last {
			s.batch.Delete(bytes.Clone(key))
		}
	})
}
