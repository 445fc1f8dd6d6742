package leveldb

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc64"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// A simRequest is one of the four kinds.
type simRequest struct {
	append  *store.Append
	replace *store.Replace
	delete  *store.Delete
	cursor  *store.Cursor
}

func (q simRequest) String() string {
	switch {
	case q.append != nil:
		return fmt.Sprintf("append key %q %.300s", q.append.Key, fmt.Sprint(q.append.Groups))
	case q.replace != nil:
		return fmt.Sprintf("replace %q %d by %.50q", q.replace.Stream, q.replace.ID, q.replace.Data)
	case q.delete != nil:
		return fmt.Sprintf("delete %q up to %v expecting %v", q.delete.Stream, q.delete.UpTo, q.delete.Expected)
	}
	return fmt.Sprintf("cursor %q in %q to %d", q.cursor.Consumer, q.cursor.Stream, q.cursor.ID)
}

// start asks a store; done gets the ids of an append.
func (q simRequest) start(d *DB, done func([]uint64, error)) {
	other := func(err error) { done(nil, err) }
	switch {
	case q.append != nil:
		d.Append([]store.Append{*q.append}, func(r []store.Result) { done(r[0].IDs, r[0].Err) })
	case q.replace != nil:
		d.Replace(*q.replace, other)
	case q.delete != nil:
		d.Delete(*q.delete, other)
	default:
		d.SetCursor(*q.cursor, other)
	}
}

// A name is that of an event.
type name struct {
	stream string
	id     uint64
}

// A pair is a consumer and a stream, or a stream and a key.
type pair [2]string

// A world is what a store holds.
type world struct {
	log     []name // in the order of positions
	data    map[name]string
	streams map[string]record.Counter
	cursors map[pair]uint64
	keys    map[pair]keyed
}

type keyed struct {
	request *store.Append
	ids     []uint64
}

func newWorld() *world {
	return &world{data: make(map[name]string), streams: make(map[string]record.Counter), cursors: make(map[pair]uint64), keys: make(map[pair]keyed)}
}

func (w *world) clone() *world {
	return &world{slices.Clone(w.log), maps.Clone(w.data), maps.Clone(w.streams), maps.Clone(w.cursors), maps.Clone(w.keys)}
}

// apply does a request and returns the ids of an append, or that it is refused
// and changes nothing.
func (w *world) apply(q simRequest) (ids []uint64, ok bool) {
	switch {
	case q.append != nil:
		return w.appendEvents(q.append)
	case q.replace != nil:
		n := name{string(q.replace.Stream), q.replace.ID}
		if _, ok := w.data[n]; !ok {
			return nil, false
		}
		w.data[n] = string(q.replace.Data)
	case q.delete != nil:
		return nil, w.deleteEvents(q.delete)
	default:
		p := pair{string(q.cursor.Consumer), string(q.cursor.Stream)}
		if len(q.cursor.Stream) > 0 && q.cursor.ID > w.streams[p[1]].Last || q.cursor.ID < w.cursors[p] && !q.cursor.Rewind {
			return nil, false
		}
		if w.cursors[p] = q.cursor.ID; q.cursor.ID == 0 {
			delete(w.cursors, p)
		}
	}
	return nil, true
}

func (w *world) appendEvents(a *store.Append) (ids []uint64, ok bool) {
	key := pair{string(a.Groups[0].Stream), string(a.Key)}
	if before, ok := w.keys[key]; ok {
		return before.ids, before.request == a
	}
	for _, g := range a.Groups {
		if meets(w.streams[string(g.Stream)], 0, g.Stream, g.Expected) != nil {
			return nil, false
		}
	}
	for _, g := range a.Groups {
		c := w.streams[string(g.Stream)]
		for _, data := range g.Events {
			c.Last++
			n := name{string(g.Stream), c.Last}
			w.log = append(w.log, n)
			w.data[n] = string(data)
		}
		w.streams[string(g.Stream)] = c
		ids = append(ids, c.Last)
	}
	if len(a.Key) > 0 {
		w.keys[key] = keyed{a, ids}
	}
	return ids, true
}

