package leveldb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

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
func recoverDatabase(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
	tables, err := files.List(storage.TypeTable)
	if err != nil {
		return nil, err
	}
	for _, fd := range tables {
		if err := salvage(files, fd); err != nil {
			return nil, err
		}
	}
	return leveldb.Recover(files, o)
}

// salvage makes a table that has damaged blocks anew, without them.
func salvage(files storage.Storage, fd storage.FileDesc) error {
	found := 0
	count := func(_, _ []byte) error { found++; return nil }
	if whole, err := scanTable(files, fd, count); whole || err != nil || found == 0 {
		return err // LevelDB leaves out a table of which nothing can be read
	}
	// The old table is read while the new one is made, of the same name.
	var made bytes.Buffer
	w := table.NewWriter(&made, &opt.Options{
		Comparer: internalOrder{}, BlockSize: settings.BlockSize, Compression: settings.Compression,
	}, nil, 0)
	if _, err := scanTable(files, fd, w.Append); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	f, err := files.Create(fd)
	if err != nil {
		return err
	}
	_, err = f.Write(made.Bytes())
	return errors.Join(err, f.Close())
}

// scanTable calls f for each key and value of a table that can be read, and
// reports whether that is all.
func scanTable(files storage.Storage, fd storage.FileDesc, f func(key, value []byte) error) (whole bool, err error) {
	file, err := files.Open(fd)
	if err != nil {
		return false, err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	r, err := table.NewReader(file, size, fd, nil, util.NewBufferPool(settings.BlockSize), &opt.Options{
		Comparer: internalOrder{}, Strict: opt.StrictBlockChecksum,
	})
	if err != nil {
		return false, err
	}
	defer r.Release()
	whole = true
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
		if err := f(it.Key(), it.Value()); err != nil {
			return false, err
		}
	}
	if err = it.Error(); ldberrors.IsCorrupted(err) {
		return false, nil
	}
	return whole, err
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
