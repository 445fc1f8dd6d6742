package leveldb

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
)

// A simDisk is a store's disk in memory that keeps apart what was synced, which
// a crash leaves, and what was not, of which it may leave anything.
type simDisk struct {
	mu      sync.Mutex // protects the fields below, and all files
	now     map[storage.FileDesc]*simFile
	durable map[storage.FileDesc]*simFile // what the directory had when it was synced
	changes []nameChange                  // of it since then
	meta    current
	synced  current // what meta is after a crash
	high    *simFile
	count   int // I/Os that change something

	// before, if not nil, is called before each I/O, with mu held, and returns what
	// it does instead of working, or nil.
	before func(simIO) *simFault
}

// A simIO is what is done to a disk.
type simIO string

const (
	ioOpen     simIO = "open"
	ioRead     simIO = "read"
	ioList     simIO = "list"
	ioGetMeta  simIO = "get meta"
	ioCreate   simIO = "create"
	ioAllocate simIO = "allocate"
	ioWrite    simIO = "write"
	ioTruncate simIO = "truncate"
	ioSync     simIO = "sync"
	ioSyncMan  simIO = "sync of a manifest"
	ioSyncDir  simIO = "sync of the directory"
	ioSetMeta  simIO = "set meta"
	ioRename   simIO = "rename"
	ioRemove   simIO = "remove"
	ioReplace  simIO = "replace"
)

// changes reports whether an I/O may change what is on disk.
func (o simIO) changes() bool {
	return o != ioOpen && o != ioRead && o != ioList && o != ioGetMeta
}

// syncs reports whether an I/O makes something durable.
func (o simIO) syncs() bool { return o == ioSync || o == ioSyncMan || o == ioSyncDir || o == ioSetMeta }

// A simFault is how an I/O fails: without effect, or as told.
type simFault struct {
	err   error
	half  bool // of what is written is written
	lost  bool // what was to be synced never will be, although it is read until the crash
	there bool // what was to be synced is
}

// A current is the manifests that the files CURRENT and CURRENT.bak name.
type current struct{ now, before storage.FileDesc }

// A nameChange is what was done to a directory.
type nameChange struct {
	name, to storage.FileDesc // to is set for a rename
	made     *simFile         // nil for a removal
}

func (c nameChange) apply(names map[storage.FileDesc]*simFile) {
	switch {
	case c.made == nil:
		delete(names, c.name)
	case c.to.Zero():
		names[c.name] = c.made
	default:
		delete(names, c.name)
		names[c.to] = c.made
	}
}

// A simContent is what is in a file: data, and zeros up to size. What two of them
// share is never written again.
type simContent struct {
	data []byte
	size int64
}

func (c simContent) clip() simContent { return simContent{slices.Clip(c.data), c.size} }

func (c simContent) write(at int64, b []byte) simContent {
	if at != int64(len(c.data)) {
		c.data = slices.Clone(c.data)
		if hole := at - int64(len(c.data)); hole > 0 {
			c.data = append(c.data, make([]byte, hole)...)
		}
		kept := c.data[min(at+int64(len(b)), int64(len(c.data))):]
		b = slices.Concat(b, kept)
	}
	c.data = append(c.data[:at], b...)
	c.size = max(c.size, int64(len(c.data)))
	return c
}

func (c simContent) resize(size int64) simContent {
	return simContent{slices.Clip(c.data[:min(int64(len(c.data)), size)]), size}
}

