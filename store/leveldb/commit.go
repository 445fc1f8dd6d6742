package leveldb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"gorewind/store"
	"gorewind/store/leveldb/internal/record"
)

// A commit is one batch of requests that go to disk together.
type commit struct {
	serial   uint64 // names the commit within this process
	began    time.Time
	record   record.Commit
	before   record.Tip // the end of the log that it follows
	batch    leveldb.Batch
	bytes    int // of what callers handed in
	count    int // of events
	request  int // number of the request being staged, within the commit
	touched  []stream
	recent   int // index in touched: the stream of the last request
	staged   []staged
	keys     map[string]int // key in the database to index of the operation
	cursors  map[string]cursorMove
	pages    []pageChange
	accepted []requestRef
	refused  []requestRef  // because of requests staged before them
	events   []store.Event // for Tail; nil when nobody follows
	follow   bool
	page     record.PageWriter
	key      []byte // scratch
	scratch  []byte
}

// staged is an event of a commit. The events of one stream form a linked list.
type staged struct {
	position uint64
	data     []byte
	next     int // index of the stream's next event, or 0
}

// A requestRef names one request of a call.
type requestRef struct {
	call *call
	i    int
}

// Limits of what the caller's own goroutine may commit: few requests, and only
// while the disk is fast and the database needs neither reopening nor repair.
// Handing over to the committer and back costs a fifth of the time that one small
// commit takes.
const (
	nowRequests = 64
	nowBytes    = 64 << 10
	nowSync     = time.Millisecond
)

// commitNow commits c at once if nothing waits and no commit is under way. It
// reports whether it did.
func (d *DB) commitNow(c *call) bool {
	if c.size() > nowRequests || !d.turn.TryLock() {
		return false
	}
	defer d.turn.Unlock()
	if !d.queue.pass(c.size()) || d.syncTook > nowSync || d.pacer.step > 0 || d.fault() != nil {
		return false
	}
	size := 0
	for i := range c.size() {
		_, n, _ := c.measure(i) // process refuses what is too large
		size += n
	}
	if size > nowBytes {
		return false
	}
	d.process(&d.commit, []*call{c})
	return true
}

// commitLoop is the committer's goroutine. It ends when the queue is closed and
// empty.
func (d *DB) commitLoop() {
	var calls []*call
	var took time.Duration // by the last sync
	for d.queue.wait(took) {
		d.turn.Lock() // lock first: a caller that gets the turn and sees an empty queue must come next in order
		calls = d.queue.take(calls)
		d.process(&d.commit, calls)
		took = d.syncTook
		d.turn.Unlock()
	}
	d.turn.Lock()
	close(d.committed) // no caller's goroutine is committing either
	d.turn.Unlock()
}

// process answers calls, in as few commits as the limits allow.
func (d *DB) process(c *commit, calls []*call) {
	unusable := d.ensureWritable()
	d.begin(c)
	first := 0 // the first call that was not answered yet
	for n, call := range calls {
		for i := range call.size() {
			events, size, err := call.measure(i)
			if err == nil {
				err = unusable
			}
			if err == nil && d.apart(c, call, events, size) {
				unusable = d.write(c)
				d.finish(calls[first:n])
				first = n
				d.begin(c)
				err = unusable
			}
			if err == nil {
				if err = d.stage(c, call, i); err != nil && len(c.accepted) > 0 {
					c.refused = append(c.refused, requestRef{call, i})
				}
			}
			if err != nil {
				call.fail(i, err)
				continue
			}
			c.count += events
			c.bytes += size
			c.accepted = append(c.accepted, requestRef{call, i})
		}
	}
	_ = d.write(c) // c's requests get its error from finish
	d.finish(calls[first:])
}

// apart reports whether a request needs a commit of its own after c: it does not
// fit into c, or it erases something that c still has to write.
func (d *DB) apart(c *commit, call *call, events, size int) bool {
	if len(c.accepted) == 0 {
		return false
	}
	return c.count+events > store.MaxCommitEvents || c.bytes+size > store.MaxCommitBytes ||
		len(c.accepted) >= store.MaxCommitEvents || call.erases != nil && c.holds(&d.streams, call.erases)
}

func (d *DB) finish(calls []*call) {
	for _, call := range calls {
		call.done()
	}
}

