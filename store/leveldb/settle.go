package leveldb

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
)

// A settler makes a store of what is left of one, where somebody accepted the
// loss. Ids and positions stay what they were:
//
//   - events that are lost get pages that say so (pageLost);
//   - commits that are lost are made anew from their events' pages, as far as these
//     are there, and from records that only take positions (opLost). Their patches
//     are such that the chain comes out as the commits after them, or the
//     high-water file, have it, so that none of those need be written again;
//   - a stream whose name is lost gets one, lost+found/ and its number.
type settler struct {
	*mender
	least  highwater
	gaps   []lostCommits
	runs   []foundRun // in gaps
	latest uint64     // position of any event
	next   uint64     // number that comes after those of the gaps so far
	time   int64      // of the last commit in the gaps so far
}

// lostCommits are those of some neighbouring positions.
type lostCommits struct {
	before tip    // the commit that they come after
	last   uint64 // position
	fixed  bool   // there is a chain that they have to end with,
	chain  uint64 // this one
	most   uint64 // next number that the commit after them has
}

// A foundRun is some events of a lost commit.
type foundRun struct {
	run
	position uint64
	time     int64
	octets   uint64
}

const lostName = "lost+found/"

// settle settles a database that mend has mended and that LevelDB can read all
// of. It returns the end of the log.
func settle(ctx context.Context, db *leveldb.DB, least highwater) (tip, error) {
	m, err := newMender(ctx, db, least)
	if err != nil {
		return tip{}, err
	}
	s := &settler{mender: m, least: least, latest: m.erased}
	for _, step := range []func() error{
		s.findGaps, s.findRuns, s.makeCommits, s.findIDs, s.makeCounters, s.makePages, s.limitCursors, s.limitKeys,
	} {
		if err := step(); err != nil {
			return tip{}, err
		}
	}
	return check(db, highwater{})
}

// findGaps finds the positions of lost commits, and removes records of commits
// that cannot be read or stand in the place of others.
func (s *settler) findGaps() error {
	last := tip{nextNumber: 1}
	var c commitRecord
	err := s.kind(kindCommit, func(key, value []byte) {
		if c.parse(key, value) != nil || c.first > c.last || c.first <= last.position {
			s.batch.Delete(bytes.Clone(key))
			return
		}
		follows := c.follows(last.chain, value)
		switch {
		case c.first == last.position+1 && !follows:
			s.batch.Delete(bytes.Clone(key)) // it is lost, too
			return
		case !follows:
			value = bytes.Clone(value)
			before := solve(func(x uint64) uint64 { return chain(x, c.last, value[:len(value)-8]) }, c.chain)
			s.gap(lostCommits{last, c.first - 1, true, before, c.nextNumber})
		}
		last = c.tip()
	})
	s.log = last
	return err
}

// gap takes note of lost commits. Where the high-water file tells one of them,
// there has to be a commit again.
func (s *settler) gap(g lostCommits) {
	if at := s.least.position; at > g.before.position && at < g.last {
		s.gaps = append(s.gaps, lostCommits{g.before, at, true, s.least.chain, g.most})
		g.before = tip{at, g.before.time, s.least.chain, g.before.nextNumber}
	}
	s.gaps = append(s.gaps, g)
}

// findRuns finds the events in the gaps.
func (s *settler) findRuns() error {
	err := s.kind(kindEvent, func(key, value []byte) {
		number, _, ok := cutNumber(key[1:])
		p, err := parsePage(key, value)
		for ok && err == nil && p.left > 0 {
			var id, position uint64
			var data []byte
			if id, position, data, err = p.next(); err == nil {
				s.latest = max(s.latest, position)
				s.found(number, id, position, p.time, uint64(len(data)))
			}
		}
	})
	slices.SortFunc(s.runs, func(a, b foundRun) int { return cmp.Compare(a.position, b.position) })
	// What comes after the end of the commits that are there.
	end, number := s.log, uint64(math.MaxUint64)
	if s.least.position > end.position {
		s.gaps = append(s.gaps, lostCommits{end, s.least.position, true, s.least.chain, number})
		end = tip{position: s.least.position, time: end.time, chain: s.least.chain, nextNumber: end.nextNumber}
	}
	if s.latest > end.position {
		s.gaps = append(s.gaps, lostCommits{before: end, last: s.latest, most: number})
	}
	return err
}

