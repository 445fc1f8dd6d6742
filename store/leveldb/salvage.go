package leveldb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/table"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// recoverDatabase is leveldb.Recover for files with damaged tables, too. LevelDB
// would make those anew itself, but compares their keys in another order than the
// one they are in, and gives up where a table has two values of one key.
func (r *repair) recoverDatabase(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
	tables, err := files.List(storage.TypeTable)
	if err != nil {
		return nil, err
	}
	if r.missing {
		r.holes = append(r.holes, hole{})
	}
	for _, fd := range tables {
		lost, err := salvage(files, fd)
		if err != nil {
			return nil, err
		}
		r.holes = append(r.holes, lost...)
	}
	return leveldb.Recover(files, o)
}

// A hole is what a table may have had besides what could be read: keys from one
// to another, both included, since a key has several values; nil is no bound.
type hole struct{ after, before []byte }

func (d hole) covers(key []byte) bool {
	return (d.after == nil || bytes.Compare(key, d.after) >= 0) && (d.before == nil || bytes.Compare(key, d.before) <= 0)
}

// salvage makes a table that has damaged blocks anew, without them, and returns
// what these may have had.
func salvage(files storage.Storage, fd storage.FileDesc) ([]hole, error) {
	found := 0
	count := func(_, _ []byte) error { found++; return nil }
	lost, err := scanTable(files, fd, count)
	if len(lost) == 0 || err != nil || found == 0 {
		return lost, err // LevelDB leaves out a table of which nothing can be read
	}
	// The old table is read while the new one is made, of the same name.
	var made bytes.Buffer
	w := table.NewWriter(&made, &opt.Options{
		Comparer: internalOrder{}, BlockSize: settings.BlockSize, Compression: settings.Compression,
	}, nil, 0)
	if _, err := scanTable(files, fd, w.Append); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	f, err := files.Create(fd)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(made.Bytes())
	return lost, errors.Join(err, f.Close())
}

// scanTable calls f for each key and value of a table that can be read, and
// returns what it may have besides. Of a table that was not written to its end,
// as after a crash, that is nothing: LevelDB uses none before.
func scanTable(files storage.Storage, fd storage.FileDesc, f func(key, value []byte) error) (lost []hole, err error) {
	file, err := files.Open(fd)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	var magic [len(tableMagic)]byte
	if _, err := file.ReadAt(magic[:], max(0, size-int64(len(magic)))); err != nil && err != io.EOF {
		return nil, err
	}
	r, err := table.NewReader(file, size, fd, nil, util.NewBufferPool(settings.BlockSize), &opt.Options{
		Comparer: internalOrder{}, Strict: opt.StrictBlockChecksum,
	})
	if err != nil {
		return nil, err
	}
	defer r.Release()
	whole := true
	var last []byte
	it := r.NewIterator(nil, nil)
	defer it.Release()
	if tells, ok := it.(iterator.ErrorCallbackSetter); ok {
		tells.SetErrorCallback(func(error) { whole = false })
	}
	for it.Next() {
		if len(it.Key()) < internalOctets {
			whole = false
			continue
		}
		if key := it.Key()[:len(it.Key())-internalOctets]; !whole {
			lost, whole = append(lost, hole{last, bytes.Clone(key)}), true
		}
		if err := f(it.Key(), it.Value()); err != nil {
			return nil, err
		}
		last = append([]byte(nil), it.Key()[:len(it.Key())-internalOctets]...)
	}
	if err = it.Error(); ldberrors.IsCorrupted(err) {
		err, whole = nil, false
	}
	same := 0 // octets: one of these may be what is damaged
	for i := range magic {
		if magic[i] == tableMagic[i] {
			same++
		}
	}
	if !whole && (last != nil || same > len(magic)/2) {
		lost = append(lost, hole{after: last})
	}
	return lost, err
}

// tableMagic ends a table.
const tableMagic = "\x57\xfb\x80\x8b\x24\x75\x47\xdb"

// doubt returns what may be missing of a database, or be older than it was, though
// nothing that is there tells so, since blocks of its tables were left out. And it
// makes the records of erasures anew that may have been in these.
func (r *repair) doubt(db *leveldb.DB) (doubts []Damage, err error) {
	if len(r.holes) == 0 {
		return nil, nil
	}
	covered := func(key []byte) bool {
		return slices.ContainsFunc(r.holes, func(d hole) bool { return d.covers(key) })
	}
	var again leveldb.Batch
	last := uint64(0)
	err = commitsAfter(db, 0, func(c *commitRecord, _ []byte) error {
		last = c.last
		c.erasures(func(position uint64, e erasure) {
			if key := erasureKey(position); covered(key) {
				again.Put(key, e.append(nil))
			}
		})
		if len(again.Dump()) < mendOctets {
			return nil
		}
		defer again.Reset()
		return db.Write(&again, nil)
	})
	if err == nil {
		err = db.Write(&again, nil)
	}
	if err == nil {
		err = erasures(db, func(e erasure) bool {
			if e.kind == opReplace && covered(appendEventKey(nil, e.number, e.last)) {
				doubts = append(doubts, Damage{number: e.number, First: e.first, Last: e.first,
					What: "it was replaced, and nobody can tell whether this is what it was replaced with"})
			}
			return true
		})
	}
	if covered(commitKey(last + 1)) {
		doubts = append(doubts, Damage{What: fmt.Sprintf("commits after the position %d, if there were any", last)})
	}
	return doubts, err
}

// internalOrder is that of the keys in tables: they end with a number that rises
// with every write, and the newest value of a key comes first.
type internalOrder struct{}

const internalOctets = 8

func (internalOrder) Name() string { return "gorewind.internal" }

func (internalOrder) Compare(a, b []byte) int {
	i, j := len(a)-internalOctets, len(b)-internalOctets
	if c := bytes.Compare(a[:i], b[:j]); c != 0 {
		return c
	}
	m, n := binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[j:])
	switch {
	case m > n:
		return -1
	case m < n:
		return 1
	}
	return 0
}

// Separator and Successor need not find shorter keys.
func (internalOrder) Separator(_, _, _ []byte) []byte { return nil }
func (internalOrder) Successor(_, _ []byte) []byte    { return nil }