// begin makes c the commit that follows the last one.
func (d *DB) begin(c *commit) {
	d.streams.age()
	last := d.last // written only by the holder of the turn
	c.serial++
	c.began = time.Now()
	c.before = last
	c.record = record.Commit{
		Last: last.Position, First: last.Position + 1, NextNumber: last.NextNumber,
		Time: max(last.Time, c.began.UnixMicro()), Runs: c.record.Runs[:0], Operations: c.record.Operations[:0],
	}
	c.batch.Reset()
	if c.events, c.follow = nil, d.recent.followed(); c.follow {
		c.events = make([]store.Event, 0, c.count+c.count/8) // about as many as in the last commit
	}
	c.bytes, c.count, c.recent, c.request = 0, 0, 0, 0
	clear(c.touched)
	clear(c.staged)
	clear(c.accepted)
	clear(c.refused)
	clear(c.pages)
	clear(c.keys)
	clear(c.cursors)
	c.touched, c.staged, c.pages = c.touched[:0], c.staged[:0], c.pages[:0]
	c.accepted, c.refused = c.accepted[:0], c.refused[:0]
}

// stage puts a request into c. On error it leaves c as it was.
func (d *DB) stage(c *commit, call *call, i int) error {
	c.request++
	if call.stage != nil {
		return call.stage(d, c)
	}
	return d.stageAppend(c, &call.reqs[i], call.results[i].IDs)
}

// stageAppend puts an Append into c and sets the ids of the last event of each
// group.
func (d *DB) stageAppend(c *commit, req *store.Append, ids []uint64) error {
	var sum []byte
	if len(req.Key) > 0 {
		sum = sumOf(d.secret, req)
		again, err := d.repeated(c, req, sum, ids)
		if again || err != nil {
			return err
		}
	}
	for g := range req.Groups {
		if err := d.expect(c, g, &req.Groups[g]); err != nil {
			return err
		}
	}
	for g := range req.Groups {
		s, err := c.touch(&d.streams, d.db, req.Groups[g].Stream)
		if err != nil {
			return err // cannot happen: expect has loaded the stream
		}
		c.appendEvents(s, req.Groups[g].Events)
		ids[g] = s.after.Last
	}
	if sum != nil {
		s, err := c.touch(&d.streams, d.db, req.Groups[0].Stream)
		if err != nil {
			return err // cannot happen either
		}
		c.remember(s.after.Number, req.Key, sum, ids)
	}
	return nil
}

// expect checks the expectation of a request's group g.
func (d *DB) expect(c *commit, g int, group *store.Group) error {
	s, err := c.touch(&d.streams, d.db, group.Stream)
	if err != nil {
		return err
	}
	again := s.seen == c.request
	s.seen = c.request
	switch {
	case !group.Expected.Given:
		return nil
	case again:
		return fmt.Errorf("%w: the second group of the stream %+q has an expectation", store.ErrInvalid, group.Stream)
	}
	return meets(s.after, g, group.Stream, group.Expected)
}

// meets returns a store.Conflict unless the stream's last event is the expected
// one.
func meets(c record.Counter, group int, stream []byte, expected store.Optional) error {
	last := c.Last
	if c.Deleted == last {
		last = 0
	}
	if expected.Given && expected.N != last {
		return &store.Conflict{Group: group, Stream: stream, Last: last}
	}
	return nil
}

// appendEvents appends events to a stream.
func (c *commit) appendEvents(s *stream, events [][]byte) {
	if s.after.Number == 0 {
		s.after.Number = c.record.NextNumber
		c.record.NextNumber++
		c.batch.Put(record.NameKey(s.after.Number), s.name)
	}
	c.extend(s.after, uint64(len(events)))
	for _, data := range events {
		s.after.Last++
		c.record.Last++
		c.record.Bytes += uint64(len(data))
		c.put(s, data)
	}
}

// extend records that n more events follow in the stream of counter k.
func (c *commit) extend(k record.Counter, n uint64) {
	if r := len(c.record.Runs) - 1; r >= 0 && c.record.Runs[r].Number == k.Number {
		c.record.Runs[r].Count += n
		return
	}
	c.record.Runs = append(c.record.Runs, record.Run{Number: k.Number, First: k.Last + 1, Count: n})
}

// put adds the event that s.after and c.record already count as the last.
func (c *commit) put(s *stream, data []byte) {
	at := len(c.staged)
	if s.oldest < 0 {
		s.oldest = at
	} else {
		c.staged[s.newest].next = at
	}
	s.newest = at
	c.staged = append(c.staged, staged{position: c.record.Last, data: data})
	if c.follow {
		c.events = append(c.events, store.Event{
			Stream: s.name, ID: s.after.Last, Position: c.record.Last, Time: time.UnixMicro(c.record.Time), Data: data,
		})
	}
}

