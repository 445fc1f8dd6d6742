package leveldb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
)

// Verify reads all of the store in dir, which must not be open, and reports
// whether it is whole: each event's checksum, id, position and time, the commits
// from the first on, and what else there is beside each other. It changes nothing.
// progress, which may be nil, is called now and then with how much has been read,
// in events, and of how much. It takes about 150 octets of memory a stream.
//
// Damage is no error: an error says why it could not be verified, or not to the
// end. Among them are ErrInUse, ErrFormat, store.ErrUnavailable and ctx's.
func Verify(ctx context.Context, dir string, progress func(done, of int)) (Report, error) {
	v := newVerifier(ctx, progress)
	err := v.open(dir)
	if errors.Is(err, store.ErrDamaged) {
		v.tell(Damage{What: err.Error()})
		err = nil
	}
	if err != nil {
		return v.report, fmt.Errorf("verify store %s: %w", dir, err)
	}
	return v.report, nil
}

// A verifier compares what a store has of the same thing in several places. It
// reads each kind of keys once, in their order; that events and commits agree is
// seen from sums, since they are in different orders.
type verifier struct {
	ctx      context.Context
	progress func(done, of int)
	db       *leveldb.DB
	report   Report
	told     map[string]bool // damage of files
	streams  map[uint64]*verified
	reach    map[uint64]uint64 // by position, the chains that the high-water file tells
	last     tip               // of the commits
	gaps     []Damage          // ids that no commit has
	lost     bool              // commits were lost, which was accepted
	cursorAt map[string]uint64 // by key, what the commits say
	done, of uint64            // events
	keys     int
}

// A verified is what was found of a stream.
type verified struct {
	counter
	name      uint64 // sum of its name
	named     bool
	committed uint64 // the commits have events up to this id
	removed   uint64 // and delete up to this one
	erasing   uint64 // events up to this id may be there although they are deleted
	read      uint64 // there are events up to this id
	expected  uint64 // sum of what the commits say of its events
	found     uint64 // the same of the events
	damaged   bool   // sums differ then
	lost      []run  // events that were lost, which was accepted
	requests  uint64 // sum of what the commits say of its requests with a key, less the same of their records
}

func newVerifier(ctx context.Context, progress func(done, of int)) *verifier {
	return &verifier{
		ctx: ctx, progress: progress,
		streams: make(map[uint64]*verified), told: make(map[string]bool), reach: make(map[uint64]uint64),
		cursorAt: make(map[string]uint64),
	}
}

// verifyEvery is how many keys are read between calls of progress.
const verifyEvery = 1 << 12

