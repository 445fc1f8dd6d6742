package repair

import (
	"fmt"

	"gorewind/store/leveldb/internal/record"
)

// erasures verifies the erasure records.
func (v *verifier) erasures() error {
	return v.kind(record.KindErasure, func(key, value []byte) {
		e, err := record.ParseErasure(key, value)
		if err != nil {
			v.tell(Damage{What: err.Error()})
			return
		}
		s := v.streams[e.Number]
		switch {
		case s == nil:
			v.tellf("the erasure record at position %d names stream number %d, which has no record", e.Position, e.Number)
		case e.Position > v.last.Position || e.Kind != record.OpDelete && e.Kind != record.OpReplace || e.First > e.Last ||
			e.Last > s.Last || e.Kind == record.OpDelete && e.Last > s.Deleted:
			v.tell(Damage{number: e.Number, First: e.First, Last: e.Last, What: fmt.Sprintf("the erasure record %x names events that were not erased", key)})
		case e.Kind == record.OpDelete:
			s.erasing = max(s.erasing, e.Last)
		}
	})
}

// pages verifies the events.
func (v *verifier) pages() error {
	return v.kind(record.KindEvent, func(key, value []byte) {
		number, rest, ok := record.CutNumber(key[1:])
		if !ok || len(rest) != 8 {
			v.tellf("malformed event key %x", key)
			return
		}
		s := v.streams[number]
		if s == nil {
			s = &verified{damaged: true} // reported once
			v.streams[number] = s
			v.tell(Damage{number: number, What: "the stream has events but no record"})
		}
		if s.Number != 0 {
			v.page(s, key, value)
		}
	})
}

// page verifies a page of a stream.
func (v *verifier) page(s *verified, key, value []byte) {
	last := record.KeyNumber(key)
	first := s.read + 1
	tell := func(first, last uint64, format string, args ...any) {
		v.tell(Damage{number: s.Number, First: first, Last: last, What: fmt.Sprintf(format, args...)})
		s.damaged = true
	}
	p, err := record.ParseAnyPage(key, value)
	if err != nil {
		tell(min(first, last), last, "%v", err)
		s.read = max(s.read, last)
		return
	}
	switch {
	case p.First > first:
		tell(first, p.First-1, "the events are missing")
	case last > s.Last:
		tell(max(first, s.Last+1), last, "the stream's record says that event %d is the last", s.Last)
	case p.First <= s.Deleted && min(last, s.Deleted) > s.erasing:
		tell(p.First, min(last, s.Deleted), "the events were deleted but still exist")
	case p.First < first && first > s.Deleted+1:
		tell(p.First, min(last, first-1), "the events exist twice")
	}
	if p.Lost {
		s.lost = append(s.lost, record.Run{Number: s.Number, First: p.First, Count: p.Left})
		v.note(s.Number, p.First, last)
		p.Left = 0
	}
	for p.Left > 0 {
		id, position, data, err := p.Next()
		if err != nil {
			tell(id+1, last, "%v", err)
			break
		}
		if id <= s.Deleted {
			continue
		}
		s.found += eventSum(id, position, p.Time)
		v.report.Events++
		v.report.Bytes += uint64(len(data))
		v.done++
	}
	if p.Trailing() {
		tell(last, last, "trailing bytes follow it in its page")
	}
	s.read = max(s.read, last)
}

// note adds lost events to the notes, at most as many as pieces of damage.
func (v *verifier) note(number, first, last uint64) {
	v.report.Lost += last - first + 1
	name, _ := v.db.Get(record.NameKey(number), &leniently)
	if v.report.takes(len(v.report.Notes)) {
		v.report.Notes = append(v.report.Notes, Damage{
			Stream: name, First: first, Last: last, What: "lost in an earlier repair",
		}.String())
	}
}
