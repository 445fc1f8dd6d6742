package leveldb

import (
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// A guard stands between LevelDB and its files and makes up for what LevelDB
// leaves out:
//
//   - it remembers the first error of a write or a sync of any file, also one
//     that LevelDB would try again: after it, nothing on this handle is to be
//     believed;
//   - it syncs the directory after a file was made, without which a power cut
//     may take a new journal with everything that was acknowledged from it;
//   - it keeps files from being removed until the store was found complete,
//     since LevelDB removes tables that a damaged manifest does not name;
//   - it opens files with descriptors that are kept for the store;
//   - it gives journals their room beforehand, and writes tables in large pieces.
type guard struct {
	storage.Storage
	dir *os.File // to be synced; nil for a store in memory

	mu     sync.Mutex // protects the fields below
	failed error
	holds  bool
	held   []storage.FileDesc
}

// newGuard guards files; path names their directory, or is empty.
func newGuard(s storage.Storage, path string) (*guard, error) {
	g := &guard{Storage: s, holds: true}
	if path == "" {
		return g, nil
	}
	var err error
	g.dir, err = os.Open(path)
	return g, err
}

// Close closes the files.
func (g *guard) Close() error {
	err := g.Storage.Close()
	if g.dir != nil {
		err = errors.Join(err, g.dir.Close())
	}
	return err
}

// err returns the first error of a write or a sync, if there was one.
func (g *guard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.failed
}

func (g *guard) note(err error) error {
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.failed == nil {
			g.failed = err
		}
	}
	return err
}

// release removes what was held back, and from then on removes at once.
func (g *guard) release() error {
	g.mu.Lock() // to the end: meanwhile nothing is made under the name of what goes
	defer g.mu.Unlock()
	held := g.held
	g.held, g.holds = nil, false
	for _, fd := range held {
		if err := g.Storage.Remove(fd); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// spare has a file stay whose removal is held back: it is made anew. LevelDB does
// not look which numbers files have that a kill left behind, and gives them again
// once it has removed those files, as it believes.
func (g *guard) spare(fd storage.FileDesc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = slices.DeleteFunc(g.held, func(other storage.FileDesc) bool { return other == fd })
}

func (g *guard) Remove(fd storage.FileDesc) error {
	g.mu.Lock()
	if g.holds {
		g.held = append(g.held, fd)
		g.mu.Unlock()
		return nil
	}
	g.mu.Unlock()
	return g.Storage.Remove(fd)
}

func (g *guard) Create(fd storage.FileDesc) (w storage.Writer, err error) {
	g.spare(fd)
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
	guarded := guardedWriter{w, g}
	if fd.Type == storage.TypeTable {
		return newTableWriter(guarded), nil
	}
	return guarded, nil
}

func (g *guard) Open(fd storage.FileDesc) (r storage.Reader, err error) {
	err = withReserve(func() error {
		r, err = g.Storage.Open(fd)
		return err
	})
	if err == nil && fd.Type == storage.TypeJournal {
		return openJournal(r)
	}
	return r, err
}

func (g *guard) SetMeta(fd storage.FileDesc) error {
	return g.note(withReserve(func() error { return g.Storage.SetMeta(fd) }))
}

func (g *guard) Rename(from, to storage.FileDesc) error {
	g.spare(to)
	return g.note(g.Storage.Rename(from, to))
}

type guardedWriter struct {
	storage.Writer
	g *guard
}

func (w guardedWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	return n, w.g.note(err)
}

func (w guardedWriter) Sync() error {
	err := w.Writer.Sync()
	if errors.Is(err, syscall.EMFILE) && w.g.dir != nil {
		// The file is synced; what needs a descriptor is to sync the directory of
		// a manifest after it, and that is open here.
		err = w.g.dir.Sync()
	}
	return w.g.note(err)
}