func (c simContent) ReadAt(b []byte, at int64) (int, error) {
	n := int(max(0, min(int64(len(b)), c.size-at)))
	clear(b[:n])
	if at < int64(len(c.data)) {
		copy(b[:n], c.data[at:])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// A simFile is a file, by whatever name.
type simFile struct {
	now, synced simContent
	writes      []simWrite // since it was synced
}

// A simWrite writes data, or sets the size.
type simWrite struct {
	at     int64 // or the size
	data   []byte
	resize bool
	lost   bool // for ever
}

func (w simWrite) apply(c simContent) simContent {
	if w.resize {
		return c.resize(w.at)
	}
	return c.write(w.at, w.data)
}

func (f *simFile) do(w simWrite) {
	f.now = w.apply(f.now)
	f.writes = append(f.writes, w)
}

func (f *simFile) sync() {
	for i, w := range f.writes {
		if w.lost {
			f.syncOthers(i)
			return
		}
	}
	f.synced, f.writes = f.now.clip(), nil
}

// syncOthers syncs the writes that are not lost, from one on that is.
func (f *simFile) syncOthers(from int) {
	lost := []simWrite(nil)
	c := f.synced
	for i, w := range f.writes {
		if i >= from && w.lost {
			lost = append(lost, w)
		} else {
			c = w.apply(c.clip())
		}
	}
	f.synced, f.writes = c, lost
}

func (f *simFile) lose() {
	for i := range f.writes {
		f.writes[i].lost = true
	}
}

// newSimDisk makes the disk of an empty store, as create does.
func newSimDisk(t testing.TB) *simDisk {
	t.Helper()
	d := &simDisk{now: make(map[storage.FileDesc]*simFile), durable: make(map[storage.FileDesc]*simFile)}
	h, err := datadir.OpenHighwater(d, true)
	if err != nil {
		t.Fatal(err)
	}
	db, g, err := ldb.Open(&simFiles{d: d}, simDirectory{d})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Close(), db.Close(), g.Close()); err != nil {
		t.Fatal(err)
	}
	return d
}

// set changes what is called before each I/O.
func (d *simDisk) set(before func(simIO) *simFault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = before
}

// begin begins an I/O and returns how it fails. The caller holds mu.
func (d *simDisk) begin(o simIO) *simFault {
	var f *simFault
	if d.before != nil {
		f = d.before(o)
	}
	if o.changes() {
		d.count++
	}
	return f
}

// refused begins an I/O and returns the error that it ends with, without effect.
func (d *simDisk) refused(o simIO) error {
	if f := d.begin(o); f != nil {
		return &os.PathError{Op: string(o), Path: "simulated", Err: f.err}
	}
	return nil
}

// sync makes something durable: keep does, and lose sees to it that nothing will.
func (d *simDisk) sync(o simIO, keep, lose func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.begin(o)
	switch {
	case f == nil || f.there:
		keep()
	case f.lost:
		lose()
	}
	if f != nil {
		return &os.PathError{Op: string(o), Path: "simulated", Err: f.err}
	}
	return nil
}

// changed returns how many I/Os there were that may have changed something.
func (d *simDisk) changed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// syncNames makes the changes of the directory durable. The caller holds mu.
func (d *simDisk) syncNames() {
	d.durable, d.changes = maps.Clone(d.now), nil
}

func (d *simDisk) Files(readOnly bool) (storage.Storage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &simFiles{d: d, readOnly: readOnly}, d.refused(ioOpen)
}

func (d *simDisk) Directory() (ldb.Directory, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return simDirectory{d}, d.refused(ioOpen)
}

func (d *simDisk) Highwater(create bool) (datadir.Slots, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.high == nil {
		if !create {
			return nil, os.ErrNotExist
		}
		d.high = new(simFile)
	}
	return &simWriter{d: d, f: d.high}, d.refused(ioOpen)
}

func (d *simDisk) Free() (int64, error) { return 1 << 62, nil }

// Replace is one I/O, which works or does not: what a crash in the middle of it
// leaves of a directory is tried elsewhere.
func (d *simDisk) Replace(o *ldb.Overlay, _ store.Identity) (keptAt string, err error) {
	files, err := o.List(storage.TypeAll)
	if err != nil {
		return "", err
	}
	made := make(map[storage.FileDesc]*simFile)
	for _, fd := range files {
		r, err := o.Open(fd)
		if err != nil {
			return "", err
		}
		data, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return "", err
		}
		c := simContent{data, int64(len(data))}
		made[fd] = &simFile{now: c, synced: c}
	}
	meta, err := o.GetMeta()
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.refused(ioReplace); err != nil {
		return "", err
	}
	d.now, d.meta, d.synced = made, current{now: meta}, current{now: meta}
	d.syncNames()
	return "kept", nil
}