// open opens the store in dir and verifies it.
func (v *verifier) open(dir string) error {
	path := filepath.Join(dir, dbName)
	if _, err := os.Stat(path); err != nil {
		return lostDatabase(dir, err)
	}
	lock, err := lockDirectory(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, copied, err := readIdentity(directoryDisk(dir)); err != nil {
		return err
	} else if copied {
		v.tellf(damagedIdentity)
	}
	if err := v.highwater(filepath.Join(dir, highwaterName)); err != nil {
		return err
	}
	files, err := storage.OpenFile(path, true)
	if err != nil {
		return err
	}
	db, g, err := openOverlay(files)
	if err != nil {
		return err
	}
	v.db = db
	return errors.Join(v.all(), db.Close(), g.Close())
}

// lostDatabase returns an error that says why there is no database in dir.
func lostDatabase(dir string, err error) error {
	if h, missing := openHighwater(directoryDisk(dir), false); missing == nil {
		defer h.close()
		if h.last.position > 0 {
			return fmt.Errorf("%w: the database is missing; it held commits up to position %d", store.ErrDamaged, h.last.position)
		}
	}
	return err
}

// all verifies all kinds of keys, each after those that it needs.
func (v *verifier) all() error {
	for _, verify := range []func() error{
		v.counters, v.names, v.commits, v.erasures, v.pages, v.compare, v.cursors, v.requests, v.strangers, v.place,
	} {
		if err := v.tick(); err != nil {
			return err
		}
		if err := verify(); err != nil {
			return err
		}
	}
	return nil
}

// tell adds damage to the report.
func (v *verifier) tell(d Damage) {
	if d.number > 0 && len(v.report.Damage) < MaxDamage {
		// What cannot be read is told where names are verified.
		d.Stream, _ = v.db.Get(nameKey(d.number), &leniently)
	}
	v.report.add(d)
}

func (v *verifier) tellf(format string, args ...any) {
	v.tell(Damage{What: fmt.Sprintf(format, args...)})
}

// highwater verifies the high-water file, and keeps what it tells for commits.
func (v *verifier) highwater(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		v.tellf("the file %s is missing, so nobody can tell whether the end is lost", path)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var halves [2]highwater
	var ok, blank [2]bool
	for i := range halves {
		if halves[i], ok[i], blank[i], err = readSlot(f, int64(i)); err != nil {
			return err
		}
		if ok[i] && halves[i].position > 0 {
			v.reach[halves[i].position] = halves[i].chain
		}
	}
	for i := range halves {
		switch other := 1 - i; {
		case ok[i]:
		case ok[other] && blank[i] && halves[other].position == 0: // never written
		case ok[other]:
			v.report.Notes = append(v.report.Notes, fmt.Sprintf(
				"one half of the file %s is unreadable, as after a power cut; the other tells position %d", path, halves[other].position))
		case i == 0:
			v.tellf("neither half of the file %s is readable, so nobody can tell whether the end is lost", path)
		}
	}
	return nil
}

// leniently passes over damaged blocks, which strictly end a scan.
var (
	strictly  = opt.ReadOptions{DontFillCache: true}
	leniently = opt.ReadOptions{DontFillCache: true, Strict: opt.StrictOverride | opt.StrictBlockChecksum}
)

// scan calls f for each key from start to limit, also behind damage that it
// tells.
func (v *verifier) scan(start, limit []byte, f func(key, value []byte)) error {
	var last []byte
	for _, o := range []*opt.ReadOptions{&strictly, &leniently} {
		it := v.db.NewIterator(&util.Range{Start: start, Limit: limit}, o)
		for it.Next() {
			if v.keys++; v.keys%verifyEvery == 0 {
				if err := v.tick(); err != nil {
					it.Release()
					return err
				}
			}
			f(it.Key(), it.Value())
			last = append(last[:0], it.Key()...)
		}
		err := it.Error()
		it.Release()
		switch {
		case err == nil:
			return nil
		case !ldberrors.IsCorrupted(err) && !errors.Is(err, os.ErrNotExist):
			return fault("leveldb", err)
		case !v.told[err.Error()]:
			v.told[err.Error()] = true
			v.tell(Damage{What: err.Error()})
		}
		if last != nil {
			start = append(last[:len(last):len(last)], 0)
		}
	}
	return nil
}

// kind scans the keys of a kind.
func (v *verifier) kind(kind byte, f func(key, value []byte)) error {
	return v.scan([]byte{kind}, []byte{kind + 1}, f)
}

// tick shows how far it is, and returns an error when it is to end.
func (v *verifier) tick() error {
	if v.progress != nil {
		v.progress(int(min(v.done, v.of)), int(v.of))
	}
	return v.ctx.Err()
}

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

// cutNumber takes a number off a key.
func cutNumber(b []byte) (n uint64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] > 8 || len(b) < 1+int(b[0]) {
		return 0, nil, false
	}
	for _, octet := range b[1 : 1+b[0]] {
		n = n<<8 | uint64(octet)
	}
	return n, b[1+b[0]:], true
}

