package ldb

import (
	"errors"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// Blanked has tables read as zeros where the disk cannot read them: a block that
// has such a place is then damaged like any other, and the rest is read.
type Blanked struct{ storage.Storage }

// Open implements storage.Storage.
func (b Blanked) Open(fd storage.FileDesc) (storage.Reader, error) {
	r, err := b.Storage.Open(fd)
	if err != nil || fd.Type != storage.TypeTable {
		return r, err
	}
	return blankedReader{r}, nil
}

type blankedReader struct{ storage.Reader }

// zeroFillBytes is how much of a file is read as zeros at least.
const zeroFillBytes = 4 << 10

func (r blankedReader) ReadAt(b []byte, at int64) (n int, err error) {
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
