package leveldb

import (
	"fmt"
)

// erasures verifies the records of what may still be in files.
func (v *verifier) erasures() error {
	return v.kind(kindErasure, func(key, value []byte) {
		e, err := parseErasure(key, value)
		if err != nil {
			v.tell(Damage{What: err.Error()})
			return
		}
		s := v.streams[e.number]
		switch {
		case s == nil:
			v.tellf("record of an erasure at position %d in the stream number %d, which has no record", e.position, e.number)
		case e.position > v.last.position || e.kind != opDelete && e.kind != opReplace || e.first > e.last ||
			e.last > s.last || e.kind == opDelete && e.last > s.deleted:
			v.tell(Damage{number: e.number, First: e.first, Last: e.last, What: fmt.Sprintf("record of an erasure %x of what was not erased", key)})
		case e.kind == opDelete:
			s.erasing = max(s.erasing, e.last)
		}
	})
}

// pages verifies the events.
func (v *verifier) pages() error {
	return v.kind(kindEvent, func(key, value []byte) {
		number, rest, ok := cutNumber(key[1:])
		if !ok || len(rest) != 8 {
			v.tellf("key %x of events", key)
			return
		}
		s := v.streams[number]
		if s == nil {
			s = &verified{damaged: true} // told once
			v.streams[number] = s
			v.tell(Damage{number: number, What: "there are events of it, and it has no record"})
		}
		if s.number != 0 {
			v.page(s, key, value)
		}
	})
}

// page verifies a page of a stream.
func (v *verifier) page(s *verified, key, value []byte) {
	last := keyNumber(key)
	first := s.read + 1
	tell := func(first, last uint64, format string, args ...any) {
		v.tell(Damage{number: s.number, First: first, Last: last, What: fmt.Sprintf(format, args...)})
		s.damaged = true
	}
	p, err := parseAnyPage(key, value)
	if err != nil {
		tell(min(first, last), last, "%v", err)
		s.read = max(s.read, last)
		return
	}
	switch {
	case p.first > first:
		tell(first, p.first-1, "the events are missing")
	case last > s.last:
		tell(max(first, s.last+1), last, "the stream's record says that %d is its last event", s.last)
	case p.first <= s.deleted && min(last, s.deleted) > s.erasing:
		tell(p.first, min(last, s.deleted), "they were deleted and are still there")
	case p.first < first && first > s.deleted+1:
		tell(p.first, min(last, first-1), "they are there twice")
	}
	if p.lost {
		s.lost = append(s.lost, run{s.number, p.first, p.left})
		v.note(s.number, p.first, last)
		p.left = 0
	}
	for p.left > 0 {
		id, position, data, err := p.next()
		if err != nil {
			tell(id+1, last, "%v", err)
			break
		}
		if id <= s.deleted {
			continue
		}
		s.found += eventSum(id, position, p.time)
		v.report.Events++
		v.report.Octets += uint64(len(data))
		v.done++
	}
	if p.trailing() {
		tell(last, last, "octets follow it in its page")
	}
	s.read = max(s.read, last)
}

// note adds what was lost to the notes, of which there are as many as pieces of
// damage.
func (v *verifier) note(number, first, last uint64) {
	v.report.Lost += last - first + 1
	name, _ := v.db.Get(nameKey(number), &leniently)
	if v.report.takes(len(v.report.Notes)) {
		v.report.Notes = append(v.report.Notes, Damage{
			Stream: name, First: first, Last: last, What: "they were lost when the store was repaired",
		}.String())
	}
}