type simDirectory struct{ d *simDisk }

func (s simDirectory) Sync() error {
	return s.d.sync(ioSyncDir, s.d.syncNames, func() {}) // a name is there with the next sync
}

func (s simDirectory) Close() error { return nil }

// simFiles does what goleveldb's storage of files does.
type simFiles struct {
	d        *simDisk
	readOnly bool
}

func (s *simFiles) Lock() (storage.Locker, error) { return s, nil }
func (s *simFiles) Unlock()                       {}
func (s *simFiles) Log(string)                    {}
func (s *simFiles) Close() error                  { return nil }

// SetMeta syncs the directory, after the new CURRENT was synced and renamed.
func (s *simFiles) SetMeta(fd storage.FileDesc) error {
	d := s.d
	set := func() {
		if d.meta.now != fd {
			d.meta = current{fd, d.meta.now}
		}
	}
	return d.sync(ioSetMeta, func() {
		set()
		d.synced = d.meta
		d.syncNames()
	}, set)
}

func (s *simFiles) GetMeta() (storage.FileDesc, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if err := s.d.refused(ioGetMeta); err != nil {
		return storage.FileDesc{}, err
	}
	m := s.d.meta
	if s.d.now[m.now] == nil {
		m.now, m.before = m.before, m.now
	}
	if s.d.now[m.now] == nil {
		return storage.FileDesc{}, os.ErrNotExist
	}
	if !s.readOnly && m != s.d.meta {
		s.d.meta, s.d.synced = m, m
	}
	return m.now, nil
}

func (s *simFiles) List(types storage.FileType) (list []storage.FileDesc, err error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	for fd := range s.d.now {
		if fd.Type&types != 0 {
			list = append(list, fd)
		}
	}
	return list, s.d.refused(ioList)
}

func (s *simFiles) Open(fd storage.FileDesc) (storage.Reader, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if err := s.d.refused(ioOpen); err != nil {
		return nil, err
	}
	f, err := s.d.find(fd)
	if err != nil {
		return nil, err
	}
	return simReader{io.NewSectionReader(simRead{d: s.d, c: f.now.clip()}, 0, f.now.size), s.d, f}, nil
}

func (d *simDisk) find(fd storage.FileDesc) (*simFile, error) {
	f := d.now[fd]
	if f == nil {
		return nil, &os.PathError{Op: "open", Path: fd.String(), Err: syscall.ENOENT}
	}
	return f, nil
}

// A simRead reads what a file had when it was opened.
type simRead struct {
	d *simDisk
	c simContent
}

func (r simRead) ReadAt(b []byte, at int64) (int, error) {
	if at < int64(len(r.c.data)) { // of a journal's room there is much to read
		r.d.mu.Lock()
		defer r.d.mu.Unlock()
		if err := r.d.refused(ioRead); err != nil {
			return 0, err
		}
	}
	return r.c.ReadAt(b, at)
}

// A simReader can sync, as a file of the system's can that is open to be read.
type simReader struct {
	*io.SectionReader
	d *simDisk
	f *simFile
}

func (r simReader) Sync() error { return r.d.sync(ioSync, r.f.sync, r.f.lose) }
func (simReader) Close() error  { return nil }

var errReadOnly = errors.New("the files were opened to be read only")

// change begins an I/O that changes the directory. The caller holds mu.
func (s *simFiles) change(o simIO) error {
	if s.readOnly {
		return errReadOnly
	}
	return s.d.refused(o)
}