func (w *world) deleteEvents(r *store.Delete) bool {
	c := w.streams[string(r.Stream)]
	upTo := c.Last
	if r.UpTo.Given {
		upTo = r.UpTo.N
	}
	if meets(c, 0, r.Stream, r.Expected) != nil || upTo > c.Last && c.Last > 0 {
		return false // a stream that never was is deleted
	}
	upTo = min(upTo, c.Last)
	for id := c.Deleted + 1; id <= upTo; id++ {
		delete(w.data, name{string(r.Stream), id})
	}
	c.Deleted = max(c.Deleted, upTo)
	if c.Last > 0 {
		w.streams[string(r.Stream)] = c
	}
	w.log = slices.DeleteFunc(w.log, func(n name) bool { return n.stream == string(r.Stream) && n.id <= c.Deleted })
	return true
}

// String tells all of it, line by line.
func (w *world) String() string {
	var b strings.Builder
	for _, n := range w.log {
		tellEvent(&b, n, w.data[n])
	}
	for _, stream := range slices.Sorted(maps.Keys(w.streams)) {
		if c := w.streams[stream]; c.Last > c.Deleted {
			tellStream(&b, stream, c.Last)
		}
	}
	for _, consumer := range simConsumers {
		for _, stream := range simStreams {
			tellCursor(&b, consumer, stream, w.cursors[pair{consumer, stream}])
		}
	}
	return b.String()
}

func tellEvent(b *strings.Builder, n name, data string) {
	b.WriteString(strconv.Quote(n.stream))
	b.WriteByte(' ')
	b.WriteString(strconv.FormatUint(n.id, 10))
	b.WriteByte(' ')
	if len(data) > 40 {
		data = data[:20] + fmt.Sprintf("… %d %016x", len(data), crc64.Checksum([]byte(data), crc64.MakeTable(crc64.ECMA)))
	}
	b.WriteString(data)
	b.WriteByte('\n')
}

func tellStream(b *strings.Builder, stream string, last uint64) {
	fmt.Fprintf(b, "stream %q %d\n", stream, last)
}

func tellCursor(b *strings.Builder, consumer, stream string, id uint64) {
	if id > 0 {
		fmt.Fprintf(b, "cursor of %s in %q: %d\n", consumer, stream, id)
	}
}

// What requests are about; the empty name of a stream is the whole store, for
// cursors.
var (
	simStreams   = []string{"", "a", "ab", "b", "\x00", "\xff"}
	simConsumers = []string{"x", "y"}
	simKeys      = []string{"k", "l", "m"}
)

// A place is where and when an event is.
type place struct {
	position uint64
	time     int64
}

// read tells all of what a store holds, line by line, and its places; it checks
// that the ways to read it agree.
func read(d *DB, tb testing.TB) (text string, places map[name]place, err error) {
	var b strings.Builder
	places = make(map[name]place)
	streams := make(map[string][]byte) // what their events are, told apart
	before := place{}
	for e, err := range d.Read(tb.Context(), store.Range{Select: store.Prefix(nil)}) {
		if err != nil {
			return "", nil, err
		}
		n, p := name{string(e.Stream), e.ID}, place{e.Position, e.Time.UnixMicro()}
		if p.position <= before.position || p.time < before.time {
			return "", nil, fmt.Errorf("%v at %v comes after %v", n, p, before)
		}
		before, places[n] = p, p
		tellEvent(&b, n, string(e.Data))
		streams[n.stream] = fmt.Appendf(streams[n.stream], "%d %d %d %s\n", e.ID, p.position, p.time, e.Data)
	}
	if last := d.Info().LastPosition; before.position > last {
		return "", nil, fmt.Errorf("an event at %d is beyond the last position %d", before.position, last)
	}
	for _, stream := range simStreams[1:] {
		var alone []byte
		for e, err := range d.Read(tb.Context(), store.Range{Stream: []byte(stream)}) {
			if err != nil {
				return "", nil, err
			}
			alone = fmt.Appendf(alone, "%d %d %d %s\n", e.ID, e.Position, e.Time.UnixMicro(), e.Data)
		}
		if !bytes.Equal(alone, streams[stream]) {
			return "", nil, fmt.Errorf("the stream %q by itself is %.300q, and in the whole store %.300q", stream, alone, streams[stream])
		}
	}
	for s, err := range d.Streams(tb.Context(), nil, nil) {
		if err != nil {
			return "", nil, err
		}
		tellStream(&b, string(s.Name), s.Last)
	}
	for _, consumer := range simConsumers {
		for _, stream := range simStreams {
			id, err := d.Cursor(tb.Context(), []byte(consumer), []byte(stream))
			if err != nil {
				return "", nil, err
			}
			tellCursor(&b, consumer, stream, id)
		}
	}
	return b.String(), places, nil
}

