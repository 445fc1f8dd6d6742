package ldb

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// An Overlay lies over a database's files and keeps in memory whatever LevelDB
// writes, renames or removes. So a database can be opened, including LevelDB's own
// recovery, without changing a byte on disk. Without an overlay, LevelDB begins a
// manifest and writes its journals to tables before anybody can see what is
// missing; after that a lost file could not be put back.
type Overlay struct {
	storage.Storage // the files below, which are only read
	made            storage.Storage
	opened          func(n int)

	mu     sync.Mutex // protects the fields below
	gone   map[storage.FileDesc]bool
	tables map[storage.FileDesc]bool // tables opened so far
}

// NewOverlay lays an overlay over files, and closes them in Close. opened, which
// may be nil, is called with n when the n-th table is opened.
func NewOverlay(files storage.Storage, opened func(n int)) *Overlay {
	return &Overlay{Storage: files, opened: opened, made: storage.NewMemStorage(), gone: make(map[storage.FileDesc]bool), tables: make(map[storage.FileDesc]bool)}
}

// OpenOverlay opens a database on an overlay over its files. If it fails, the files
// are closed.
func OpenOverlay(files storage.Storage) (*leveldb.DB, *Guard, error) {
	return OpenWith(NewOverlay(files, nil), nil, OverlaySettings(), leveldb.Open)
}

// OverlaySettings are the settings for a database on an overlay: LevelDB merges no
// tables, which would only fill memory, and writes journals to small tables, which
// takes 20 MiB less memory.
func OverlaySettings() *opt.Options {
	o := Settings
	o.WriteBuffer = min(o.WriteBuffer, 1<<20)
	o.CompactionL0Trigger = 1 << 30
	o.CompactionTotalSize = 1 << 50
	o.CompactionTotalSizeMultiplier = 1
	return &o
}

// SetMeta implements storage.Storage.
func (o *Overlay) SetMeta(fd storage.FileDesc) error { return o.made.SetMeta(fd) }

// GetMeta implements storage.Storage.
func (o *Overlay) GetMeta() (storage.FileDesc, error) {
	fd, err := o.made.GetMeta()
	if errors.Is(err, os.ErrNotExist) {
		return o.Storage.GetMeta()
	}
	return fd, err
}

// List implements storage.Storage.
func (o *Overlay) List(types storage.FileType) ([]storage.FileDesc, error) {
	all, err := o.made.List(types)
	if err != nil {
		return nil, err
	}
	files, err := o.Storage.List(types)
	for _, fd := range files {
		if !o.isGone(fd) && !slices.Contains(all, fd) {
			all = append(all, fd)
		}
	}
	return all, err
}

// Open implements storage.Storage.
func (o *Overlay) Open(fd storage.FileDesc) (storage.Reader, error) {
	o.count(fd)
	r, err := o.made.Open(fd)
	if errors.Is(err, os.ErrNotExist) && !o.isGone(fd) {
		return o.Storage.Open(fd)
	}
	return r, err
}

// Create implements storage.Storage.
func (o *Overlay) Create(fd storage.FileDesc) (storage.Writer, error) { return o.made.Create(fd) }

// Remove implements storage.Storage.
func (o *Overlay) Remove(fd storage.FileDesc) error {
	err := o.made.Remove(fd)
	if !errors.Is(err, os.ErrNotExist) || o.isGone(fd) {
		o.lose(fd)
		return err
	}
	r, err := o.Storage.Open(fd) // the only way to ask whether the file exists
	if err != nil {
		return err
	}
	o.lose(fd)
	return r.Close()
}

// Rename implements storage.Storage.
func (o *Overlay) Rename(from, to storage.FileDesc) error {
	err := o.made.Rename(from, to)
	if errors.Is(err, os.ErrNotExist) {
		err = o.copyFile(from, to)
	}
	if err == nil && from != to {
		o.lose(from)
	}
	return err
}

// Close releases the files in memory: LevelDB holds on to a database for a second
// after it was closed.
func (o *Overlay) Close() error {
	o.made = storage.NewMemStorage()
	return o.Storage.Close()
}

// copyFile copies a file below into memory.
func (o *Overlay) copyFile(from, to storage.FileDesc) error {
	r, err := o.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	if from == to {
		return nil
	}
	w, err := o.made.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// count reports how many tables have been opened.
func (o *Overlay) count(fd storage.FileDesc) {
	if o.opened == nil || fd.Type != storage.TypeTable {
		return
	}
	o.mu.Lock()
	o.tables[fd] = true
	n := len(o.tables)
	o.mu.Unlock()
	o.opened(n)
}

// Holds reports whether a file is in memory.
func (o *Overlay) Holds(fd storage.FileDesc) bool {
	r, err := o.made.Open(fd)
	if err == nil {
		r.Close()
	}
	return err == nil
}

// lose hides a file below.
func (o *Overlay) lose(fd storage.FileDesc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone[fd] = true
}

func (o *Overlay) isGone(fd storage.FileDesc) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gone[fd]
}
