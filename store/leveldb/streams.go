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

// counterBytes is how much memory a generation of counters may take, about:
// enough for a million streams with names of 40 bytes. Others are read from the
// database when they are needed, which takes 5 µs: with a quarter as much, a
// commit of random ones of a million streams took twice as long.
const counterBytes = 128 << 20

// A stream is one that a commit adds to. All of it is the committer's.
type stream struct {
	name   []byte
	entry  int            // where in streams.young
	before record.Counter // the commit
	after  record.Counter
	oldest int // its first event in the commit, or -1
	newest int // and its last
	seen   int // the last request that named it
}

// streams is a bounded cache of counters, in two generations: what was used since
// the younger one began is there, and when that is full, it becomes the older
// one, which is forgotten. The committer alone changes them, so what they hold is
// always what the last commit made it.
type streams struct {
	mu    sync.RWMutex // protects the maps, and the counters in them; the committer reads without
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

// get returns where in young a stream is, whose number is 0 if it is new. It is
// there until the next commit.
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
	return s.young.add(name, hash, k), nil
}

// holds reports whether the commit has something of a stream already.
func (c *commit) holds(s *streams, name []byte) bool {
	i := s.young.find(name, hashStream(name))
	return i >= 0 && s.young.entries[i].commit == c.serial
}

// publish makes what a commit did to some streams what everybody sees.
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

// touch returns the stream of a commit that is named, which is in its list from
// then on.
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

// loadCounter reads a counter from the database; the zero value means that
// there is no such stream.
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
