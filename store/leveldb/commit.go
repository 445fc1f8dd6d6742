package leveldb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"gorewind/store"
)

// reopenEvery is how long the committer waits between attempts to open the
// database again.
const reopenEvery = time.Second

// Append implements store.Store.
func (d *DB) Append(reqs []store.Append, done func([]store.Result)) {
	c := &call{reqs, done, make([]store.Result, len(reqs))}
	if d.commitNow(c) || d.queue.put(c) {
		return
	}
	for i := range c.results {
		c.results[i].Err = store.ErrClosed
	}
	go done(c.results) // ends when done returns, which must not block
}

// A commit is what goes to disk at once.
type commit struct {
	serial  uint64 // names the commit within this process
	record  commitRecord
	before  tip // what it comes after
	batch   leveldb.Batch
	octets  int // of what callers handed in
	count   int // events
	touched []stream
	recent  int // in touched: the stream of the last request
	staged  []staged
	settles []settled
	events  []store.Event // for Tail; nil when nobody follows
	follow  bool
	page    pageWriter
	key     []byte // scratch
	scratch []byte
}

// staged is an event of a commit. Those of one stream are a list.
type staged struct {
	position uint64
	data     []byte
	next     int // index of the stream's next event, or 0
}

// settled names a request that a commit decides.
type settled struct {
	call *call
	i    int
}

// What may be committed on the caller's goroutine: few requests, and only while
// the disk is fast. The hand-over to the committer and back is a fifth of the
// time that one small commit takes.
const (
	nowRequests = 64
	nowOctets   = 64 << 10
	nowSync     = time.Millisecond
)

// commitNow commits c at once, if nothing waits or is being committed, and
// reports whether it did.
func (d *DB) commitNow(c *call) bool {
	if len(c.reqs) > nowRequests || !d.turn.TryLock() {
		return false
	}
	defer d.turn.Unlock()
	if !d.queue.pass(len(c.reqs)) || d.syncTook > nowSync || d.pacer.step > 0 {
		return false
	}
	octets := 0
	for i := range c.reqs {
		n, _ := measure(&c.reqs[i]) // process refuses what is too large
		octets += n
	}
	if octets > nowOctets {
		return false
	}
	d.process(&d.commit, []*call{c})
	return true
}

// commitLoop is the committer.
func (d *DB) commitLoop() {
	var calls []*call
	var took time.Duration // by the last sync
	for d.queue.wait(took) {
		d.turn.Lock() // then take: whoever has the turn and finds nothing waiting is next in order
		calls = d.queue.take(calls)
		d.process(&d.commit, calls)
		took = d.syncTook
		d.turn.Unlock()
	}
	d.turn.Lock()
	close(d.committed) // and no commit is under way on a caller's goroutine
	d.turn.Unlock()
}

// process settles calls, in as few commits as the limits allow.
func (d *DB) process(c *commit, calls []*call) {
	unusable := d.revive()
	d.begin(c)
	first := 0 // the first call whose done is due
	for n, call := range calls {
		for i := range call.reqs {
			req := &call.reqs[i]
			octets, err := measure(req)
			if err == nil {
				err = unusable
			}
			if err == nil && c.count > 0 && (c.count+len(req.Events) > store.MaxCommitEvents || c.octets+octets > store.MaxCommitOctets) {
				unusable = d.write(c)
				d.finish(calls[first:n])
				first = n
				d.begin(c)
				err = unusable
			}
			if err == nil {
				err = d.stage(c, call, i, octets)
			}
			if err != nil {
				call.results[i].Err = err
			}
		}
	}
	d.write(c)
	d.finish(calls[first:])
}

func (d *DB) finish(calls []*call) {
	for _, call := range calls {
		call.done(call.results)
	}
}

// measure returns the octets that a request counts, or why it is refused.
func measure(req *store.Append) (octets int, err error) {
	if n := len(req.Stream); n == 0 || n > store.MaxStream {
		return 0, fmt.Errorf("%w: a stream's name has 1 to %d octets, not %d", store.ErrTooLarge, store.MaxStream, n)
	}
	if n := len(req.Events); n == 0 || n > store.MaxCommitEvents {
		return 0, fmt.Errorf("%w: a request has 1 to %d events, not %d", store.ErrTooLarge, store.MaxCommitEvents, n)
	}
	for _, e := range req.Events {
		if len(e) > store.MaxEvent {
			return 0, fmt.Errorf("%w: an event has at most %d octets, not %d", store.ErrTooLarge, store.MaxEvent, len(e))
		}
		octets += len(e)
	}
	if octets > store.MaxCommitOctets {
		return 0, fmt.Errorf("%w: the events of a request have at most %d octets, not %d", store.ErrTooLarge, store.MaxCommitOctets, octets)
	}
	return octets + len(req.Stream), nil
}

