package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"syscall"

	"gorewind/store"
)

// Errors of files and directories.
var (
	ErrExists = errors.New("exists already")
	ErrInUse  = errors.New("in use by another process")
)

// partSuffix ends the name of an unfinished export.
const partSuffix = ".part"

// ExportOptions are the options of Export and ExportFile.
type ExportOptions struct {
	After      uint64 // export what came after this position
	Selection  *Selection
	Compress   bool
	Force      bool // replace an existing file
	AcceptLoss bool // skip events that cannot be read
	Progress   func(position, of uint64)
}

// Export writes an export to a writer.
func Export(ctx context.Context, from Source, to io.Writer, o ExportOptions) (Trailer, error) {
	h, upTo, err := begin(ctx, from, &o)
	if err != nil {
		return Trailer{}, err
	}
	s, err := newSink(to, o.Compress)
	if err != nil {
		return Trailer{}, err
	}
	w, err := newWriter(s, h)
	if err != nil {
		return Trailer{}, err
	}
	return export(ctx, from, w, upTo, &o)
}

// ExportFile writes an export to a file, all or nothing. Until it is complete, it
// is in a file with .part added to its name. A repeated call resumes from that
// file.
func ExportFile(ctx context.Context, from Source, path string, o ExportOptions) (Trailer, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) && !o.Force {
		return Trailer{}, errors.Join(fmt.Errorf("%s %w", path, ErrExists), err)
	}
	h, upTo, err := begin(ctx, from, &o)
	if err != nil {
		return Trailer{}, err
	}
	p, err := openPart(path+partSuffix, o.Compress)
	if err != nil {
		return Trailer{}, err
	}
	defer p.Close()
	t, err := p.export(ctx, from, h, upTo, &o)
	if err != nil {
		return t, err
	}
	if err := p.Sync(); err != nil {
		return t, err
	}
	return t, rename(p.Name(), path)
}

// begin returns the header of an export, and the position where it is to end.
func begin(ctx context.Context, from Source, o *ExportOptions) (h Header, upTo uint64, err error) {
	if o.Progress == nil {
		o.Progress = func(_, _ uint64) {}
	}
	id, upTo, err := from.Identity(ctx)
	if err != nil {
		return h, 0, err
	}
	if o.After > upTo {
		return h, 0, fmt.Errorf("%w: the store ends at position %d, before %d", store.ErrUnknownID, upTo, o.After)
	}
	if o.Selection != nil {
		if _, err := o.Selection.compile(); err != nil {
			return h, 0, err
		}
	}
	return newHeader(id, o.After, o.Selection), upTo, nil
}

// export writes the rest of an export.
func export(ctx context.Context, from Source, w *Writer, upTo uint64, o *ExportOptions) (Trailer, error) {
	x := exporter{source: from, w: w, upTo: upTo, began: w.End(), acceptLoss: o.AcceptLoss, progress: o.Progress}
	err := x.run(ctx)
	if err != nil && w.torn {
		return Trailer{}, err // flush would return the same error
	}
	if err != nil {
		return Trailer{}, errors.Join(err, w.to.flush()) // a later call resumes from here
	}
	return w.finish(upTo)
}

func newSink(to io.Writer, compress bool) (sink, error) {
	if compress {
		return newFrameSink(to)
	}
	return newPlainSink(to), nil
}

// A part is the locked file of an unfinished export.
type part struct {
	*os.File
	compress bool
}

func openPart(path string, compress bool) (*part, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(lock(f, syscall.LOCK_EX), f.Chmod(0o600)); err != nil { // even if another user created it
		return nil, errors.Join(err, f.Close())
	}
	return &part{f, compress}, nil
}

// lock locks a file until it is closed.
func lock(f *os.File, how int) error {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%s is %w", f.Name(), ErrInUse)
	}
	return err
}

// export begins or resumes an export, and finishes it.
func (p *part) export(ctx context.Context, from Source, h Header, upTo uint64, o *ExportOptions) (Trailer, error) {
	s, err := newSink(p, p.compress)
	if err != nil {
		return Trailer{}, err
	}
	resumed, err := p.resume()
	if err != nil {
		return Trailer{}, err
	}
	var w *Writer
	switch {
	case resumed == nil:
		w, err = newWriter(s, h)
	case !reflect.DeepEqual(resumed.Header, h):
		err = p.another()
	case resumed.trailer != nil:
		return *resumed.trailer, nil
	default:
		w = goOn(s, h, resumed.sums)
		err = p.follows(ctx, from, &resumed.sums.count)
	}
	if err != nil {
		return Trailer{}, err
	}
	return export(ctx, from, w, upTo, o)
}

// follows checks that the store still holds what the part holds.
func (p *part) follows(ctx context.Context, from Source, t *Trailer) error {
	if t.Commits == 0 {
		return nil
	}
	same, err := hasCommit(ctx, from, t.End, t.Chain)
	if err == nil && !same {
		err = fmt.Errorf("the daemon's store has another commit at position %d than %s: an older copy was put back and went on differently; remove that file",
			t.End, p.Name())
	}
	return err
}

func (p *part) another() error {
	return fmt.Errorf("%s is the beginning of another export; remove it, or choose another file", p.Name())
}

// resume returns a reader at the end of what an earlier export left, after cutting
// off what is incomplete; nil if nothing is left.
func (p *part) resume() (*Reader, error) {
	size, err := p.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	magic := make([]byte, len(frameMagic))
	if _, err := p.ReadAt(magic, 0); err == nil && bytes.Equal(magic, frameMagic) != p.compress {
		return nil, p.another()
	}
	if p.compress {
		if _, err = p.Seek(0, io.SeekStart); err == nil {
			size, err = wholeFrames(p)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w; remove it", p.Name(), err)
		}
	}
	r, err := p.read(size)
	cut := (*Refused)(nil)
	if err != nil && !(errors.As(err, &cut) && cut.Cut) {
		return nil, fmt.Errorf("%s: %w; remove it", p.Name(), err)
	}
	if r != nil && r.trailer != nil {
		return r, nil
	}
	keep := int64(0)
	if r != nil {
		if keep = r.sums.bytes; p.compress {
			keep = size
		}
	}
	if err := p.Truncate(keep); err != nil {
		return nil, err
	}
	_, err = p.Seek(keep, io.SeekStart)
	return r, err
}

// read reads the complete commits in the first bytes of the file. It returns the
// reader as it was after the last of them; nil if there is no complete header.
func (p *part) read(size int64) (*Reader, error) {
	r, err := p.reader(size)
	if err != nil {
		return nil, err
	}
	whole := *r
	for err == nil {
		whole.sums = r.sums
		var c *Entry
		if c, err = r.Next(); err == nil {
			_, err = c.Lost()
		}
	}
	if errors.Is(err, io.EOF) {
		return r, nil
	}
	// The SHA-256 sum covers more than that: compute it again.
	text, again := p.text(size)
	whole.sums.sha = sha256.New()
	if again == nil {
		_, again = io.CopyN(whole.sums.sha, text, whole.sums.bytes)
	}
	if again != nil {
		return nil, again
	}
	return &whole, err
}

func (p *part) reader(size int64) (*Reader, error) {
	if _, err := p.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return NewReader(io.LimitReader(p, size))
}

func (p *part) text(size int64) (io.Reader, error) {
	if _, err := p.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return plainText(io.LimitReader(p, size))
}

// rename moves a synced file into place.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