func (s *simFiles) Create(fd storage.FileDesc) (storage.Writer, error) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if err := s.change(ioCreate); err != nil {
		return nil, err
	}
	f := s.d.now[fd]
	if f == nil {
		f = new(simFile)
		s.d.rename(nameChange{name: fd, made: f})
	} else {
		f.do(simWrite{resize: true})
	}
	return &simWriter{d: s.d, f: f, manifest: fd.Type == storage.TypeManifest}, nil
}

func (d *simDisk) rename(c nameChange) {
	c.apply(d.now)
	d.changes = append(d.changes, c)
}

func (s *simFiles) Remove(fd storage.FileDesc) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if err := s.change(ioRemove); err != nil {
		return err
	}
	_, err := s.d.find(fd)
	if err == nil {
		s.d.rename(nameChange{name: fd})
	}
	return err
}

func (s *simFiles) Rename(from, to storage.FileDesc) error {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if err := s.change(ioRename); err != nil {
		return err
	}
	f, err := s.d.find(from)
	if err == nil {
		s.d.rename(nameChange{name: from, to: to, made: f})
	}
	return err
}

// A simWriter writes a file, and the high-water file.
type simWriter struct {
	d        *simDisk
	f        *simFile
	at       int64
	manifest bool
}

func (w *simWriter) Write(b []byte) (int, error) {
	n, err := w.WriteAt(b, w.at)
	w.at += int64(n)
	return n, err
}

func (w *simWriter) WriteAt(b []byte, at int64) (int, error) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	fault := w.d.begin(ioWrite)
	if fault != nil && fault.half {
		b = b[:len(b)/2]
	}
	if fault == nil || fault.half {
		w.f.do(simWrite{at: at, data: slices.Clone(b)})
	}
	if fault != nil {
		if !fault.half {
			b = nil
		}
		return len(b), &os.PathError{Op: "write", Path: "simulated", Err: fault.err}
	}
	return len(b), nil
}

func (w *simWriter) ReadAt(b []byte, at int64) (int, error) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	return w.f.now.ReadAt(b, at)
}

// Sync syncs the directory, too, after a manifest.
func (w *simWriter) Sync() error {
	o := ioSync
	if w.manifest {
		o = ioSyncMan
	}
	return w.d.sync(o, func() {
		w.f.sync()
		if w.manifest {
			w.d.syncNames()
		}
	}, w.f.lose)
}

func (w *simWriter) Close() error { return nil }

// Fd makes it an extent, which has to have one.
func (w *simWriter) Fd() uintptr { return 0 }

func (w *simWriter) Truncate(size int64) error { return w.resize(ioTruncate, size) }
func (w *simWriter) Allocate(size int64) error { return w.resize(ioAllocate, size) }

func (w *simWriter) resize(o simIO, size int64) error {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if err := w.d.refused(o); err != nil {
		return err
	}
	w.f.do(simWrite{at: size, resize: true})
	return nil
}

// An image is a disk as a crash finds it.
type image struct {
	durable map[storage.FileDesc]*simFile
	changes []nameChange
	meta    current
	high    *simFile
}

// image takes one. The caller holds mu.
func (d *simDisk) image() *image {
	copies := make(map[*simFile]*simFile)
	of := func(f *simFile) *simFile {
		if f == nil {
			return nil
		}
		if copies[f] == nil {
			copies[f] = &simFile{now: f.now.clip(), synced: f.synced.clip(), writes: slices.Clone(f.writes)}
		}
		return copies[f]
	}
	i := &image{durable: make(map[storage.FileDesc]*simFile), meta: d.synced, high: of(d.high)}
	for fd, f := range d.durable {
		i.durable[fd] = of(f)
	}
	for _, c := range d.changes {
		c.made = of(c.made)
		i.changes = append(i.changes, c)
	}
	return i
}

// A crashEffect is what a crash does to something that was not synced.
type crashEffect int