// begin makes c the commit after the last one.
func (d *DB) begin(c *commit) {
	d.streams.age()
	last := d.last // written by whoever has the turn
	c.serial++
	c.before = last
	c.record = commitRecord{
		last: last.position, first: last.position + 1, nextNumber: last.nextNumber,
		time: max(last.time, time.Now().UnixMicro()), runs: c.record.runs[:0],
	}
	c.batch.Reset()
	if c.events, c.follow = nil, d.recent.followed(); c.follow {
		c.events = make([]store.Event, 0, c.count+c.count/8) // about as many as the last one
	}
	c.octets, c.count, c.recent = 0, 0, 0
	clear(c.touched)
	clear(c.staged)
	clear(c.settles)
	c.touched, c.staged, c.settles = c.touched[:0], c.staged[:0], c.settles[:0]
}

// stage puts a request into c.
func (d *DB) stage(c *commit, call *call, i, octets int) error {
	req := &call.reqs[i]
	s, err := c.touch(&d.streams, d.db, req.Stream)
	if err != nil {
		return err
	}
	if s.after.number == 0 {
		s.after.number = c.record.nextNumber
		c.record.nextNumber++
		c.batch.Put(nameKey(s.after.number), s.name)
	}
	c.extend(s.after, uint64(len(req.Events)))
	for _, data := range req.Events {
		s.after.last++
		c.record.last++
		c.put(s, data)
	}
	c.count += len(req.Events)
	c.octets += octets
	call.results[i].ID = s.after.last
	c.settles = append(c.settles, settled{call, i})
	return nil
}

// extend records that n events follow in the stream of k.
func (c *commit) extend(k counter, n uint64) {
	if r := len(c.record.runs) - 1; r >= 0 && c.record.runs[r].number == k.number {
		c.record.runs[r].count += n
		return
	}
	c.record.runs = append(c.record.runs, run{k.number, k.last + 1, n})
}

// put adds the event that s.after and c.record name last.
func (c *commit) put(s *stream, data []byte) {
	at := len(c.staged)
	if at > s.oldest {
		c.staged[s.newest].next = at
	}
	s.newest = at
	c.staged = append(c.staged, staged{position: c.record.last, data: data})
	if c.follow {
		c.events = append(c.events, store.Event{
			Stream: s.name, ID: s.after.last, Position: c.record.last, Time: time.UnixMicro(c.record.time), Data: data,
		})
	}
}

// putPages adds a stream's events to the batch.
func (c *commit) putPages(s *stream) {
	id := s.before.last
	for at := s.oldest; ; at = c.staged[at].next {
		e := &c.staged[at]
		id++
		c.page.add(e.position, c.record.time, e.data)
		if e.next == 0 || c.page.full() {
			c.key = appendEventKey(c.key[:0], s.after.number, id)
			c.batch.Put(c.key, c.page.end(c.key))
		}
		if e.next == 0 {
			return
		}
	}
}

// write puts c on disk and settles its requests. It returns an error when no
// more can be written now.
func (d *DB) write(c *commit) error {
	if c.count == 0 {
		return nil
	}
	// In the order of their keys: where there are thousands of streams, LevelDB
	// then inserts a fifth faster.
	slices.SortFunc(c.touched, func(a, b stream) int { return cmp.Compare(a.after.number, b.after.number) })
	for i := range c.touched {
		c.putPages(&c.touched[i])
	}
	slices.SortFunc(c.touched, func(a, b stream) int { return bytes.Compare(a.name, b.name) })
	for i := range c.touched {
		s := &c.touched[i]
		c.key = appendStreamKey(c.key[:0], s.name)
		c.scratch = s.after.append(c.scratch[:0])
		c.batch.Put(c.key, c.scratch)
	}
	c.scratch = c.record.append(c.scratch[:0], c.before.chain)
	c.batch.Put(commitKey(c.record.last), c.scratch)
	d.pacer.pace(d.db, c.count)
	began := time.Now()
	err := d.db.Write(&c.batch, &opt.WriteOptions{Sync: true})
	d.syncTook = time.Since(began)
	if err != nil {
		return d.undo(c, err)
	}
	d.streams.publish(c.touched)
	d.state.Lock()
	d.last = c.record.tip()
	d.state.Unlock()
	d.recent.add(c.record.last, c.events)
	return nil
}

