package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"gorewind/store"
	"gorewind/store/leveldb"
)

// A Checked says what an export contains that was read to its end.
type Checked struct {
	Header
	Trailer
}

// Check reads an export to its end and checks that it is as it was written.
func Check(ctx context.Context, path string, progress func(done, of int64)) (Checked, error) {
	return readFile(ctx, path, progress, func(*Entry) error { return nil })
}

// readFile reads an export and calls do with each commit.
func readFile(ctx context.Context, path string, progress func(done, of int64), do func(*Entry) error) (Checked, error) {
	return readChecked(ctx, path, progress, func(*Header) error { return nil }, do)
}

// readChecked is readFile that first calls check with the header.
func readChecked(ctx context.Context, path string, progress func(done, of int64), check func(*Header) error, do func(*Entry) error) (c Checked, err error) {
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return c, err
	}
	progress(0, fi.Size())
	r, err := NewReader(&watched{ctx: ctx, from: f, progress: progress, of: fi.Size()})
	if err == nil {
		err = check(&r.Header)
	}
	if err != nil {
		return c, cmp.Or(ctx.Err(), fmt.Errorf("%s: %w", path, err))
	}
	for {
		commit, err := r.Next()
		if errors.Is(err, io.EOF) {
			return Checked{r.Header, r.Trailer()}, nil
		}
		if err == nil {
			err = do(commit)
		}
		if refused := (*Refused)(nil); errors.As(err, &refused) {
			err = fmt.Errorf("%s: %w", path, refused)
		}
		if err != nil {
			return c, cmp.Or(ctx.Err(), err)
		}
	}
}

// readHeader returns the header of an export.
func readHeader(path string) (Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return Header{}, err
	}
	defer f.Close()
	r, err := NewReader(f)
	if err != nil {
		return Header{}, fmt.Errorf("%s: %w", path, err)
	}
	return r.Header, nil
}

// A watched reader reports progress, and ends with its context.
type watched struct {
	ctx      context.Context
	from     io.Reader
	progress func(done, of int64)
	read, of int64
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.from.Read(b)
	w.read += int64(n)
	w.progress(w.read, w.of)
	return n, err
}

// A Progress is called with the step under way, how much of it is done, out of how
// much, and in which unit. It is called before the first unit too, and some
// thousand times a second.
type Progress func(what string, done, of int64, unit string)

// Units of a Progress.
const (
	Bytes     = "bytes" // of a file
	Positions = "positions"
	Events    = "events"
)

// part reports progress in bytes of a file.
func (p Progress) part(what string) func(done, of int64) {
	return func(done, of int64) { p(what, done, of, Bytes) }
}

// verifying reports progress in events of a new store.
func (p Progress) verifying(dir string) func(done, of int) {
	what := "verifying " + dir
	return func(done, of int) { p(what, int64(done), int64(of), Events) }
}

// Import makes a store in a directory, which must hold none, from an export of a
// whole store or of selected streams from their beginning. It keeps ids, positions,
// times, cursors, keys and the last ids of emptied streams. Import verifies that a
// whole store is the one that was exported; it gets the same id and a new
// generation. A selection becomes a new store. A repeated call resumes an
// interrupted import.
func Import(ctx context.Context, path, dir string, progress Progress) (Restored, error) {
	checked, err := Check(ctx, path, progress.part("checking "+path))
	if err != nil {
		return Restored{}, err
	}
	if checked.After > 0 {
		return Restored{}, fmt.Errorf("%s: %w: it only has what came after position %d; import needs an export from the beginning", path, store.ErrInvalid, checked.After)
	}
	id := checked.identity()
	if id.Generation = newGeneration(id.Generation); checked.Selection != nil {
		id.ID = leveldb.NewID()
	}
	to, err := leveldb.NewRestore(dir, id, "export "+checked.SHA256+"\n")
	if err != nil {
		return Restored{}, err
	}
	defer to.Close()
	r := newRestorer(to)
	add, end := r.commit, func() error { return nil }
	if checked.Selection != nil {
		a := newRenumberer(r.entry)
		add = func(c *Entry) error {
			return r.take(c, func(next nextEvent) error { return a.commit(&c.Entry, next) })
		}
		end = func() error { return a.omit(checked.End) }
	}
	if _, err := readFile(ctx, path, progress.part("importing "+path), add); err != nil {
		return Restored{}, err
	}
	if err := end(); err != nil {
		return Restored{}, err
	}
	return r.finish(ctx, progress.verifying(dir))
}
