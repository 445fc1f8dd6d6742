package ldb

import (
	"errors"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// ZeroFilled reads zeros where the disk cannot read a table. A block with such a
// place then counts as damaged, and the rest can be read.
type ZeroFilled struct{ storage.Storage }

// Open implements storage.Storage.
func (b ZeroFilled) Open(fd storage.FileDesc) (storage.Reader, error) {
	r, err := b.Storage.Open(fd)
	if err != nil || fd.Type != storage.TypeTable {
		return r, err
	}
	return zeroFilledReader{r}, nil
}

type zeroFilledReader struct{ storage.Reader }

// zeroFillBytes is the smallest piece of a file that is read as zeros.
const zeroFillBytes = 4 << 10

func (r zeroFilledReader) ReadAt(b []byte, at int64) (n int, err error) {
	if n, err = r.Reader.ReadAt(b, at); !errors.Is(err, syscall.EIO) {
		return n, err
	}
	if len(b) <= zeroFillBytes {
		clear(b)
		return len(b), nil
	}
	for n = 0; n < len(b); {
		have, err := r.ReadAt(b[n:min(len(b), n+zeroFillBytes)], at+int64(n))
		if n += have; err != nil {
			return n, err
		}
	}
	return n, nil
}