// commits verifies the commits and keeps what they say of the streams.
func (v *verifier) commits() error {
	v.last = tip{nextNumber: 1}
	follows := true // what comes next, if it is whole
	var c commitRecord
	err := v.kind(kindCommit, func(key, value []byte) {
		v.report.Commits++
		if err := c.parse(key, value); err != nil {
			v.tell(Damage{What: err.Error()})
			follows = false
			return
		}
		if follows && !c.follows(v.last.chain, value) {
			v.tellf("the commit at position %d does not follow the one at position %d: one is missing or was changed", c.last, v.last.position)
			follows = false
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
	}
	return err
}

// mostPositions is how many positions a commit may take; it never needs so many.
const mostPositions = 1 << 20

// commit takes up what a commit did; follows says that it comes after the last
// one.
func (v *verifier) commit(c *commitRecord, follows bool) {
	positions := c.last - c.first + 1
	var taken uint64
	for _, r := range c.runs {
		taken += min(r.count, mostPositions+1)
	}
	for i := range c.operations {
		taken += c.operations[i].positions()
	}
	if positions != taken || positions > mostPositions || follows && c.first != v.last.position+1 {
		v.tellf("the commit at position %d has not the positions from %d on", c.last, v.last.position+1)
	}
	if positions != taken || positions > mostPositions {
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
	case s == nil && o.kind != opLost && (o.kind != opCursor || o.number > 0):
		v.tellf("an operation of the commit at position %d is on the stream number %d, which has no record", c.last, o.number)
	case s != nil && o.kind != opKey && o.id > s.committed && !v.lost:
		v.tellf("an operation of the commit at position %d is on the event %d of the stream number %d, which there was not", c.last, o.id, o.number)
	case o.kind == opLost:
		v.lost = true
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
	if p.left == 0 && len(p.d.b) > 0 {
		tell(last, last, "octets follow it in its page")
	}
	s.read = max(s.read, last)
}

// note adds what was lost to the notes, of which there are as many as pieces of
// damage.
func (v *verifier) note(number, first, last uint64) {
	v.report.Lost += last - first + 1
	name, _ := v.db.Get(nameKey(number), &leniently)
	if len(v.report.Notes) < MaxDamage {
		v.report.Notes = append(v.report.Notes, Damage{
			Stream: name, First: first, Last: last, What: "they were lost when the store was repaired",
		}.String())
	}
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

// cursors verifies that cursors are where commits put them.
func (v *verifier) cursors() error {
	err := v.kind(kindCursor, func(key, value []byte) {
		d := decoder{b: key[1:]}
		consumer := d.take(int(d.octet()))
		number, rest, ok := cutNumber(d.b)
		id, whole := parseCursor(value)
		switch s := v.streams[number]; {
		case d.short || !ok || len(rest) > 0 || len(consumer) == 0 || !whole:
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
		d := decoder{b: []byte(key)[1:]}
		consumer := d.take(int(d.octet()))
		number, _, _ := cutNumber(d.b)
		v.tell(Damage{number: number, What: fmt.Sprintf("the cursor of %+q is missing, by the commits at %d", consumer, v.cursorAt[key])})
	}
	return err
}

// requests verifies what is kept of requests with a key.
func (v *verifier) requests() error {
	err := v.kind(kindKey, func(key, value []byte) {
		number, name, ok := cutNumber(key[1:])
		d := decoder{b: value}
		_, ids := d.remembered()
		switch s := v.streams[number]; {
		case !ok || !d.end() || len(ids) == 0:
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

// place adds positions to the damage of which ids are known.
func (v *verifier) place() error {
	of := make(map[uint64][]*Damage)
	for i := range v.report.Damage {
		if d := &v.report.Damage[i]; d.number > 0 && d.First > 0 {
			of[d.number] = append(of[d.number], d)
		}
	}
	if len(of) == 0 {
		return nil
	}
	var c commitRecord
	return v.kind(kindCommit, func(key, value []byte) {
		if c.parse(key, value) != nil {
			return // told
		}
		position := c.first
		for _, r := range c.runs {
			for _, d := range of[r.number] {
				v.placeRun(d, &c, r, position)
			}
			position += r.count
		}
	})
}

// placeRun adds the positions of a run to those of damage that has a part of it.
func (v *verifier) placeRun(d *Damage, c *commitRecord, r run, position uint64) {
	first, end := max(r.first, d.First), min(r.first+r.count, d.Last+1)
	if first >= end {
		return
	}
	if d.differ {
		pages := newPageReader(v.db)
		defer pages.release()
		events, err := pages.read(nil, nil, run{r.number, first, end - first}, unlimited)
		same := func(e store.Event) bool {
			return e.Position == position+e.ID-r.first && e.Time.UnixMicro() == c.time
		}
		at := slices.IndexFunc(events, func(e store.Event) bool { return !same(e) })
		if at < 0 || err != nil {
			return
		}
		upTo := at
		for i := at; i < len(events); i++ {
			if !same(events[i]) {
				upTo = i
			}
		}
		d.First, d.Last, d.differ = events[at].ID, events[upTo].ID, false
		first, end = d.First, d.Last+1
	}
	if d.From == 0 {
		d.From = position + first - r.first
	}
	d.UpTo = position + end - 1 - r.first
}
