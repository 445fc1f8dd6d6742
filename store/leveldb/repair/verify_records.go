package repair

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"gorewind/store/leveldb/internal/record"
)

// cursors verifies that cursors are where the commits put them.
func (v *verifier) cursors() error {
	err := v.kind(record.KindCursor, func(key, value []byte) {
		consumer, number, ok := record.ParseCursorKey(key)
		id, whole := record.ParseCursor(value)
		switch s := v.streams[number]; {
		case !ok || !whole:
			v.tellf("malformed cursor %x: %x", key, value)
		case number == 0 && id > v.last.Position:
			v.tellf("the cursor of %+q is at position %d; the last one is %d", consumer, id, v.last.Position)
		case number > 0 && s == nil:
			v.tellf("the cursor of %+q is in stream number %d, which has no record", consumer, number)
		case number > 0 && s.Number > 0 && id > s.Last:
			v.tell(Damage{number: number, What: fmt.Sprintf("the cursor of %+q is at event %d; the last one is %d", consumer, id, s.Last)})
		case v.cursorAt[string(key)] != id && (!v.lost || v.cursorAt[string(key)] > 0):
			v.tell(Damage{number: number, What: fmt.Sprintf("the cursor of %+q is at %d, but the commits put it at %d", consumer, id, v.cursorAt[string(key)])})
		}
		delete(v.cursorAt, string(key))
	})
	for _, key := range slices.Sorted(maps.Keys(v.cursorAt)) {
		consumer, number, _ := record.ParseCursorKey([]byte(key))
		v.tell(Damage{number: number, What: fmt.Sprintf("the cursor of %+q is missing; the commits put it at %d", consumer, v.cursorAt[key])})
	}
	return err
}

// requests verifies the records of requests with keys.
func (v *verifier) requests() error {
	err := v.kind(record.KindKey, func(key, value []byte) {
		number, name, ok := record.CutNumber(key[1:])
		ids, whole := requestIDs(value)
		switch s := v.streams[number]; {
		case !ok || !whole:
			v.tellf("malformed request record %x: %x", key, value)
		case s == nil:
			v.tellf("the request with the key %+q names stream number %d, which has no record", name, number)
		case s.Number > 0 && ids[0] > s.Last:
			v.tell(Damage{number: number, What: fmt.Sprintf("the request with the key %+q stored event %d; the last one is %d", name, ids[0], s.Last)})
		default:
			s.requests -= requestSum(key, value)
		}
	})
	for _, number := range v.numbers(func(s *verified) bool { return s.Number > 0 && s.requests != 0 && !v.lost }) {
		v.tell(Damage{number: number, What: "the records of its requests with keys do not match the commits"})
	}
	if err != nil || !v.lost {
		return err
	}
	// After a loss there may be more records than the remaining commits have, but
	// not fewer.
	var c record.Commit
	return v.kind(record.KindCommit, func(key, value []byte) {
		if c.Parse(key, value) != nil {
			return // already reported
		}
		for i := range c.Operations {
			o := &c.Operations[i]
			if o.Kind != record.OpKey {
				continue
			}
			have, err := v.db.Get(record.RequestKey(o.Number, o.Name), &leniently)
			if err != nil || !bytes.Equal(have, record.AppendRequest(nil, o.Sum, o.IDs)) {
				v.tell(Damage{number: o.Number, What: fmt.Sprintf("the record of the request with the key %+q does not match the commits", o.Name)})
			}
		}
	})
}

// requestIDs returns the ids in the record of a request with a key; there is at
// least one.
func requestIDs(value []byte) (ids []uint64, ok bool) {
	_, ids, ok = record.ParseRequest(value)
	return ids, ok && len(ids) > 0
}

// unknownKeys reports keys of unknown kinds.
func (v *verifier) unknownKeys() error {
	kinds := []byte{record.KindCursor, record.KindEvent, record.KindKey, record.KindName, record.KindErasure, record.KindStream, record.KindCommit}
	var from []byte
	for i := range len(kinds) + 1 {
		var upTo []byte
		if i < len(kinds) {
			upTo = kinds[i : i+1]
		}
		if err := v.scan(from, upTo, func(key, _ []byte) { v.tellf("unknown key %x", key) }); err != nil {
			return err
		}
		if upTo != nil {
			from = []byte{upTo[0] + 1}
		}
	}
	return nil
}
