package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"gorewind/store"
)

// Errors of backups.
var (
	ErrNoBackup   = errors.New("holds no backup")
	ErrOtherStore = errors.New("the backup is of another store")
)

const lockName = "LOCK"

// segmentBytes is how much text a segment holds before it ends with a commit. It is
// also how much is rewritten when something in a segment was erased.
const segmentBytes = 256 << 20

// segmentForm is the form of segment names.
const segmentForm = "%012d-%012d.%d.jsonl.zst"

var segmentName = regexp.MustCompile(`^\d{12,20}-\d{12,20}\.\d+\.jsonl\.zst(\.tmp)?$`)

// A directory is the locked directory of a backup.
type directory struct {
	path string
	lock *os.File
	m    *manifest
}

// openDirectory locks a directory, to read or to change the backup in it.
func openDirectory(path string, how int) (*directory, error) {
	flag := os.O_RDONLY
	if how == syscall.LOCK_EX {
		flag = os.O_RDWR
	}
	f, err := os.OpenFile(filepath.Join(path, lockName), flag|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, lock: f}
	if err = lock(f, how); err == nil {
		d.m, err = readManifest(path)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// makeDirectory opens a backup to change it, and creates the directory if need be.
func makeDirectory(path string) (*directory, error) {
	_, err := os.Stat(filepath.Join(path, manifestName))
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s is not a directory and %w: choose another", path, ErrNoBackup)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := onlyOurs(path); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		if err := syncDir(filepath.Dir(filepath.Clean(path))); err != nil {
			return nil, err
		}
	}
	return openDirectory(path, syscall.LOCK_EX)
}

// onlyOurs refuses a directory with files that an interrupted first backup cannot
// have left. The manifest is written before the first segment, so segments without
// a manifest are the remains of a backup, and may be all that somebody has.
func onlyOurs(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == lockName, name == manifestName+temporary:
		case segmentName.MatchString(name):
			return fmt.Errorf("%s %w that is complete, only the remains of one: it has %s, but no %s; keep it for what can be recovered from it, and choose another directory",
				path, ErrNoBackup, name, manifestName)
		default:
			return fmt.Errorf("%s is not empty and %w: choose another directory", path, ErrNoBackup)
		}
	}
	return err
}

func (d *directory) close() error { return d.lock.Close() }

func (d *directory) file(s *segment) string { return filepath.Join(d.path, s.File) }

// tidy removes what a crash left behind.
func (d *directory) tidy() error {
	named := make(map[string]bool)
	for i := range d.m.Segments {
		named[d.m.Segments[i].File] = true
	}
	entries, err := os.ReadDir(d.path)
	for _, e := range entries {
		if name := e.Name(); segmentName.MatchString(name) && !named[name] {
			err = errors.Join(err, os.Remove(filepath.Join(d.path, name)))
		}
	}
	return err
}

// write makes a segment's file from what fill writes, under an unused name, and
// completes s.
func (d *directory) write(s *segment, h Header, fill func(w *Writer) error) error {
	f, err := os.OpenFile(filepath.Join(d.path, fmt.Sprintf(segmentForm, s.After+1, 0, 0)+temporary), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	t, err := writeSegment(f, h, fill)
	if err == nil {
		s.Bytes, err = f.Seek(0, io.SeekEnd)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	s.End, s.Chain, s.SHA256 = t.End, t.Chain, t.SHA256
	if s.File, err = d.freeName(s); err != nil {
		return err
	}
	return rename(f.Name(), d.file(s))
}

func writeSegment(f *os.File, h Header, fill func(w *Writer) error) (Trailer, error) {
	to, err := newFrameSink(f)
	if err != nil {
		return Trailer{}, err
	}
	w, err := newWriter(to, h)
	if err != nil {
		return Trailer{}, err
	}
	if err := fill(w); err != nil {
		return Trailer{}, err
	}
	return w.finish(w.End())
}

func (d *directory) freeName(s *segment) (string, error) {
	for n := 1; ; n++ {
		name := fmt.Sprintf(segmentForm, s.After+1, s.End, n)
		if _, err := os.Lstat(filepath.Join(d.path, name)); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
}

// look checks that a segment's file exists and has the right size, which costs
// nothing.
func (d *directory) look(s *segment) error {
	fi, err := os.Stat(d.file(s))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w: it is missing", d.file(s), ErrFile)
	case err != nil:
		return err
	case fi.Size() != s.Bytes:
		return fmt.Errorf("%s: %w: it has %d bytes, but was written with %d", d.file(s), ErrFile, fi.Size(), s.Bytes)
	}
	return nil
}

// read reads a segment, and checks that it is the one in the manifest.
func (d *directory) read(ctx context.Context, s *segment, progress func(done, of int64), do func(*Entry) error) error {
	_, err := d.readAll(ctx, s, progress, do)
	return err
}

// readAll is read that also returns the segment's contents in figures.
func (d *directory) readAll(ctx context.Context, s *segment, progress func(done, of int64), do func(*Entry) error) (Trailer, error) {
	if err := d.look(s); err != nil {
		return Trailer{}, err
	}
	check := func(h *Header) error {
		if h.Store != d.m.Store || h.Generation != d.m.Generation || h.After != s.After || h.Selection != nil {
			return fmt.Errorf("%w: it is not the one that the manifest names", ErrFile)
		}
		return nil
	}
	c, err := readChecked(ctx, d.file(s), progress, check, do)
	if err == nil && (c.SHA256 != s.SHA256 || c.End != s.End || c.Chain != s.Chain) {
		err = fmt.Errorf("%s: %w: it is not the one that the manifest names", d.file(s), ErrFile)
	}
	return c.Trailer, err
}

// A Summary says what a backup holds, or what was added to it.
type Summary struct {
	Store      store.Identity // without its secret
	After, End uint64
	Segments   int
	Commits    uint64
	Events     uint64
	Bytes      uint64 // of the events' data
	Lost       uint64
	Files      int64 // of the files
	Rewritten  int   // segments rewritten without erased data
}

func (s *Summary) addTrailer(t *Trailer, files int64) {
	s.Segments++
	s.End = t.End
	s.Commits += t.Commits
	s.Events += t.Events
	s.Bytes += t.Bytes
	s.Lost += t.Lost
	s.Files += files
}

// VerifyBackup reads all of a backup and checks that it is as it was written.
func VerifyBackup(ctx context.Context, dir string, progress Progress) (Summary, error) {
	d, err := openBackup(dir)
	if err != nil {
		return Summary{}, err
	}
	defer d.close()
	sum := Summary{Store: store.Identity{ID: d.m.Store, Generation: d.m.Generation}}
	end := uint64(0)
	for i := range d.m.Segments {
		s := &d.m.Segments[i]
		if s.After != end {
			return sum, fmt.Errorf("%s: %w: %s continues after position %d, where %d was expected", dir, ErrFile, s.File, s.After, end)
		}
		t, err := d.readAll(ctx, s, progress.part("verifying "+s.File), func(*Entry) error { return nil })
		if err != nil {
			return sum, err
		}
		end = s.End
		sum.addTrailer(&t, s.Bytes)
	}
	return sum, nil
}

// openBackup opens an existing backup to read it.
func openBackup(dir string) (*directory, error) {
	if _, err := os.Stat(filepath.Join(dir, manifestName)); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s %w; give the directory that gorewind backup made", dir, ErrNoBackup)
	}
	return openDirectory(dir, syscall.LOCK_SH)
}