// A shown is what anyone was shown of places.
type shown struct {
	of   map[name]place
	at   map[uint64]name // by position
	last uint64          // position
}

func newShown() *shown { return &shown{of: make(map[name]place), at: make(map[uint64]name)} }

func (s *shown) clone() *shown { return &shown{maps.Clone(s.of), maps.Clone(s.at), s.last} }

// show notes places, and returns those that were different before.
func (s *shown) show(places map[name]place) error {
	for n, p := range places {
		if was, ok := s.of[n]; ok && was != p {
			return fmt.Errorf("%v was at %v and is at %v", n, was, p)
		}
		if was, ok := s.at[p.position]; ok && was != n {
			return fmt.Errorf("position %d was that of %v and is that of %v", p.position, was, n)
		}
		s.of[n], s.at[p.position] = p, n
	}
	return nil
}

// upTo returns what remains of it when a store goes on from a world.
func (s *shown) upTo(w *world, last uint64) *shown {
	left := newShown()
	for n, p := range s.of {
		if n.id <= w.streams[n.stream].Last {
			left.of[n], left.at[p.position] = p, n
		}
	}
	left.last = last
	return left
}

// small has LevelDB begin new journals and merge tables often.
func small(t *testing.T) {
	usual := ldb.Settings
	t.Cleanup(func() { ldb.Settings = usual })
	ldb.Settings.WriteBuffer = 24 << 10
	ldb.Settings.CompactionTableSize = 16 << 10
	ldb.Settings.CompactionTotalSize = 48 << 10
	ldb.Settings.CompactionL0Trigger = 3
	ldb.Settings.BlockSize = 1 << 10
	ldb.Settings.BlockCacheCapacity = 1 << 20
}

// A past is what was asked of a store and what it answered.
type past struct {
	base  *world // what it held at the beginning
	shown *shown

	mu       sync.Mutex // protects the fields below
	entries  []entry    // since, in the order in which they took effect
	answered int        // how many of them are
	last     uint64     // position that was shown
	db       *DB        // that is asked, or was before it was closed
	images   []found

	digests []uint64 // of the world after so many entries, once all are answered
}

type entry struct {
	simRequest
	ids []uint64
	err error
}

// A found is an image, and what the past was then.
type found struct {
	*image
	answered, asked int
	last            uint64
}

func newPast(base *world, shown *shown) *past {
	return &past{base: base, shown: shown, last: shown.last}
}

// ask asks a store for requests, one after the other, and waits until they are
// answered. Those that are asked for together share a commit.
func (p *past) ask(d *DB, requests []simRequest, together bool) {
	var wg sync.WaitGroup
	if together {
		d.turn.Lock() // the committer finds all of them
	}
	for _, q := range requests {
		p.mu.Lock()
		i := len(p.entries)
		p.entries = append(p.entries, entry{simRequest: q})
		p.mu.Unlock()
		wg.Add(1)
		q.start(d, func(ids []uint64, err error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.entries[i].ids, p.entries[i].err = slices.Clone(ids), err
			p.answered = i + 1 // calls of done come in order
			wg.Done()
		})
	}
	if together {
		d.turn.Unlock()
	}
	wg.Wait()
}

