package leveldb

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// counterBytes is about how much memory a generation of counters may take: enough
// for a million streams with names of 40 bytes. Other counters are read from the
// database when needed, which takes 5 µs. With a quarter of this memory, a commit
// to random streams out of a million took twice as long.
const counterBytes = 128 << 20

// A stream is one that a commit changes. It belongs to the committer.
type stream struct {
	name   []byte
	entry  int            // index in streams.young
	before record.Counter // before the commit
	after  record.Counter
	oldest int // index of its first event in the commit, or -1
	newest int // index of its last event
	seen   int // the last request that named it
}

// streams is a bounded cache of counters in two generations. Counters used since
// the younger generation began are in it. When it is full it becomes the older one,
// and the previous older one is dropped. Only the committer changes the cache, so
// it always agrees with the last commit.
type streams struct {
	mu    sync.RWMutex // protects the maps and their counters; the committer reads without it
	young *counters
	old   *counters
}

func (s *streams) init() { s.young, s.old = new(counters), new(counters) }

// cached returns the counter of a stream, if it is in memory.
func (s *streams) cached(name []byte) (record.Counter, bool) {
	hash := hashStream(name)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, c := range []*counters{s.young, s.old} {
		if i := c.find(name, hash); i >= 0 {
			return c.entries[i].Counter, true
		}
	}
	return record.Counter{}, false
}

// get returns the index of a stream in young; its number is 0 if it is new. The
// index is valid until the next commit.
func (s *streams) get(db *leveldb.DB, name []byte) (int, error) {
	hash := hashStream(name)
	if i := s.young.find(name, hash); i >= 0 {
		return i, nil
	}
	var k record.Counter
	if i := s.old.find(name, hash); i >= 0 {
		k = s.old.entries[i].Counter
	} else if stored, err := loadCounter(db, name); err != nil {
		return 0, err
	} else {
		k = stored
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.young.insert(name, hash, k), nil
}

// holds reports whether the commit already has something of a stream.
func (c *commit) holds(s *streams, name []byte) bool {
	i := s.young.find(name, hashStream(name))
	return i >= 0 && s.young.entries[i].commit == c.serial
}

// publish makes the new counters of some streams visible to readers.
func (s *streams) publish(touched []stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range touched {
		t := &touched[i]
		s.young.entries[t.entry].Counter = t.after
	}
}

// age begins a new generation if the younger one is full. The committer calls it
// between commits.
func (s *streams) age() {
	if s.young.size() < counterBytes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.old, s.young = s.young, new(counters)
}

// touch returns the named stream of a commit, and adds it to the commit's list.
func (c *commit) touch(s *streams, db *leveldb.DB, name []byte) (*stream, error) {
	if n := len(c.touched); n > 0 && bytes.Equal(c.touched[c.recent].name, name) {
		return &c.touched[c.recent], nil
	}
	i, err := s.get(db, name)
	if err != nil {
		return nil, err
	}
	e := &s.young.entries[i]
	if e.commit != c.serial {
		e.commit, e.staged = c.serial, uint32(len(c.touched))
		c.touched = append(c.touched, stream{name: name, entry: i, before: e.Counter, after: e.Counter, oldest: -1, seen: -1})
	}
	c.recent = int(e.staged)
	return &c.touched[c.recent], nil
}

// loadCounter reads a counter from the database; the zero value means that there is
// no such stream.
func loadCounter(db *leveldb.DB, name []byte) (record.Counter, error) {
	value, err := db.Get(record.StreamKey(name), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return record.Counter{}, nil
	}
	if err != nil {
		return record.Counter{}, ldb.Fault(fmt.Sprintf("record of the stream %+q", name), err)
	}
	return record.ParseCounter(value)
}
