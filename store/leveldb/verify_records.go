package leveldb

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// cursors verifies that cursors are where commits put them.
func (v *verifier) cursors() error {
	err := v.kind(kindCursor, func(key, value []byte) {
		consumer, number, ok := parseCursorKey(key)
		id, whole := parseCursor(value)
		switch s := v.streams[number]; {
		case !ok || !whole:
			v.tellf("cursor %x: %x", key, value)
		case number == 0 && id > v.last.position:
			v.tellf("the cursor of %+q is at position %d; the last one is %d", consumer, id, v.last.position)
		case number > 0 && s == nil:
			v.tellf("the cursor of %+q is in the stream number %d, which has no record", consumer, number)
		case number > 0 && s.number > 0 && id > s.last:
			v.tell(Damage{number: number, What: fmt.Sprintf("the cursor of %+q is at event %d; the last one is %d", consumer, id, s.last)})
		case v.cursorAt[string(key)] != id && (!v.lost || v.cursorAt[string(key)] > 0):
			v.tell(Damage{number: number, What: fmt.Sprintf("the cursor of %+q is at %d, by the commits at %d", consumer, id, v.cursorAt[string(key)])})
		}
		delete(v.cursorAt, string(key))
	})
	for _, key := range slices.Sorted(maps.Keys(v.cursorAt)) {
		consumer, number, _ := parseCursorKey([]byte(key))
		v.tell(Damage{number: number, What: fmt.Sprintf("the cursor of %+q is missing, by the commits at %d", consumer, v.cursorAt[key])})
	}
	return err
}

// requests verifies what is kept of requests with a key.
func (v *verifier) requests() error {
	err := v.kind(kindKey, func(key, value []byte) {
		number, name, ok := cutNumber(key[1:])
		ids, whole := requestIDs(value)
		switch s := v.streams[number]; {
		case !ok || !whole:
			v.tellf("record of a request with a key %x: %x", key, value)
		case s == nil:
			v.tellf("the request with the key %+q is of the stream number %d, which has no record", name, number)
		case s.number > 0 && ids[0] > s.last:
			v.tell(Damage{number: number, What: fmt.Sprintf("the request with the key %+q stored event %d; the last one is %d", name, ids[0], s.last)})
		default:
			s.requests -= requestSum(key, value)
		}
	})
	for _, number := range v.numbers(func(s *verified) bool { return s.number > 0 && s.requests != 0 && !v.lost }) {
		v.tell(Damage{number: number, What: "what is kept of its requests with a key is not what the commits say"})
	}
	if err != nil || !v.lost {
		return err
	}
	// There may be more of them than the commits that are left tell, but not fewer.
	var c commitRecord
	return v.kind(kindCommit, func(key, value []byte) {
		if c.parse(key, value) != nil {
			return // told
		}
		for i := range c.operations {
			o := &c.operations[i]
			if o.kind != opKey {
				continue
			}
			have, err := v.db.Get(keyKey(o.number, o.name), &leniently)
			if err != nil || !bytes.Equal(have, appendRemembered(nil, o.sum, o.ids)) {
				v.tell(Damage{number: o.number, What: fmt.Sprintf("what is kept of the request with the key %+q is not what the commits say", o.name)})
			}
		}
	})
}

// requestIDs returns the ids that are kept of a request with a key, of which there is
// at least one.
func requestIDs(value []byte) (ids []uint64, ok bool) {
	_, ids, ok = parseRemembered(value)
	return ids, ok && len(ids) > 0
}

// strangers tells of keys that are of no kind.
func (v *verifier) strangers() error {
	kinds := []byte{kindCursor, kindEvent, kindKey, kindName, kindErasure, kindStream, kindCommit}
	var from []byte
	for i := range len(kinds) + 1 {
		var upTo []byte
		if i < len(kinds) {
			upTo = kinds[i : i+1]
		}
		if err := v.scan(from, upTo, func(key, _ []byte) { v.tellf("key %x is none of a store", key) }); err != nil {
			return err
		}
		if upTo != nil {
			from = []byte{upTo[0] + 1}
		}
	}
	return nil
}
