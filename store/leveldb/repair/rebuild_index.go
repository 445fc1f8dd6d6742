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

// An indexRebuilder rebuilds everything in a database that its commits repeat:
// stream records and names, cursors, and the records of requests with keys. It
// removes what LevelDB brought back from tables that had been merged. If commits
// are missing, it keeps everything else that exists.
type indexRebuilder struct {
	ctx         context.Context
	db          *leveldb.DB
	batch       leveldb.Batch
	streams     map[uint64]*indexedStream
	cursors     map[string]loggedCursor // by key, according to the commits
	keys        map[uint64]struct{}     // checksums of the request keys in commits
	log         record.Tip              // the end of the log
	sound       bool                    // no commit is missing
	whole       bool                    // nor does a record stand for lost commits
	lossRecords int                     // records of lost commits so far
	erased      uint64                  // position of the last erasure record
}

// An indexedStream is what is known of a stream.
type indexedStream struct {
	record.Counter        // according to its record
	name           []byte // nil: unknown
	numbered       bool   // there is a name under its number
	committed      uint64 // the last event according to the commits
	removed        uint64 // deleted up to this id according to the commits
	erasing        uint64 // deleted events up to this id may still exist
	resurrected    bool   // other deleted events exist
}

// A loggedCursor is where a commit put a cursor, and how many loss records came
// before.
type loggedCursor struct {
	id          uint64
	lossRecords int
}

const rebuildBytes = 512 << 10 // size of one batch of changes

// rebuildIndex rebuilds the index of a database. least is how far its commits reach
// if none is missing.
func rebuildIndex(ctx context.Context, db *leveldb.DB, least datadir.Highwater) error {
	m, err := newIndexRebuilder(ctx, db, least)
	if err != nil {
		return err
	}
	for _, step := range []func() error{m.rebuildCounters, m.rebuildCursors, m.rebuildKeys, m.checkPages, m.recordErasures, m.flush} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// newIndexRebuilder reads the streams, commits and erasures, and removes malformed
// records of streams and erasures.
func newIndexRebuilder(ctx context.Context, db *leveldb.DB, least datadir.Highwater) (*indexRebuilder, error) {
	m := &indexRebuilder{
		ctx: ctx, db: db, streams: make(map[uint64]*indexedStream),
		cursors: make(map[string]loggedCursor), keys: make(map[uint64]struct{}),
	}
	for _, step := range []func() error{m.readNames, m.readCounters, m.readCommits} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	m.sound = m.sound && m.log.Position >= least.Position
	m.whole = m.sound && m.lossRecords == 0
	return m, m.readErasures()
}

// kind calls f for each key of a kind, and writes what f puts into the batch.
func (m *indexRebuilder) kind(kind byte, f func(key, value []byte)) error {
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

func (m *indexRebuilder) flush() error {
	if m.batch.Len() == 0 {
		return nil
	}
	defer m.batch.Reset()
	return m.db.Write(&m.batch, nil)
}

// put writes a value under key, unless it is already there.
func (m *indexRebuilder) put(key, value []byte) {
	if have, err := m.db.Get(key, &strictly); err != nil || !bytes.Equal(have, value) {
		m.batch.Put(key, value)
	}
}

func (m *indexRebuilder) stream(number uint64) *indexedStream {
	s := m.streams[number]
	if s == nil {
		s = new(indexedStream)
		m.streams[number] = s
	}
	return s
}

func (m *indexRebuilder) readNames() error {
	return m.kind(record.KindName, func(key, name []byte) {
		if number, rest, ok := record.CutNumber(key[1:]); ok && len(rest) == 0 {
			s := m.stream(number)
			s.name, s.numbered = bytes.Clone(name), true
		}
	})
}

func (m *indexRebuilder) readCounters() error {
	return m.kind(record.KindStream, func(key, value []byte) {
		c, err := record.ParseCounter(value)
		if err != nil {
			m.batch.Delete(bytes.Clone(key))
			return
		}
		switch s := m.stream(c.Number); {
		case s.name == nil || bytes.Equal(s.name, key[1:]):
			s.name, s.Counter = bytes.Clone(key[1:]), c
		default: // from a commit that was undone
			m.batch.Delete(bytes.Clone(key))
		}
	})
}

func (m *indexRebuilder) readCommits() error {
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

func (m *indexRebuilder) operation(o *record.Operation) {
	switch o.Kind {
	case record.OpLost:
		m.lossRecords++
	case record.OpDelete:
		m.stream(o.Number).removed = o.ID
	case record.OpCursor:
		if key := string(record.CursorKey(o.Name, o.Number)); o.ID > 0 {
			m.cursors[key] = loggedCursor{o.ID, m.lossRecords}
		} else {
			delete(m.cursors, key)
		}
	case record.OpKey:
		key := record.RequestKey(o.Number, o.Name)
		m.keys[crc64.Checksum(key, sums)] = struct{}{}
		m.put(key, record.AppendRequest(nil, o.Sum, o.IDs))
	}
}

func (m *indexRebuilder) readErasures() error {
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

// rebuildCounters writes the streams' records and names.
func (m *indexRebuilder) rebuildCounters() error {
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
			continue // the name is lost
		case m.whole && s.Last == 0: // from a commit that was undone
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

func (m *indexRebuilder) rebuildCursors() error {
	err := m.kind(record.KindCursor, func(key, value []byte) {
		told, known := m.cursors[string(key)]
		want, sure := told.id, m.whole || m.sound && told.lossRecords == m.lossRecords
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

// rebuildKeys removes the records of requests that no commit has.
func (m *indexRebuilder) rebuildKeys() error {
	if !m.whole {
		return nil
	}
	return m.kind(record.KindKey, func(key, _ []byte) {
		if _, known := m.keys[crc64.Checksum(key, sums)]; !known {
			m.batch.Delete(bytes.Clone(key))
		}
	})
}

// checkPages removes events that were never committed, and finds streams with
// deleted events.
func (m *indexRebuilder) checkPages() error {
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
			s.resurrected = true
		}
	})
}

// recordErasures restores the erasure records of streams whose deleted events exist
// again, so that these are hidden and purged.
func (m *indexRebuilder) recordErasures() error {
	var c record.Commit
	return m.kind(record.KindCommit, func(key, value []byte) {
		if c.Parse(key, value) != nil {
			return
		}
		c.Erasures(func(position uint64, e record.Erasure) {
			if s := m.streams[e.Number]; e.Kind == record.OpDelete && s != nil && s.resurrected {
				m.batch.Put(record.ErasureKey(position), e.Append(nil))
			}
		})
	})
}