// undo deals with a commit that the disk refused: it may or may not be there
// when the database is opened again, and nothing may be written to this handle
// any more. When it has been removed for sure, its requests are refused;
// otherwise their outcome is unknown.
func (d *DB) undo(c *commit, cause error) error {
	d.log.Error("commit failed, opening the database again", "position", c.record.last, "error", cause)
	err := d.reopen()
	verdict := fmt.Errorf("%w: the disk refused the commit: %w", store.ErrUnavailable, cause)
	if err != nil {
		verdict = fmt.Errorf("%w: the disk refused the commit: %w", store.ErrOutcomeUnknown, cause)
	}
	for _, s := range c.settles {
		s.call.results[s.i] = store.Result{Err: verdict}
	}
	return err
}

// revive returns nil if the database can be written to, after opening it again
// where a fault made that necessary.
func (d *DB) revive() error {
	d.handle.RLock()
	var fault error
	if d.db != nil {
		fault = d.guard.err()
	} else {
		fault = errors.New("the database could not be opened again")
	}
	d.handle.RUnlock()
	if fault == nil {
		return nil
	}
	if wait := time.Until(d.retryAt); wait > 0 {
		return fmt.Errorf("%w: %w; the next attempt is in %v", store.ErrUnavailable, fault, wait.Round(time.Millisecond))
	}
	d.log.Warn("opening the database again", "cause", fault)
	return d.reopen()
}

// reopen gives the handle up and opens the database again, without whatever it
// holds beyond the last commit that succeeded.
func (d *DB) reopen() error {
	d.handle.Lock()
	defer d.handle.Unlock()
	if err := d.closeHandle(); err != nil {
		d.log.Warn("closing the database after a fault", "error", err)
	}
	d.retryAt = time.Now().Add(reopenEvery)
	found, err := d.openHandle(highwater{d.last.position, d.last.chain})
	if err == nil && found.position != d.last.position {
		err = removeAfter(d.db, d.last.position)
		if err == nil {
			err = d.guard.err()
		}
		if err != nil {
			d.closeHandle()
		}
	}
	if err != nil {
		d.log.Error("the database cannot be opened again; the next request tries once more", "error", err)
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	d.log.Info("the database is open again", "position", d.last.position, "undone", found.position-d.last.position)
	return nil
}

// removeAfter removes every commit after position, as if it had never been.
func removeAfter(db *leveldb.DB, position uint64) error {
	var records []commitRecord
	err := commitsAfter(db, position, func(c commitRecord, _ []byte) error {
		records = append(records, c)
		return nil
	})
	if err != nil {
		return err
	}
	slices.Reverse(records) // a stream's oldest run has the last word on its counter
	var batch leveldb.Batch
	for _, c := range records {
		slices.Reverse(c.runs)
		for _, r := range c.runs {
			if err := removeRun(db, &batch, r); err != nil {
				return err
			}
		}
		batch.Delete(commitKey(c.last))
	}
	return db.Write(&batch, &opt.WriteOptions{Sync: true})
}

func removeRun(db *leveldb.DB, batch *leveldb.Batch, r run) error {
	name, err := db.Get(nameKey(r.number), nil)
	if err != nil {
		return fmt.Errorf("%w: name of the stream number %d: %w", store.ErrDamaged, r.number, err)
	}
	for id := r.first; id < r.first+r.count; id++ {
		batch.Delete(appendEventKey(nil, r.number, id))
	}
	if r.first == 1 {
		batch.Delete(nameKey(r.number))
		batch.Delete(streamKey(name))
		return nil
	}
	c, err := loadCounter(db, name)
	if err != nil {
		return err
	}
	c.last = r.first - 1
	batch.Put(streamKey(name), c.append(nil))
	return nil
}