// found takes note of an event if no commit has it.
func (s *settler) found(number, id, position uint64, time int64, octets uint64) {
	in := func(g lostCommits) bool { return position > g.before.position && position <= g.last }
	if position <= s.log.position && !slices.ContainsFunc(s.gaps, in) {
		return
	}
	if n := len(s.runs); n > 0 {
		r := &s.runs[n-1]
		if r.number == number && r.first+r.count == id && r.position+r.count == position && r.time == time && position != s.least.position+1 {
			r.count++
			r.octets += octets
			return
		}
	}
	s.runs = append(s.runs, foundRun{run{number, id, 1}, position, time, octets})
}

// makeCommits fills the gaps.
func (s *settler) makeCommits() error {
	for _, g := range s.gaps {
		if err := s.fill(g); err != nil {
			return err
		}
	}
	return s.flush()
}

// fill writes the records of lost commits: one for each run that was found, and
// one for the positions between two.
func (s *settler) fill(g lostCommits) error {
	last := g.before
	last.nextNumber, last.time = max(last.nextNumber, s.next), max(last.time, s.time)
	for last.position < g.last {
		c := s.lostCommit(g, last)
		if c.last == g.last && g.fixed {
			o := &c.operations[0]
			o.patch = solve(func(x uint64) uint64 {
				o.patch = x
				c.append(nil, last.chain)
				return c.chain
			}, g.chain)
		}
		s.batch.Put(commitKey(c.last), c.append(nil, last.chain))
		last = c.tip()
		if len(s.batch.Dump()) > mendOctets {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	if last.position != g.last || g.fixed && last.chain != g.chain {
		return fmt.Errorf("%w: events overlap the commits around the positions %d to %d", store.ErrDamaged, g.before.position+1, g.last)
	}
	if s.next, s.time = last.nextNumber, last.time; last.position > s.log.position {
		s.log = last
	}
	return s.flush()
}

// lostCommit returns the next record of a gap: of a run, or of positions that
// nothing is left of.
func (s *settler) lostCommit(g lostCommits, last tip) *commitRecord {
	c := &commitRecord{first: last.position + 1, time: last.time, nextNumber: last.nextNumber}
	lost := operation{kind: opLost}
	next, _ := slices.BinarySearchFunc(s.runs, c.first, func(r foundRun, first uint64) int { return cmp.Compare(r.position, first) })
	switch {
	case next == len(s.runs) || s.runs[next].position > g.last:
		lost.count = g.last - last.position
	case s.runs[next].position > c.first:
		lost.count = s.runs[next].position - c.first
	default:
		r := s.runs[next]
		c.runs, c.octets, c.time = []run{r.run}, r.octets, max(r.time, last.time)
		c.nextNumber = max(last.nextNumber, r.number+1)
		st := s.stream(r.number)
		st.committed = max(st.committed, r.first+r.count-1)
	}
	lost.count = min(lost.count, mostPositions)
	c.last = last.position + c.events() + lost.count
	if c.last == g.last && g.most == math.MaxUint64 {
		for number := range s.streams {
			c.nextNumber = max(c.nextNumber, number+1)
		}
	}
	c.nextNumber = min(c.nextNumber, g.most)
	c.operations = []operation{lost}
	return c
}

// solve returns the argument for which f has a value. f is a CRC of something
// that has the argument's 64 bits in it, so that it is linear but for a constant.
func solve(f func(uint64) uint64, value uint64) (argument uint64) {
	zero := f(0)
	var of, from [64]uint64 // by highest bit: a value, and the argument that makes it
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

// findIDs finds ids that cursors and requests with a key tell.
func (s *settler) findIDs() error {
	err := s.kind(kindCursor, func(key, value []byte) {
		_, number, ok := parseCursorKey(key)
		id, whole := parseCursor(value)
		if st := s.streams[number]; st != nil && ok && whole {
			st.last = max(st.last, id)
		}
	})
	if err != nil {
		return err
	}
	return s.kind(kindKey, func(key, value []byte) {
		number, _, ok := cutNumber(key[1:])
		ids, whole := requestIDs(value)
		if st := s.streams[number]; st != nil && ok && whole {
			st.last = max(st.last, ids[0])
		}
	})
}

// makeCounters gives each stream its record and its names.
func (s *settler) makeCounters() error {
	taken := make(map[string]bool)
	for _, st := range s.streams {
		taken[string(st.name)] = true
	}
	for _, number := range slices.Sorted(maps.Keys(s.streams)) {
		st := s.streams[number]
		if number >= s.log.nextNumber { // nothing of it is left, and another will have its number
			s.batch.Delete(nameKey(number))
			s.batch.Delete(streamKey(st.name))
			delete(s.streams, number)
			continue
		}
		st.deleted = max(st.deleted, st.removed)
		st.counter = counter{number, max(st.last, st.committed, st.deleted), st.deleted}
		if st.name == nil {
			name := fmt.Append(nil, lostName, number)
			for taken[string(name)] {
				name = append(name, '+')
			}
			st.name = name
		}
		s.put(nameKey(number), st.name)
		s.put(streamKey(st.name), st.append(nil))
	}
	return s.flush()
}

// makePages removes pages that cannot be read, and makes those of lost events.
func (s *settler) makePages() error {
	read := make(map[uint64]uint64) // ids up to which streams have pages
	var time int64
	var position uint64
	var shrink error
	err := s.kind(kindEvent, func(key, value []byte) {
		number, rest, ok := cutNumber(key[1:])
		st := s.streams[number]
		p, err := parseAnyPage(key, value)
		if !ok || len(rest) != 8 || err != nil || st == nil || keyNumber(key) > st.last || keyNumber(key) <= read[number] {
			s.batch.Delete(bytes.Clone(key))
			return
		}
		if _, seen := read[number]; !seen {
			read[number] = st.deleted
			time, position = 0, 0
		}
		if next := read[number] + 1; p.first > next {
			s.lose(number, next, p.first-1, time, position)
		}
		if st.erasing < st.deleted && p.first <= st.deleted && shrink == nil {
			shrink = s.shrink(key, value, st.deleted)
		}
		time, position = p.time, p.position
		read[number] = keyNumber(key)
	})
	err = errors.Join(err, shrink)
	for _, number := range slices.Sorted(maps.Keys(s.streams)) {
		st := s.streams[number]
		if next := max(read[number], st.deleted) + 1; next <= st.last && err == nil {
			s.lose(number, next, st.last, s.log.time, s.log.position)
			err = s.flush()
		}
	}
	return err
}

// shrink removes the events up to an id from a page.
func (s *settler) shrink(key, value []byte, upTo uint64) error {
	value, err := shrunk(key, value, upTo)
	if err != nil || value == nil {
		return err
	}
	return s.db.Put(key, value, nil)
}

// lose makes pages of lost events.
func (s *settler) lose(number, first, last uint64, time int64, position uint64) {
	for key, value := range lostPages(number, first, last, time, position) {
		s.batch.Put(key, value)
	}
}

// limitCursors takes cursors back that are past the end, and removes those of
// streams that are not there.
func (s *settler) limitCursors() error {
	return s.kind(kindCursor, func(key, value []byte) {
		_, number, ok := parseCursorKey(key)
		id, whole := parseCursor(value)
		last := s.log.position
		if st := s.streams[number]; number > 0 && st != nil {
			last = st.last
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

// limitKeys removes what is kept of requests whose events never were.
func (s *settler) limitKeys() error {
	return s.kind(kindKey, func(key, value []byte) {
		number, _, ok := cutNumber(key[1:])
		ids, whole := requestIDs(value)
		if st := s.streams[number]; !ok || !whole || st == nil || ids[0] > st.last {
			s.batch.Delete(bytes.Clone(key))
		}
	})
}