// look takes an image. The caller holds the disk's mu.
func (p *past) look(d *simDisk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.last
	if p.db != nil {
		last = max(last, lastShown(p.db)) // a follower may have been faster than the disk
	}
	p.images = append(p.images, found{d.image(), p.answered, len(p.entries), last})
}

// opened takes note of the store that is asked from now on.
func (p *past) opened(d *DB) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.db = d
}

// lastShown returns the position up to which followers have received events.
func lastShown(d *DB) uint64 {
	d.recent.mu.Lock()
	defer d.recent.mu.Unlock()
	return d.recent.last
}

// learn takes note of what the store shows.
func (p *past) learn(d *DB, t testing.TB) error {
	_, places, err := read(d, t)
	if err != nil {
		return err
	}
	last := d.Info().LastPosition
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, at := range places {
		if _, ok := p.shown.of[n]; !ok && at.position <= p.last {
			return fmt.Errorf("%v is new, and at %d, after position %d was shown", n, at.position, p.last)
		}
	}
	p.last = last
	return p.shown.show(places)
}

// digest sums up what the store held after each entry, and checks the answers.
func (p *past) digest() error {
	w := p.base.clone()
	p.digests = append(p.digests[:0], sum(w.String()))
	for _, e := range p.entries {
		ids, ok := w.apply(e.simRequest)
		if ok != (e.err == nil) || ok && !slices.Equal(ids, e.ids) {
			return fmt.Errorf("%v: want %v %v, have %v %v", e.simRequest, ids, ok, e.ids, e.err)
		}
		p.digests = append(p.digests, sum(w.String()))
	}
	return nil
}

func sum(text string) uint64 { return crc64.Checksum([]byte(text), crc64.MakeTable(crc64.ECMA)) }

// after returns the world after n entries.
func (p *past) after(n int) *world {
	w := p.base.clone()
	for _, e := range p.entries[:n] {
		w.apply(e.simRequest)
	}
	return w
}

// find returns after how many entries the store held what it holds after a
// crash.
func (p *past) find(f found, text string) (int, error) {
	have := sum(text)
	for n := f.asked; n >= f.answered; n-- {
		if p.digests[n] == have {
			return n, nil
		}
	}
	return 0, fmt.Errorf("after %d answered requests and %d more, the store holds none of what it may; beside what it held after the answered ones:\n%s",
		f.answered, f.asked-f.answered, beside(p.after(f.answered).String(), text))
}

// beside shows the lines in which two texts differ, a few.
func beside(want, have string) string {
	count := make(map[string]int)
	for line := range strings.Lines(want) {
		count[line]--
	}
	for line := range strings.Lines(have) {
		count[line]++
	}
	var b strings.Builder
	shown := 0
	for _, line := range slices.Sorted(maps.Keys(count)) {
		if n := count[line]; n != 0 && shown < 20 {
			shown++
			fmt.Fprintf(&b, "%+d %s", n, line)
		}
	}
	if shown == 0 {
		b.WriteString("the order only")
	}
	return b.String()
}

// A maker makes requests that are likely to have an effect.
type maker struct {
	r     *rand.Rand
	w     *world // about what the store holds
	last  uint64 // position
	n     int
	keyed []*store.Append
}

func (m *maker) one(in int) bool { return m.r.IntN(in) == 0 }

func (m *maker) pick(from []string) string { return from[m.r.IntN(len(from))] }

func (m *maker) stream() []byte { return []byte(m.pick(simStreams[1:])) }

// id returns one of a stream, mostly one that it holds.
func (m *maker) id(stream []byte) uint64 {
	c := m.w.streams[string(stream)]
	return min(c.Deleted+m.r.Uint64N(c.Last-c.Deleted+1)+m.r.Uint64N(2), c.Last+1)
}