// putPages adds a stream's events to the batch.
func (c *commit) putPages(s *stream) {
	id := s.before.Last
	for at := s.oldest; ; at = c.staged[at].next {
		e := &c.staged[at]
		id++
		c.page.Add(e.position, c.record.Time, e.data)
		if e.next == 0 || c.page.Full() {
			c.key = record.AppendEventKey(c.key[:0], s.after.Number, id)
			c.batch.Put(c.key, c.page.End(c.key))
		}
		if e.next == 0 {
			return
		}
	}
}

// write puts c on disk and answers its requests. It returns an error if the
// database cannot be written to any more.
func (d *DB) write(c *commit) error {
	if len(c.record.Runs) == 0 && len(c.record.Operations) == 0 {
		return nil // nothing changes: already deleted, or already stored under its key
	}
	c.touched = slices.DeleteFunc(c.touched, func(s stream) bool { return s.after == s.before })
	// Sorted by key: with thousands of streams, LevelDB inserts a fifth faster.
	slices.SortFunc(c.touched, func(a, b stream) int { return cmp.Compare(a.after.Number, b.after.Number) })
	for i := range c.touched {
		if s := &c.touched[i]; s.after.Last > s.before.Last {
			c.putPages(s)
		}
	}
	c.putCounters()
	erased := c.putOperations()
	c.scratch = c.record.Append(c.scratch[:0], c.before.Chain)
	c.batch.Put(record.CommitKey(c.record.Last), c.scratch)
	d.counts.delay(d.pacer.pace(d.db, c.count))
	began := time.Now()
	d.counts.writing.Store(began.UnixNano())
	defer d.counts.writing.Store(0) // after undo, if the write fails
	err := d.db.Write(&c.batch, &opt.WriteOptions{Sync: true})
	ended := time.Now()
	d.syncTook = ended.Sub(began)
	d.slowness.note(d.log, c, d.syncTook)
	if err != nil {
		return d.undo(c, err)
	}
	d.counts.commits.observe(uint64(ended.Sub(c.began)))
	d.counts.events.observe(uint64(c.count))
	if c.count > 0 {
		d.counts.event.Store(c.record.First + uint64(c.count) - 1)
	}
	d.streams.publish(c.touched)
	d.state.Lock()
	d.last = c.record.Tip()
	d.state.Unlock()
	d.eraser.noteErased(c.record.Operations)
	d.recent.addCommit(c.record.Last, c.events, erased)
	return nil
}

// putCounters adds the counters of the streams that c changes to the batch.
func (c *commit) putCounters() {
	slices.SortFunc(c.touched, func(a, b stream) int { return bytes.Compare(a.name, b.name) })
	for i := range c.touched {
		s := &c.touched[i]
		c.key = record.AppendStreamKey(c.key[:0], s.name)
		c.scratch = s.after.Append(c.scratch[:0])
		c.batch.Put(c.key, c.scratch)
	}
}

// inverse returns the batch that removes c from the database.
func (c *commit) inverse() *leveldb.Batch {
	b := new(leveldb.Batch)
	for i := range c.touched {
		s := &c.touched[i]
		for id := s.before.Last + 1; id <= s.after.Last; id++ {
			b.Delete(record.AppendEventKey(nil, s.after.Number, id))
		}
		if s.before.Number == 0 {
			b.Delete(record.NameKey(s.after.Number))
			b.Delete(record.StreamKey(s.name))
			continue
		}
		b.Put(record.StreamKey(s.name), s.before.Append(nil))
	}
	for _, p := range c.pages {
		if p.before == nil {
			b.Delete(p.key)
		} else {
			b.Put(p.key, p.before)
		}
	}
	for key, m := range c.cursors {
		if m.before == 0 {
			b.Delete([]byte(key))
		} else {
			b.Put([]byte(key), binary.AppendUvarint(nil, m.before))
		}
	}
	for key := range c.keys {
		b.Delete([]byte(key))
	}
	for position := c.record.First; position <= c.record.Last; position++ {
		b.Delete(record.ErasureKey(position)) // most never existed
	}
	b.Delete(record.CommitKey(c.record.Last))
	return b
}

// putOperations gives positions to the commit's operations and writes the records
// of what they erase. It reports whether any of them erases something.
func (c *commit) putOperations() (erased bool) {
	for i := range c.record.Operations {
		o := &c.record.Operations[i]
		c.record.Last += o.Positions()
		if e, erases := o.Erasure(); erases {
			c.batch.Put(record.ErasureKey(c.record.Last), e.Append(nil))
			erased = true
		}
	}
	return erased
}
