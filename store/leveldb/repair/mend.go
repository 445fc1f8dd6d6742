package repair

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc64"
	"maps"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// A mender makes anew what only repeats what the commits of a database say:
// streams' records and names by number, cursors, and what is kept of requests with
// a key; and it removes what LevelDB brought back from tables that had been
// merged. Where commits are missing, it keeps what else there is.
type mender struct {
	ctx     context.Context
	db      *leveldb.DB
	batch   leveldb.Batch
	streams map[uint64]*mended
	cursors map[string]toldCursor // by key, what the commits say
	keys    map[uint64]struct{}   // sums of the keys of requests that the commits tell
	log     record.Tip            // the end of the commits
	sound   bool                  // no commit is missing
	whole   bool                  // nor was one when the database was settled
	losses  int                   // commits so far that stand for lost ones
	erased  uint64                // position of the last record of an erasure
}

// A mended is what is known of a stream.
type mended struct {
	record.Counter        // what its record says
	name           []byte // nil: nobody knows
	numbered       bool   // there is a name by its number
	committed      uint64 // the commits have events up to this id
	removed        uint64 // and delete up to this one
	erasing        uint64 // deleted events up to this one may be there
	revived        bool   // there are others
}

// A toldCursor is where a commit put a cursor, after so many losses.
type toldCursor struct {
	id     uint64
	losses int
}

const rebuildBytes = 512 << 10 // of changes that are made at once

