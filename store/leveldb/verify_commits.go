package leveldb

import (
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
)

// commits verifies the commits and keeps what they say of the streams.
func (v *verifier) commits() error {
	v.last = tip{nextNumber: 1}
	follows := true // what comes next, if it is whole
	var c commitRecord
	err := v.kind(kindCommit, func(key, value []byte) {
		v.report.Commits++
		if err := c.parse(key, value); err != nil {
			v.tell(Damage{What: err.Error()})
			follows, v.report.broken = false, true
			return
		}
		if follows && !c.follows(v.last.chain, value) {
			v.tellf("the commit at position %d does not follow the one at position %d: one is missing or was changed", c.last, v.last.position)
			follows, v.report.broken = false, true
		}
		v.commit(&c, follows)
		follows = true
		v.last = c.tip()
		if chain, ok := v.reach[c.last]; ok && chain != c.chain {
			v.tellf("the commit at position %d is another one than the store had", c.last)
		}
		delete(v.reach, c.last)
	})
	for _, position := range slices.Sorted(maps.Keys(v.reach)) {
		v.tellf("the commit at position %d is missing; the last one is at position %d", position, v.last.position)
		v.report.broken = true
	}
	return err
}

// commit takes up what a commit did; follows says that it comes after the last
// one.
func (v *verifier) commit(c *commitRecord, follows bool) {
	possible := c.possible()
	if !possible || follows && c.first != v.last.position+1 {
		v.tellf("the commit at position %d has not the positions from %d on", c.last, v.last.position+1)
	}
	if !possible {
		return
	}
	if c.time < v.last.time || c.nextNumber < v.last.nextNumber {
		v.tellf("the commit at position %d was made before the one at position %d", c.last, v.last.position)
	}
	position := c.first
	for _, r := range c.runs {
		v.run(c, r, position)
		position += r.count
		v.done += r.count
	}
	for i := range c.operations {
		v.operation(c, &c.operations[i])
	}
}

// run takes up a run whose first event has a position.
func (v *verifier) run(c *commitRecord, r run, position uint64) {
	s := v.streams[r.number]
	if s == nil {
		s = &verified{damaged: true} // told once
		v.streams[r.number] = s
		v.tell(Damage{number: r.number, From: position, UpTo: position + r.count - 1, What: "commits have its events, and it has no record"})
	}
	end := r.first + r.count
	if r.first != s.committed+1 && s.number != 0 {
		v.gaps = append(v.gaps, Damage{number: r.number, First: s.committed + 1, Last: max(r.first, s.committed+2) - 1,
			What: fmt.Sprintf("no commit has them, or a second one; position %d goes on with event %d", position, r.first)})
	}
	for id := max(r.first, s.deleted+1); id < end; id++ {
		s.expected += eventSum(id, position+id-r.first, c.time)
	}
	s.committed = max(s.committed, end-1)
}

// operation takes up an operation.
func (v *verifier) operation(c *commitRecord, o *operation) {
	s := v.streams[o.number]
	switch {
	case s == nil && o.kind != opLost && o.kind != opOmitted && (o.kind != opCursor || o.number > 0):
		v.tellf("an operation of the commit at position %d is on the stream number %d, which has no record", c.last, o.number)
	case s != nil && o.kind != opKey && o.id > s.committed && !v.lost:
		v.tellf("an operation of the commit at position %d is on the event %d of the stream number %d, which there was not", c.last, o.id, o.number)
	case o.kind == opLost:
		v.lost = true
		if v.report.Gone += o.count; o.count > 0 && v.report.takes(len(v.report.Notes)) {
			v.report.Notes = append(v.report.Notes, Damage{
				From: c.last - o.count + 1, UpTo: c.last, What: "what was here was lost when the store was repaired",
			}.String())
		}
		clear(v.cursorAt) // they may have been moved by what is lost
	case o.kind == opCursor && o.id == 0:
		delete(v.cursorAt, string(cursorKey(o.name, o.number)))
	case o.kind == opCursor:
		v.cursorAt[string(cursorKey(o.name, o.number))] = o.id
	case o.kind == opDelete:
		s.removed = o.id
	case o.kind == opKey:
		s.requests += requestSum(keyKey(o.number, o.name), appendRemembered(nil, o.sum, o.ids))
	}
}

// requestSum sums up what is kept of a request with a key.
func requestSum(key, value []byte) uint64 {
	return crc64.Update(crc64.Checksum(key, ecma), ecma, value)
}

// eventSum sums up what commits and pages both say of an event of a stream.
func eventSum(id, position uint64, time int64) uint64 {
	x := id*0x9e3779b97f4a7c15 ^ position*0xbf58476d1ce4e5b9 ^ uint64(time)*0x94d049bb133111eb
	x = (x ^ x>>31) * 0xd6e8feb86659fd93
	return x ^ x>>32
}
