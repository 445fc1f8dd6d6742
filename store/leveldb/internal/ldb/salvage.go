package ldb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/table"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A Hole is a range of keys that an unreadable part of a table may have held. Both
// bounds are included, because a key has several values; nil is no bound.
type Hole struct{ After, Before []byte }

// Covers reports whether the hole may have held a key.
func (h Hole) Covers(key []byte) bool {
	return (h.After == nil || bytes.Compare(key, h.After) >= 0) && (h.Before == nil || bytes.Compare(key, h.Before) <= 0)
}

// Salvage rewrites a table without its damaged blocks, and returns the holes that
// these leave.
func Salvage(files storage.Storage, fd storage.FileDesc) ([]Hole, error) {
	found := 0
	count := func(_, _ []byte) error { found++; return nil }
	lost, err := ScanTable(files, fd, count)
	if len(lost) == 0 || err != nil || found == 0 {
		return lost, err // LevelDB ignores a table that is wholly unreadable
	}
	// The old table is read while the new one of the same name is made.
	var made bytes.Buffer
	w := table.NewWriter(&made, &opt.Options{
		Comparer: internalOrder{}, BlockSize: Settings.BlockSize, Compression: Settings.Compression,
	}, nil, 0)
	if _, err := ScanTable(files, fd, w.Append); err != nil {
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

// ScanTable calls f for each key and value of a table that can be read, and returns
// the holes. A table that was not written to its end, as after a crash, has none:
// LevelDB does not use such a table.
func ScanTable(files storage.Storage, fd storage.FileDesc, f func(key, value []byte) error) (lost []Hole, err error) {
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
	if _, err := file.ReadAt(magic[:], max(0, size-int64(len(magic)))); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r, err := table.NewReader(file, size, fd, nil, util.NewBufferPool(Settings.BlockSize), &opt.Options{
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
		if len(it.Key()) < internalSize {
			whole = false
			continue
		}
		if key := it.Key()[:len(it.Key())-internalSize]; !whole {
			lost, whole = append(lost, Hole{last, bytes.Clone(key)}), true
		}
		if err := f(it.Key(), it.Value()); err != nil {
			return nil, err
		}
		last = append([]byte(nil), it.Key()[:len(it.Key())-internalSize]...)
	}
	if err = it.Error(); ldberrors.IsCorrupted(err) {
		err, whole = nil, false
	}
	same := 0 // bytes that match: one of them may be the damaged one
	for i := range magic {
		if magic[i] == tableMagic[i] {
			same++
		}
	}
	if !whole && (last != nil || same > len(magic)/2) {
		lost = append(lost, Hole{After: last})
	}
	return lost, err
}

// tableMagic ends every table.
const tableMagic = "\x57\xfb\x80\x8b\x24\x75\x47\xdb"

// internalOrder is the order of keys in tables. They end with a number that rises
// with every write, and the newest value of a key comes first.
type internalOrder struct{}

const internalSize = 8

func (internalOrder) Name() string { return "gorewind.internal" }

func (internalOrder) Compare(a, b []byte) int {
	i, j := len(a)-internalSize, len(b)-internalSize
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