// data returns bytes that no other event has.
func (m *maker) data() []byte {
	m.n++
	size := m.r.IntN(30)
	switch k := m.r.IntN(100); {
	case k < 1:
		size = m.r.IntN(20_000)
	case k < 10:
		size = m.r.IntN(2000)
	}
	return append(bytes.Repeat([]byte("."), size), fmt.Sprint(m.n)...)
}

func (m *maker) request() simRequest {
	stream := m.stream()
	switch k := m.r.IntN(100); {
	case k < 55:
		return simRequest{append: m.makeAppend()}
	case k < 70:
		return simRequest{replace: &store.Replace{Stream: stream, ID: m.id(stream), Data: m.data()}}
	case k < 82:
		q := &store.Delete{Stream: stream, UpTo: store.Some(m.id(stream))}
		if m.one(8) {
			q.UpTo = store.Optional{}
		}
		if m.one(4) {
			q.Expected = m.expected(stream)
		}
		return simRequest{delete: q}
	}
	q := &store.Cursor{Consumer: []byte(m.pick(simConsumers)), Stream: []byte(m.pick(simStreams)), Rewind: m.one(2)}
	if len(q.Stream) > 0 {
		q.ID = m.id(q.Stream)
	} else {
		q.ID = m.r.Uint64N(m.last + 1)
	}
	return simRequest{cursor: q}
}

func (m *maker) expected(stream []byte) store.Optional {
	c := m.w.streams[string(stream)]
	if c.Last == c.Deleted {
		return store.Some(0)
	}
	return store.Some(c.Last)
}

func (m *maker) makeAppend() *store.Append {
	if m.one(10) && len(m.keyed) > 0 {
		return m.keyed[m.r.IntN(len(m.keyed))]
	}
	a := new(store.Append)
	seen := make(map[string]bool)
	for range 1 + m.r.IntN(1+m.r.IntN(4)) {
		g := store.Group{Stream: m.stream()}
		for range 1 + m.r.IntN(1+m.r.IntN(6)) {
			g.Events = append(g.Events, m.data())
		}
		if !seen[string(g.Stream)] && m.one(4) {
			g.Expected = m.expected(g.Stream)
		}
		seen[string(g.Stream)] = true
		a.Groups = append(a.Groups, g)
	}
	if m.one(5) {
		a.Key = []byte(m.pick(simKeys))
		m.keyed = append(m.keyed, a)
	}
	return a
}

// crashes makes clones.
type crashes struct {
	t        *testing.T
	r        *rand.Rand
	identity store.Identity
	least    int       // clones to be made
	until    time.Time // or more, until then
	made     int
	requests int
	commits  uint64
	refused  map[string]int // stores, by the reason
	depth    int            // crashes on crashes
	deepest  int
	verified int
}

// TestCrashClones runs a random load on a simulated disk. At random I/Os it copies
// the disk as a crash may leave it, many times over: each piece that was not synced
// is there, or missing, or partly there, or garbled. P1 to P5 and P9 hold then,
// also when the store goes on from there and crashes again. It makes as many clones
// as CRASHES says, or 200, and goes on for as long as TORTURE says.
func TestCrashClones(t *testing.T) {
	small(t)
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	c := &crashes{t: t, r: r, identity: datadir.NewIdentity(), least: 200, refused: make(map[string]int)}
	if n, err := strconv.Atoi(os.Getenv("CRASHES")); err == nil {
		c.least = n
	}
	length, _ := time.ParseDuration(os.Getenv("TORTURE"))
	began := time.Now()
	c.until = began.Add(length)
	for !c.enough() {
		c.load(newSimDisk(t), newPast(newWorld(), newShown()), 60+r.IntN(240), 100)
	}
	t.Logf("%d clones, %.0f a second, of %.1f requests a commit, %d crashes deep at most, %d verified",
		c.made, float64(c.made)/time.Since(began).Seconds(), float64(c.requests)/float64(c.commits), c.deepest, c.verified)
	for reason, n := range c.refused {
		t.Errorf("%d refused: %s", n, reason)
	}
}

