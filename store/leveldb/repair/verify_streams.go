package repair

import (
	"cmp"
	"fmt"
	"hash/crc64"
	"slices"

	"gorewind/store/leveldb/internal/record"
)

// counters reads the streams' records.
func (v *verifier) counters() error {
	return v.kind(record.KindStream, func(key, value []byte) {
		name := key[1:]
		c, err := record.ParseCounter(value)
		switch {
		case err != nil:
			v.tell(Damage{Stream: slices.Clone(name), What: err.Error()})
			return
		case v.streams[c.Number] != nil:
			v.tell(Damage{Stream: slices.Clone(name), What: fmt.Sprintf("another stream has the same number, %d", c.Number)})
			return
		case c.Last > c.Deleted:
			v.report.Streams++
		}
		v.streams[c.Number] = &verified{Counter: c, name: crc64.Checksum(name, sums), read: c.Deleted}
		v.of += c.Last + (c.Last - c.Deleted) // once in commits, once in pages
	})
}

// names verifies that each stream has a name under its number, and each number a
// stream.
func (v *verifier) names() error {
	err := v.kind(record.KindName, func(key, name []byte) {
		number, rest, ok := record.CutNumber(key[1:])
		switch s := v.streams[number]; {
		case !ok || len(rest) > 0:
			v.tellf("malformed name key %x", key)
		case s == nil:
			v.tell(Damage{number: number, What: "the stream has a name but no record"})
		case s.name != crc64.Checksum(name, sums):
			s.named = true
			v.tell(Damage{number: number, What: "the name under its number differs from the name in its record"})
		default:
			s.named = true
		}
	})
	if err != nil {
		return err
	}
	for _, number := range v.numbers(func(s *verified) bool { return !s.named }) {
		v.tell(Damage{number: number, What: "the stream has a record but no name under its number"})
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
	at, _ := slices.BinarySearchFunc(s.lost, first, func(r record.Run, first uint64) int { return cmp.Compare(r.First+r.Count-1, first) })
	for _, r := range s.lost[at:] { // in order
		if r.First > first {
			break
		}
		if r.First <= first && first < r.First+r.Count {
			first = r.First + r.Count
		}
	}
	return first > last
}

// compare compares stream records, commits and events with each other.
func (v *verifier) compare() error {
	for _, d := range v.gaps {
		s, from := v.streams[d.number], d.First
		if v.lost {
			from = max(from, s.Deleted+1)
		}
		if !s.hasLost(from, d.Last) {
			v.tell(d)
			s.damaged = true
		}
	}
	if err := v.expectLeft(); err != nil {
		return err
	}
	for _, number := range v.numbers(func(s *verified) bool { return s.Number > 0 }) {
		v.compareStream(number, v.streams[number])
	}
	return nil
}

// expectLeft recomputes the checksums of streams with lost events, without the lost
// ones.
func (v *verifier) expectLeft() error {
	some := v.numbers(func(s *verified) bool { return len(s.lost) > 0 })
	if len(some) == 0 {
		return nil
	}
	for _, number := range some {
		v.streams[number].expected = 0
	}
	var c record.Commit
	return v.kind(record.KindCommit, func(key, value []byte) {
		if c.Parse(key, value) != nil {
			return // already reported
		}
		position := c.First
		for _, r := range c.Runs {
			if s := v.streams[r.Number]; s != nil && len(s.lost) > 0 && r.Count <= record.MaxPositions {
				for i := range r.Count {
					if id := r.First + i; id > s.Deleted && !s.hasLost(id, id) {
						s.expected += eventSum(id, position+i, c.Time)
					}
				}
			}
			position += r.Count
		}
	})
}

func (v *verifier) compareStream(number uint64, s *verified) {
	if s.read < s.Last {
		v.tell(Damage{number: number, First: s.read + 1, Last: s.Last, What: "the events are missing"})
		s.damaged = true
	}
	from := s.committed + 1
	if v.lost {
		from = max(from, s.Deleted+1)
	}
	if s.committed > s.Last || s.committed < s.Last && !s.hasLost(from, s.Last) {
		v.tell(Damage{number: number, What: fmt.Sprintf("the last event is %d according to the commits, %d according to its record", s.committed, s.Last)})
		s.damaged = true
	}
	if s.removed != s.Deleted && !v.lost {
		v.tell(Damage{number: number, What: fmt.Sprintf("deleted up to event %d according to the commits, up to %d according to its record", s.removed, s.Deleted)})
		s.damaged = true
	}
	if s.expected != s.found && !s.damaged {
		v.tell(Damage{number: number, First: s.Deleted + 1, Last: s.Last, differ: true,
			What: "position or time differs from the commit"})
	}
}
