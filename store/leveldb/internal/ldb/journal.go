package ldb

import (
	"errors"
	"io"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// A journal gets its room on disk when it is made, and reads as zeros where
// nothing was written yet: a sync then has the data to write and not the file's
// new length, which takes a third off the time of a commit. What is left over is
// given back when the journal is closed, and not read after a crash.
const JournalBytes = WriteBuffer + 64<<10 // more than goes into one before the next is begun

// An extent is a file that can be given its room beforehand.
type extent interface {
	Fd() uintptr
	Truncate(size int64) error
}

// A simulated extent has no descriptor and makes the room itself.
type simulated interface {
	extent
	Allocate(size int64) error
}

// A journalWriter writes a journal that has its room.
type journalWriter struct {
	storage.Writer
	file    extent
	written int64
}

// newJournal gives a journal its room, if the file system can and has plenty;
// otherwise it grows, as files do.
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

// A journal is made of blocks, and a chunk, with a head that is not zero, begins
// each that was written to.
const (
	journalBlock = 32 << 10
	journalHead  = 7
)

// OpenJournal leaves out the room at the end that was not written to.
func OpenJournal(r storage.Reader) (storage.Reader, error) {
	used, err := journalEnd(r)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return journalReader{io.NewSectionReader(r, 0, used), r}, nil
}

// journalEnd returns where the last block ends that was written to.
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