func (c *crashes) enough() bool {
	return c.t.Failed() || c.made >= c.least && time.Now().After(c.until)
}

func (c *crashes) one(in int) bool { return c.r.IntN(in) == 0 }

// open opens the store on a disk.
func (c *crashes) open(on *simDisk, eager bool) (*DB, error) {
	d := newDB(Options{eager: eager}, c.identity, on)
	return d, d.start()
}

// load opens a store, sends it random requests and closes it. On the way it makes
// about so many clones of what a crash might have left.
func (c *crashes) load(on *simDisk, p *past, requests, clones int) {
	c.depth++
	defer func() { c.depth-- }()
	c.deepest = max(c.deepest, c.depth)
	r := rand.New(rand.NewPCG(c.r.Uint64(), 0)) // the disk's
	const each = 5                              // clones of an image
	often := max(1, 8*requests*each/clones)     // I/Os between images; there are some for each request
	on.set(func(o simIO) *simFault {
		if o.changes() && (r.IntN(often) == 0 || o != ioWrite && o != ioSync && r.IntN(often) < 4) {
			p.look(on)
		}
		return nil
	})
	d, err := c.open(on, c.one(2))
	if err != nil {
		c.t.Errorf("open: %v", err)
		return
	}
	p.opened(d)
	m := &maker{r: c.r, w: p.base, last: p.last, n: c.r.IntN(1e9)}
	for done := 0; done < requests && !c.t.Failed(); {
		if c.one(10) {
			if d = c.reopen(d, on); d == nil {
				return
			}
			p.opened(d)
		}
		var burst []simRequest
		for range 1 + c.r.IntN(1+c.r.IntN(30)) {
			burst = append(burst, m.request())
		}
		p.ask(d, burst, c.one(2))
		done += len(burst)
		if err := p.learn(d, c.t); err != nil {
			c.t.Error(err)
		}
		m.w, m.last = p.after(len(p.entries)), p.last
	}
	c.close(d)
	c.requests += len(p.entries)
	on.set(nil)
	if err := p.digest(); err != nil {
		c.t.Error(err)
	}
	c.r.Shuffle(len(p.images), func(i, j int) { p.images[i], p.images[j] = p.images[j], p.images[i] })
	for i := 0; i < each*len(p.images) && !c.enough(); i++ {
		c.clone(p, p.images[i/each])
	}
}

func (c *crashes) close(d *DB) {
	if err := d.Close(); err != nil {
		c.t.Errorf("close: %v", err)
	}
	c.commits += d.commit.serial
}

// reopen closes a store and opens it again.
func (c *crashes) reopen(d *DB, on *simDisk) *DB {
	c.close(d)
	d, err := c.open(on, c.one(2))
	if err != nil {
		c.t.Errorf("open again: %v", err)
		return nil
	}
	return d
}

// chooseEffect returns a way to choose crashEffects.
func (c *crashes) chooseEffect() func() crashEffect {
	switch c.r.IntN(6) {
	case 0:
		return dropAll
	case 1:
		return keepAll
	case 2: // one thing is not as it should be
		return func() crashEffect {
			if c.one(4) {
				return crashEffect(c.r.IntN(int(crashEffects)))
			}
			return kept
		}
	}
	return func() crashEffect { return crashEffect(c.r.IntN(int(crashEffects))) }
}

