package ldb

import (
	"errors"
	"sync"
	"syscall"
	"time"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// A Guard stands between LevelDB and its files, and adds what LevelDB leaves out:
//
//   - it remembers the first error of a write, a sync or a close of any file, even if
//     LevelDB would retry. After that, nothing on this handle can be trusted. When a
//     journal cannot be closed, LevelDB writes to the next one and goes on to sync the
//     one before;
//   - it syncs the directory after a file was created. Without that, a power cut could
//     take a new journal and every acknowledged write in it;
//   - it opens files with descriptors that are reserved for the store;
//   - it preallocates journals, and writes tables in large pieces.
type Guard struct {
	storage.Storage
	dir    Directory                // to be synced; nil for a store in memory
	Synced func(took time.Duration) // called after each sync of a journal; may be nil

	mu     sync.Mutex // protects the field below
	failed error
}

// A Directory is an open directory.
type Directory interface {
	Sync() error
	Close() error
}

// newGuard guards files in the directory dir, which may be nil. It closes both.
func newGuard(s storage.Storage, dir Directory) *Guard {
	return &Guard{Storage: s, dir: dir}
}

// Close closes the files.
func (g *Guard) Close() error {
	err := g.Storage.Close()
	if g.dir != nil {
		err = errors.Join(err, g.dir.Close())
	}
	return err
}

// Err returns the first error of a write, a sync or a close.
func (g *Guard) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

func (g *Guard) note(err error) error {
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.failed == nil {
			g.failed = err
		}
	}
	return err
}

// Create implements storage.Storage.
func (g *Guard) Create(fd storage.FileDesc) (w storage.Writer, err error) {
	err = withReserve(func() error {
		w, err = g.Storage.Create(fd)
		return err
	})
	if err == nil && fd.Type == storage.TypeJournal {
		file := w
		if w, err = newJournal(w); err != nil {
			file.Close()
		}
	}
	if err == nil && g.dir != nil {
		if err = g.dir.Sync(); err != nil {
			w.Close()
		}
	}
	if g.note(err) != nil {
		return nil, err
	}
	guarded := guardedWriter{w, g, fd.Type == storage.TypeJournal}
	if fd.Type == storage.TypeTable {
		return newTableWriter(guarded), nil
	}
	return guarded, nil
}

// Open implements storage.Storage.
func (g *Guard) Open(fd storage.FileDesc) (r storage.Reader, err error) {
	err = withReserve(func() error {
		r, err = g.Storage.Open(fd)
		return err
	})
	if err == nil && fd.Type == storage.TypeJournal {
		return OpenJournal(r)
	}
	return r, err
}

// SetMeta implements storage.Storage.
func (g *Guard) SetMeta(fd storage.FileDesc) error {
	return g.note(withReserve(func() error { return g.Storage.SetMeta(fd) }))
}

// Rename implements storage.Storage.
func (g *Guard) Rename(from, to storage.FileDesc) error {
	return g.note(g.Storage.Rename(from, to))
}

type guardedWriter struct {
	storage.Writer
	g       *Guard
	journal bool
}

func (w guardedWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	return n, w.g.note(err)
}

func (w guardedWriter) Sync() error {
	began := time.Now()
	err := w.Writer.Sync()
	if w.journal && w.g.Synced != nil {
		w.g.Synced(time.Since(began))
	}
	if errors.Is(err, syscall.EMFILE) && w.g.dir != nil {
		// The file is synced. LevelDB lacks a descriptor to sync the directory
		// after a manifest; here it is already open.
		err = w.g.dir.Sync()
	}
	return w.g.note(err)
}

func (w guardedWriter) Close() error { return w.g.note(w.Writer.Close()) }
