package repair

import (
	"fmt"
	"hash/crc64"
	"maps"
	"slices"

	"gorewind/store/leveldb/internal/record"
)

// commits verifies the commits, and keeps what they say about the streams.
func (v *verifier) commits() error {
	v.last = record.Tip{NextNumber: 1}
	follows := true // the next commit follows, if it is intact
	var c record.Commit
	err := v.kind(record.KindCommit, func(key, value []byte) {
		v.report.Commits++
		if err := c.Parse(key, value); err != nil {
			v.tell(Damage{What: err.Error()})
			follows, v.report.broken = false, true
			return
		}
		if follows && !c.Follows(v.last.Chain, value) {
			v.tellf("the commit at position %d does not follow the one at position %d: a commit is missing or was changed", c.Last, v.last.Position)
			follows, v.report.broken = false, true
		}
		v.commit(&c, follows)
		follows = true
		v.last = c.Tip()
		if chain, ok := v.reach[c.Last]; ok && chain != c.Chain {
			v.tellf("the commit at position %d is not the one that the store had", c.Last)
		}
		delete(v.reach, c.Last)
	})
	for _, position := range slices.Sorted(maps.Keys(v.reach)) {
		v.tellf("the commit at position %d is missing; the last one is at position %d", position, v.last.Position)
		v.report.broken = true
	}
	return err
}

// commit notes what a commit did; follows says that the commit before it is known.
func (v *verifier) commit(c *record.Commit, follows bool) {
	possible := c.Possible()
	if !possible || follows && c.First != v.last.Position+1 {
		v.tellf("the commit at position %d does not begin at position %d", c.Last, v.last.Position+1)
	}
	if !possible {
		return
	}
	if c.Time < v.last.Time || c.NextNumber < v.last.NextNumber {
		v.tellf("the commit at position %d is older than the one at position %d", c.Last, v.last.Position)
	}
	position := c.First
	for _, r := range c.Runs {
		v.run(c, r, position)
		position += r.Count
		v.done += r.Count
	}
	for i := range c.Operations {
		v.operation(c, &c.Operations[i])
	}
}

// run notes a run whose first event has a position.
func (v *verifier) run(c *record.Commit, r record.Run, position uint64) {
	s := v.streams[r.Number]
	if s == nil {
		s = &verified{damaged: true} // reported once
		v.streams[r.Number] = s
		v.tell(Damage{number: r.Number, From: position, UpTo: position + r.Count - 1, What: "commits have events of this stream, but the stream has no record"})
	}
	end := r.First + r.Count
	if r.First != s.committed+1 && s.Number != 0 {
		v.gaps = append(v.gaps, Damage{number: r.Number, First: s.committed + 1, Last: max(r.First, s.committed+2) - 1,
			What: fmt.Sprintf("no commit has them, or two have them; position %d continues with event %d", position, r.First)})
	}
	for id := max(r.First, s.Deleted+1); id < end; id++ {
		s.expected += eventSum(id, position+id-r.First, c.Time)
	}
	s.committed = max(s.committed, end-1)
}

// operation notes an operation.
func (v *verifier) operation(c *record.Commit, o *record.Operation) {
	s := v.streams[o.Number]
	switch {
	case s == nil && o.Kind != record.OpLost && o.Kind != record.OpOmitted && (o.Kind != record.OpCursor || o.Number > 0):
		v.tellf("the commit at position %d changes stream number %d, which has no record", c.Last, o.Number)
	case s != nil && o.Kind != record.OpKey && o.ID > s.committed && !v.lost:
		v.tellf("the commit at position %d refers to event %d of stream number %d, which did not exist", c.Last, o.ID, o.Number)
	case o.Kind == record.OpLost:
		v.lost = true
		if v.report.Gone += o.Count; o.Count > 0 && v.report.takes(len(v.report.Notes)) {
			v.report.Notes = append(v.report.Notes, Damage{
				From: c.Last - o.Count + 1, UpTo: c.Last, What: "lost in an earlier repair",
			}.String())
		}
		clear(v.cursorAt) // lost commits may have moved them
	case o.Kind == record.OpCursor && o.ID == 0:
		delete(v.cursorAt, string(record.CursorKey(o.Name, o.Number)))
	case o.Kind == record.OpCursor:
		v.cursorAt[string(record.CursorKey(o.Name, o.Number))] = o.ID
	case o.Kind == record.OpDelete:
		s.removed = o.ID
	case o.Kind == record.OpKey:
		s.requests += requestSum(record.RequestKey(o.Number, o.Name), record.AppendRequest(nil, o.Sum, o.IDs))
	}
}

// sums is the table for checksums of names and keys.
var sums = crc64.MakeTable(crc64.ECMA)

// requestSum returns the checksum of the record of a request with a key.
func requestSum(key, value []byte) uint64 {
	return crc64.Update(crc64.Checksum(key, sums), sums, value)
}

// eventSum returns a checksum of what both commits and pages say about an event.
func eventSum(id, position uint64, time int64) uint64 {
	x := id*0x9e3779b97f4a7c15 ^ position*0xbf58476d1ce4e5b9 ^ uint64(time)*0x94d049bb133111eb
	x = (x ^ x>>31) * 0xd6e8feb86659fd93
	return x ^ x>>32
}