// clone opens what a crash may have left and checks it, twice.
func (c *crashes) clone(p *past, f found) {
	c.made++
	on := f.after(c.r, c.chooseEffect())
	goOn := c.depth < 3 && c.one(50)
	var again []found
	if goOn {
		on.set(func(o simIO) *simFault { // crashes while it recovers
			if o.changes() {
				again = append(again, found{on.image(), f.answered, f.asked, f.last})
			}
			return nil
		})
	}
	before := on.changed()
	d, err := c.open(on, false)
	on.set(nil)
	if err != nil {
		c.refuse(on, before, err)
		return
	}
	n, text, err := c.check(d, p, f)
	if err != nil {
		c.fail(f, n, err)
	}
	if goOn && err == nil {
		c.goOn(d, on, p, n, again)
		return
	}
	d.eraser.pending.Store(0) // leave it to the next time; it takes long
	if err := d.Close(); err != nil {
		c.fail(f, n, err)
		return
	}
	if d, err = c.open(on, c.one(20)); err != nil {
		c.fail(f, n, fmt.Errorf("the second time: %w", err))
		return
	}
	defer d.Close()
	if _, again, err := c.check(d, p, f); err != nil || again != text {
		c.fail(f, n, fmt.Errorf("the second time: %w\n%s", err, beside(text, again)))
	}
	if c.one(100) {
		c.verify(on)
	}
}

func (c *crashes) fail(f found, n int, err error) {
	c.t.Errorf("clone %d, %d deep, of %d answered of %d requests, found %d: %v", c.made, c.depth, f.answered, f.asked, n, err)
}

// check checks what a clone holds and returns how many requests that is after.
func (c *crashes) check(d *DB, p *past, f found) (n int, text string, err error) {
	text, places, err := read(d, c.t)
	if err != nil {
		return 0, "", err
	}
	if n, err = p.find(f, text); err != nil {
		return n, text, err
	}
	if last := d.Info().LastPosition; last < f.last {
		return n, text, fmt.Errorf("the last position was %d and is %d", f.last, last)
	}
	if err := p.shown.show(places); err != nil {
		return n, text, err
	}
	if c.one(4) {
		err = repeat(d, p.after(n))
	}
	return n, text, err
}

// repeat asks again for what a store has under a key.
func repeat(d *DB, w *world) error {
	for _, k := range w.keys {
		r := store.Await(func(done func([]store.Result)) { d.Append([]store.Append{*k.request}, done) })[0]
		if r.Err != nil || !slices.Equal(r.IDs, k.ids) {
			return fmt.Errorf("key %q in %q: want %v, have %v", k.request.Key, k.request.Groups[0].Stream, k.ids, r)
		}
	}
	return nil
}

// refuse handles a store that is refused.
func (c *crashes) refuse(on *simDisk, before int, err error) {
	if !errors.Is(err, store.ErrDamaged) {
		c.t.Errorf("clone %d: refused, not for damage: %v", c.made, err)
	}
	if after := on.changed(); after != before {
		c.t.Errorf("clone %d: refused after %d changes: %v", c.made, after-before, err)
	}
	c.refused[reason(err)]++
}

// reason returns an error without its numbers.
func reason(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}

// goOn takes a clone that held the effects of n requests, and crashes it while it
// is opened and after further requests.
func (c *crashes) goOn(d *DB, on *simDisk, p *past, n int, again []found) {
	last := d.Info().LastPosition
	d.eraser.pending.Store(0)
	if err := d.Close(); err != nil {
		c.t.Error(err)
	}
	c.depth++
	c.deepest = max(c.deepest, c.depth)
	for _, f := range again {
		c.clone(p, f)
	}
	c.depth--
	w := p.after(n)
	c.load(on, newPast(w, p.shown.upTo(w, last)), 10+c.r.IntN(30), 25)
}

// verify verifies a store that is closed, or about to be.
func (c *crashes) verify(on *simDisk) {
	c.t.Helper()
	c.verified++
	dir := c.t.TempDir()
	on.export(c.t, dir, c.identity)
	if r, err := repair.Verify(c.t.Context(), dir, nil); err != nil || r.Damaged > 0 {
		c.t.Errorf("clone %d: %v\n%s", c.made, err, fixture.Told(r))
	}
	os.RemoveAll(dir)
}