const (
	dropped crashEffect = iota
	kept
	cut     // its beginning is there
	sectors // some of its sectors are
	garbled
	crashEffects
)

// after returns the disk after the crash. choose is called for each write and for
// each change of the directory; everything but dropped keeps such a change. r may
// be nil if choose returns only dropped and kept.
func (i *image) after(r *rand.Rand, choose func() crashEffect) *simDisk {
	d := &simDisk{now: make(map[storage.FileDesc]*simFile), meta: i.meta, synced: i.meta}
	names := maps.Clone(i.durable)
	for _, c := range i.changes {
		if choose() != dropped {
			c.apply(names)
		}
	}
	all := slices.SortedFunc(maps.Keys(names), func(a, b storage.FileDesc) int {
		if a.Type != b.Type {
			return int(a.Type - b.Type)
		}
		return int(a.Num - b.Num)
	})
	for _, fd := range all {
		d.now[fd] = names[fd].after(r, choose)
	}
	d.durable = maps.Clone(d.now)
	d.high = i.high.after(r, choose)
	return d
}

func (f *simFile) after(r *rand.Rand, choose func() crashEffect) *simFile {
	c := f.synced
	for _, w := range f.writes {
		c = w.survive(c.clip(), r, choose)
	}
	return &simFile{now: c, synced: c}
}

const sector = 512

// survive applies what is left of a write after a crash.
func (w simWrite) survive(c simContent, r *rand.Rand, choose func() crashEffect) simContent {
	chosen := choose()
	if w.lost || chosen == dropped {
		return c
	}
	if w.resize || len(w.data) == 0 {
		return w.apply(c)
	}
	switch chosen {
	case cut:
		w.data = w.data[:r.IntN(len(w.data))]
	case garbled:
		w.data = slices.Clone(w.data)
		from := r.IntN(len(w.data))
		for i := range w.data[from:min(len(w.data), from+1+r.IntN(sector))] {
			w.data[from+i] = byte(r.Uint32())
		}
	case sectors:
		for at, end := w.at, w.at+int64(len(w.data)); at < end; {
			next := min(end, (at/sector+1)*sector)
			if r.IntN(2) == 0 {
				c = c.write(at, w.data[at-w.at:next-w.at])
			}
			at = next
		}
		return c
	}
	return w.apply(c)
}

func dropAll() crashEffect { return dropped }
func keepAll() crashEffect { return kept }

// export writes a disk as it is now into a directory, as a store of some identity.
func (d *simDisk) export(t testing.TB, dir string, id store.Identity) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	db := filepath.Join(dir, datadir.DBName)
	if err := os.MkdirAll(db, 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]simContent{
		filepath.Join(dir, datadir.HighwaterName): d.high.now,
	}
	for name, fd := range map[string]storage.FileDesc{"CURRENT": d.meta.now, "CURRENT.bak": d.meta.before} {
		if !fd.Zero() {
			files[filepath.Join(db, name)] = simContent{data: []byte(simName(fd) + "\n")}
		}
	}
	for fd, f := range d.now {
		files[filepath.Join(db, simName(fd))] = f.now
	}
	for path, c := range files {
		err := os.WriteFile(path, c.data, 0o644)
		if c.size > int64(len(c.data)) {
			err = errors.Join(err, os.Truncate(path, c.size))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := datadir.Dir(dir).KeepIdentity(id, true); err != nil {
		t.Fatal(err)
	}
}

// simName returns the name that goleveldb's storage of files gives a file.
func simName(fd storage.FileDesc) string {
	switch fd.Type {
	case storage.TypeManifest:
		return fmt.Sprintf("MANIFEST-%06d", fd.Num)
	case storage.TypeJournal:
		return fmt.Sprintf("%06d.log", fd.Num)
	case storage.TypeTable:
		return fmt.Sprintf("%06d.ldb", fd.Num)
	}
	return fmt.Sprintf("%06d.tmp", fd.Num)
}
