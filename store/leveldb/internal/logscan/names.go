package logscan

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// namesBytes is about how much memory a generation of names may take: 150,000 names
// of 40 bytes.
const namesBytes = 16 << 20

// Names is a bounded cache of stream names by number, in two generations like the
// engine's counters. A name never changes. Call Init before use.
type Names struct {
	mu    sync.Mutex // protects the fields below
	young map[uint64][]byte
	old   map[uint64][]byte
	bytes int // of young
}

// Init makes n ready for use.
func (n *Names) Init() { n.young = make(map[uint64][]byte) }

// known sets the names that are in memory, and returns the indexes in numbers of
// the others.
func (n *Names) known(numbers []uint64, found [][]byte) (missing []int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, number := range numbers {
		name, ok := n.young[number]
		if !ok {
			if name, ok = n.old[number]; ok {
				n.put(number, name)
			}
		}
		if found[i] = name; !ok {
			missing = append(missing, i)
		}
	}
	return missing
}

// put adds a name; the caller holds mu.
func (n *Names) put(number uint64, name []byte) {
	const overhead = 64 // of a map entry, including the allocator's rounding
	if n.bytes += len(name) + overhead; n.bytes > namesBytes {
		n.old, n.young, n.bytes = n.young, make(map[uint64][]byte), len(name)+overhead
	}
	n.young[number] = name
}

// Of returns the names of streams, whose numbers must be sorted. A number without a
// name is an ErrDamaged.
func (n *Names) Of(db *leveldb.DB, numbers []uint64) ([][]byte, error) {
	found := make([][]byte, len(numbers))
	missing := n.known(numbers, found)
	if len(missing) == 0 {
		return found, nil
	}
	it := db.NewIterator(util.BytesPrefix([]byte{record.KindName}), nil)
	defer it.Release()
	for _, i := range missing {
		key := record.NameKey(numbers[i])
		if !it.Seek(key) || !bytes.Equal(it.Key(), key) {
			if err := it.Error(); err != nil {
				return nil, ldb.Fault(fmt.Sprintf("name of the stream number %d", numbers[i]), err)
			}
			return nil, fmt.Errorf("%w: the stream number %d has no name", store.ErrDamaged, numbers[i])
		}
		found[i] = slices.Clone(it.Value())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, i := range missing {
		n.put(numbers[i], found[i])
	}
	return found, nil
}
