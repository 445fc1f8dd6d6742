package ldb

import (
	"errors"
	"io"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// JournalBytes is the size of a journal: more than LevelDB writes to one before it begins
// the next. A journal is preallocated on disk and reads as zeros where nothing was written
// yet. A sync then writes only data and not the file's new length, which takes a
// third off the time of a commit. Closing the journal gives the rest back; reading
// after a crash ignores it.
const JournalBytes = WriteBuffer + 64<<10

// An extent is a file that can be preallocated.
type extent interface {
	Fd() uintptr
	Truncate(size int64) error
}

// A simulated extent has no descriptor and preallocates itself.
type simulated interface {
	extent
	Allocate(size int64) error
}

// A journalWriter writes a preallocated journal.
type journalWriter struct {
	storage.Writer
	file    extent
	written int64
}

// newJournal preallocates a journal if the file system can and has plenty of room.
// Otherwise the file grows as it is written.
func newJournal(w storage.Writer) (storage.Writer, error) {
	f, ok := w.(extent)
	if !ok {
		return w, nil
	}
	if err := makeRoom(f); err != nil {
		return w, f.Truncate(0) // it may have got a part
	}
	return &journalWriter{Writer: w, file: f}, nil
}

func makeRoom(f extent) error {
	if s, ok := f.(simulated); ok {
		return s.Allocate(JournalBytes)
	}
	return allocate(f.Fd(), JournalBytes)
}

func (j *journalWriter) Write(b []byte) (int, error) {
	n, err := j.Writer.Write(b)
	j.written += int64(n)
	return n, err
}

func (j *journalWriter) Close() error {
	return errors.Join(j.file.Truncate(j.written), j.Writer.Close())
}

// A journal consists of blocks. Each block that was written begins with a chunk
// whose header is not zero.
const (
	journalBlock = 32 << 10
	journalHead  = 7
)

// OpenJournal hides the unwritten room at the end of a journal.
func OpenJournal(r storage.Reader) (storage.Reader, error) {
	used, err := journalEnd(r)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return journalReader{io.NewSectionReader(r, 0, used), r}, nil
}

// journalEnd returns the end of the last block that was written.
func journalEnd(r storage.Reader) (int64, error) {
	end, err := r.Seek(0, io.SeekEnd)
	for err == nil && end > 0 {
		var head [journalHead]byte
		last := (end - 1) / journalBlock * journalBlock
		if _, err = r.ReadAt(head[:min(journalHead, end-last)], last); head != [journalHead]byte{} {
			break
		}
		end = last
	}
	return end, err
}

type journalReader struct {
	*io.SectionReader
	io.Closer
}
