package leveldb

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"
)

// maxCounters is how many streams' counters are kept in memory, about 150
// octets and twice the name each. Others are read from the database when they are needed.
const maxCounters = 256 << 10

// A stream is the counter of one stream in memory.
type stream struct {
	name    []byte
	counter         // protected by streams.mu
	staged  counter // owned by the committer: with the commit that it is making
	commit  uint64  // owned by the committer: the serial number of that commit
	oldest  int     // owned by the committer: its first event in that commit
	newest  int     // and its last
}

// streams is a bounded cache of counters. The committer alone adds to it and
// removes from it, so what it holds is always what the last commit made it.
type streams struct {
	mu     sync.RWMutex // protects the map and the counters in it; the committer reads the map without
	byName map[string]*stream
	recent *stream // owned by the committer: the one that it looked up last
}

func (s *streams) init() { s.byName = make(map[string]*stream) }

// cached returns the counter of a stream, if it is in memory.
func (s *streams) cached(name []byte) (counter, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c, ok := s.byName[string(name)]; ok {
		return c.counter, true
	}
	return counter{}, false
}

// get returns a stream for the committer to stage; its number is 0 when it is
// new.
func (s *streams) get(db *leveldb.DB, name []byte) (*stream, error) {
	if s.recent != nil && bytes.Equal(s.recent.name, name) {
		return s.recent, nil
	}
	c, ok := s.byName[string(name)]
	if !ok {
		stored, err := loadCounter(db, name)
		if err != nil {
			return nil, err
		}
		c = &stream{name: bytes.Clone(name), counter: stored}
		s.mu.Lock()
		s.byName[string(name)] = c
		s.mu.Unlock()
	}
	s.recent = c
	return c, nil
}

// publish makes what was staged in some streams what everybody sees.
func (s *streams) publish(touched []*stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range touched {
		c.counter = c.staged
	}
	for name := range s.byName { // any: the order of a map is as good as chance
		if len(s.byName) <= maxCounters {
			break
		}
		delete(s.byName, name)
		s.recent = nil
	}
}

// loadCounter reads a counter from the database; the zero value means that
// there is no such stream.
func loadCounter(db *leveldb.DB, name []byte) (counter, error) {
	value, err := db.Get(streamKey(name), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return counter{}, nil
	}
	if err != nil {
		return counter{}, fault(fmt.Sprintf("record of the stream %x", name), err)
	}
	return parseCounter(value)
}
