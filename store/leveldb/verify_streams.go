package leveldb

import (
	"cmp"
	"fmt"
	"hash/crc64"
	"slices"
)

// counters reads the streams' records.
func (v *verifier) counters() error {
	return v.kind(kindStream, func(key, value []byte) {
		name := key[1:]
		c, err := parseCounter(value)
		switch {
		case err != nil:
			v.tell(Damage{Stream: slices.Clone(name), What: err.Error()})
			return
		case v.streams[c.number] != nil:
			v.tell(Damage{Stream: slices.Clone(name), What: fmt.Sprintf("another stream has its number, %d, too", c.number)})
			return
		case c.last > c.deleted:
			v.report.Streams++
		}
		v.streams[c.number] = &verified{counter: c, name: crc64.Checksum(name, ecma), read: c.deleted}
		v.of += c.last + (c.last - c.deleted) // once in commits, once in pages
	})
}

// names verifies that each stream has a name by its number and each number a
// stream.
func (v *verifier) names() error {
	err := v.kind(kindName, func(key, name []byte) {
		number, rest, ok := cutNumber(key[1:])
		switch s := v.streams[number]; {
		case !ok || len(rest) > 0:
			v.tellf("key %x of a name", key)
		case s == nil:
			v.tell(Damage{number: number, What: "it has a name and no record"})
		case s.name != crc64.Checksum(name, ecma):
			s.named = true
			v.tell(Damage{number: number, What: "the name by its number is not the one of its record"})
		default:
			s.named = true
		}
	})
	if err != nil {
		return err
	}
	for _, number := range v.numbers(func(s *verified) bool { return !s.named }) {
		v.tell(Damage{number: number, What: "it has a record and no name by its number"})
	}
	return nil
}

// numbers returns the numbers of some streams, sorted.
func (v *verifier) numbers(of func(*verified) bool) (numbers []uint64) {
	for number, s := range v.streams {
		if of(s) {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

// hasLost reports whether all events from first to last are known to be lost.
func (s *verified) hasLost(first, last uint64) bool {
	at, _ := slices.BinarySearchFunc(s.lost, first, func(r run, first uint64) int { return cmp.Compare(r.first+r.count-1, first) })
	for _, r := range s.lost[at:] { // in order
		if r.first > first {
			break
		}
		if r.first <= first && first < r.first+r.count {
			first = r.first + r.count
		}
	}
	return first > last
}

// compare compares what the streams' records, the commits and the events say.
func (v *verifier) compare() error {
	for _, d := range v.gaps {
		s, from := v.streams[d.number], d.First
		if v.lost {
			from = max(from, s.deleted+1)
		}
		if !s.hasLost(from, d.Last) {
			v.tell(d)
			s.damaged = true
		}
	}
	if err := v.expectLeft(); err != nil {
		return err
	}
	for _, number := range v.numbers(func(s *verified) bool { return s.number > 0 }) {
		v.compareStream(number, v.streams[number])
	}
	return nil
}

// expectLeft sums up again what the commits say of streams that have lost events,
// without these.
func (v *verifier) expectLeft() error {
	some := v.numbers(func(s *verified) bool { return len(s.lost) > 0 })
	if len(some) == 0 {
		return nil
	}
	for _, number := range some {
		v.streams[number].expected = 0
	}
	var c commitRecord
	return v.kind(kindCommit, func(key, value []byte) {
		if c.parse(key, value) != nil {
			return // told
		}
		position := c.first
		for _, r := range c.runs {
			if s := v.streams[r.number]; s != nil && len(s.lost) > 0 && r.count <= mostPositions {
				for i := range r.count {
					if id := r.first + i; id > s.deleted && !s.hasLost(id, id) {
						s.expected += eventSum(id, position+i, c.time)
					}
				}
			}
			position += r.count
		}
	})
}

func (v *verifier) compareStream(number uint64, s *verified) {
	if s.read < s.last {
		v.tell(Damage{number: number, First: s.read + 1, Last: s.last, What: "the events are missing"})
		s.damaged = true
	}
	from := s.committed + 1
	if v.lost {
		from = max(from, s.deleted+1)
	}
	if s.committed > s.last || s.committed < s.last && !s.hasLost(from, s.last) {
		v.tell(Damage{number: number, What: fmt.Sprintf("its last event is %d by the commits, %d by its record", s.committed, s.last)})
		s.damaged = true
	}
	if s.removed != s.deleted && !v.lost {
		v.tell(Damage{number: number, What: fmt.Sprintf("it is deleted up to event %d by the commits, %d by its record", s.removed, s.deleted)})
		s.damaged = true
	}
	if s.expected != s.found && !s.damaged {
		v.tell(Damage{number: number, First: s.deleted + 1, Last: s.last, differ: true,
			What: "position or time is not that of the commit"})
	}
}