// mend mends a database whose commits reach as far as least, if none is missing.
func mend(ctx context.Context, db *leveldb.DB, least datadir.Highwater) error {
	m, err := newMender(ctx, db, least)
	if err != nil {
		return err
	}
	for _, step := range []func() error{m.mendCounters, m.mendCursors, m.mendKeys, m.mendPages, m.revive, m.flush} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// newMender reads what there is of streams, commits and erasures, and removes
// records of streams and erasures that are none.
func newMender(ctx context.Context, db *leveldb.DB, least datadir.Highwater) (*mender, error) {
	m := &mender{
		ctx: ctx, db: db, streams: make(map[uint64]*mended),
		cursors: make(map[string]toldCursor), keys: make(map[uint64]struct{}),
	}
	for _, step := range []func() error{m.readNames, m.readCounters, m.readCommits} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	m.sound = m.sound && m.log.Position >= least.Position
	m.whole = m.sound && m.losses == 0
	return m, m.readErasures()
}

// kind calls f for the keys of a kind, and writes what f puts into the batch.
func (m *mender) kind(kind byte, f func(key, value []byte)) error {
	it := m.db.NewIterator(&util.Range{Start: []byte{kind}, Limit: []byte{kind + 1}}, &strictly)
	defer it.Release()
	for it.Next() {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		f(it.Key(), it.Value())
		if len(m.batch.Dump()) > rebuildBytes {
			if err := m.flush(); err != nil {
				return err
			}
		}
	}
	if err := it.Error(); err != nil {
		return ldb.Fault("leveldb", err)
	}
	return m.flush()
}

func (m *mender) flush() error {
	if m.batch.Len() == 0 {
		return nil
	}
	defer m.batch.Reset()
	return m.db.Write(&m.batch, nil)
}

// put has key hold a value, if it does not.
func (m *mender) put(key, value []byte) {
	if have, err := m.db.Get(key, &strictly); err != nil || !bytes.Equal(have, value) {
		m.batch.Put(key, value)
	}
}

func (m *mender) stream(number uint64) *mended {
	s := m.streams[number]
	if s == nil {
		s = new(mended)
		m.streams[number] = s
	}
	return s
}

func (m *mender) readNames() error {
	return m.kind(record.KindName, func(key, name []byte) {
		if number, rest, ok := record.CutNumber(key[1:]); ok && len(rest) == 0 {
			s := m.stream(number)
			s.name, s.numbered = bytes.Clone(name), true
		}
	})
}

func (m *mender) readCounters() error {
	return m.kind(record.KindStream, func(key, value []byte) {
		c, err := record.ParseCounter(value)
		if err != nil {
			m.batch.Delete(bytes.Clone(key))
			return
		}
		switch s := m.stream(c.Number); {
		case s.name == nil || bytes.Equal(s.name, key[1:]):
			s.name, s.Counter = bytes.Clone(key[1:]), c
		default: // of a commit that was undone
			m.batch.Delete(bytes.Clone(key))
		}
	})
}

func (m *mender) readCommits() error {
	m.log, m.sound = record.Tip{NextNumber: 1}, true
	var c record.Commit
	return m.kind(record.KindCommit, func(key, value []byte) {
		if c.Parse(key, value) != nil {
			m.sound = false
			return
		}
		m.sound = m.sound && c.First == m.log.Position+1 && c.Follows(m.log.Chain, value)
		m.log = c.Tip()
		for _, r := range c.Runs {
			s := m.stream(r.Number)
			s.committed = max(s.committed, r.First+r.Count-1)
		}
		for i := range c.Operations {
			m.operation(&c.Operations[i])
		}
	})
}

func (m *mender) operation(o *record.Operation) {
	switch o.Kind {
	case record.OpLost:
		m.losses++
	case record.OpDelete:
		m.stream(o.Number).removed = o.ID
	case record.OpCursor:
		if key := string(record.CursorKey(o.Name, o.Number)); o.ID > 0 {
			m.cursors[key] = toldCursor{o.ID, m.losses}
		} else {
			delete(m.cursors, key)
		}
	case record.OpKey:
		key := record.RequestKey(o.Number, o.Name)
		m.keys[crc64.Checksum(key, sums)] = struct{}{}
		m.put(key, record.AppendRequest(nil, o.Sum, o.IDs))
	}
}

func (m *mender) readErasures() error {
	return m.kind(record.KindErasure, func(key, value []byte) {
		e, err := record.ParseErasure(key, value)
		s := m.streams[e.Number]
		if err != nil || s == nil || m.whole && e.Position > m.log.Position || e.Kind != record.OpDelete && e.Kind != record.OpReplace || e.First > e.Last ||
			e.Last > max(s.Last, s.committed) || e.Kind == record.OpDelete && e.Last > max(s.Deleted, s.removed) {
			m.batch.Delete(bytes.Clone(key))
			return
		}
		m.erased = max(m.erased, e.Position)
		if e.Kind == record.OpDelete {
			s.erasing = max(s.erasing, e.Last)
		}
	})
}

// mendCounters writes streams' records and names.
func (m *mender) mendCounters() error {
	for _, number := range slices.Sorted(maps.Keys(m.streams)) {
		s := m.streams[number]
		if m.whole {
			s.Counter = record.Counter{Number: number, Last: s.committed, Deleted: s.removed}
		} else {
			s.Deleted = max(s.Deleted, s.removed)
			s.Counter = record.Counter{Number: number, Last: max(s.Last, s.committed, s.Deleted), Deleted: s.Deleted}
		}
		switch {
		case s.name == nil:
			continue // nobody can tell
		case m.whole && s.Last == 0: // of a commit that was undone
			m.batch.Delete(record.NameKey(number))
			m.batch.Delete(record.StreamKey(s.name))
			delete(m.streams, number)
			continue
		}
		m.put(record.NameKey(number), s.name)
		m.put(record.StreamKey(s.name), s.Append(nil))
	}
	return m.flush()
}

func (m *mender) mendCursors() error {
	err := m.kind(record.KindCursor, func(key, value []byte) {
		told, known := m.cursors[string(key)]
		want, sure := told.id, m.whole || m.sound && told.losses == m.losses
		delete(m.cursors, string(key))
		have, ok := record.ParseCursor(value)
		switch {
		case known && (sure || !ok) && want != have:
			m.batch.Put(bytes.Clone(key), binary.AppendUvarint(nil, want))
		case !known && (m.whole || !ok):
			m.batch.Delete(bytes.Clone(key))
		}
	})
	for key, told := range m.cursors {
		m.batch.Put([]byte(key), binary.AppendUvarint(nil, told.id))
	}
	return err
}

// mendKeys removes what is kept of requests that no commit tells.
func (m *mender) mendKeys() error {
	if !m.whole {
		return nil
	}
	return m.kind(record.KindKey, func(key, _ []byte) {
		if _, known := m.keys[crc64.Checksum(key, sums)]; !known {
			m.batch.Delete(bytes.Clone(key))
		}
	})
}

// mendPages looks for events that were deleted or never committed.
func (m *mender) mendPages() error {
	return m.kind(record.KindEvent, func(key, value []byte) {
		number, rest, ok := record.CutNumber(key[1:])
		s := m.streams[number]
		if !ok || len(rest) != 8 || s == nil {
			return
		}
		last := record.KeyNumber(key)
		first, ok := record.PageFirst(key, value)
		switch {
		case !ok:
		case m.whole && last > s.Last:
			m.batch.Delete(bytes.Clone(key))
		case first <= s.Deleted && min(last, s.Deleted) > s.erasing:
			s.revived = true
		}
	})
}

// revive makes the records of erasures anew of streams that have events which
// were deleted, so that these are hidden, and leave the disk.
func (m *mender) revive() error {
	var c record.Commit
	return m.kind(record.KindCommit, func(key, value []byte) {
		if c.Parse(key, value) != nil {
			return
		}
		c.Erasures(func(position uint64, e record.Erasure) {
			if s := m.streams[e.Number]; e.Kind == record.OpDelete && s != nil && s.revived {
				m.batch.Put(record.ErasureKey(position), e.Append(nil))
			}
		})
	})
}
