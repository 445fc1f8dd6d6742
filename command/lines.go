package command

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/render"
	"gorewind/internal/term"
	"gorewind/store"
	"gorewind/wire"
)

// A batch with a key ends with the line that reaches one of these limits. Neither they nor
// the form of the keys may change: a later version that repeats a command must make the same
// batches.
const (
	keyedLines = 1000
	keyedBytes = 1 << 20
)

// A batch without a key takes the lines that have arrived, up to these limits.
const (
	batchLines = store.MaxCommitEvents
	batchBytes = 4 << 20
)

// maxLinesKey is the limit of --key in bytes; it leaves room for the number of any batch.
const maxLinesKey = 40

// A batch is consecutive lines that one APPEND stores.
type batch struct {
	number uint64 // from 1
	first  uint64 // the number of its first line, from 1
	lines  [][]byte
	err    error // why no batch follows; io.EOF at the end of the input
}

// last returns the number of the last line.
func (b *batch) last() uint64 { return b.first + uint64(len(b.lines)) - 1 }

// A lineReader reads lines in batches.
type lineReader struct {
	in    *bufio.Reader
	limit int // bytes of a line
	keyed bool
	batch uint64 // number of the last
	line  uint64 // number of the last
}

// next returns the next batch. Without a key, a batch ends before reading would block. With
// one, a batch depends on the lines alone. So an error drops the lines of an unfinished batch:
// its end is unknown.
func (r *lineReader) next() batch {
	r.batch++
	b := batch{number: r.batch, first: r.line + 1}
	lines, limit := batchLines, batchBytes
	if r.keyed {
		lines, limit = keyedLines, keyedBytes
	}
	for size := 0; len(b.lines) < lines && size < limit; {
		line, err := r.read()
		if err != nil {
			b.err = err
			break
		}
		r.line++
		b.lines = append(b.lines, line)
		size += len(line)
		if !r.keyed && !r.ready() {
			break
		}
	}
	if r.keyed && b.err != nil && !errors.Is(b.err, io.EOF) {
		b.lines = nil
	}
	return b
}

// ready reports whether a whole line is buffered.
func (r *lineReader) ready() bool {
	buffered, _ := r.in.Peek(r.in.Buffered())
	return bytes.IndexByte(buffered, '\n') >= 0
}

// read returns a line without its line feed. The last line need not end with one.
func (r *lineReader) read() ([]byte, error) {
	var line []byte
	for {
		part, err := r.in.ReadSlice('\n')
		line = append(line, part...)
		text := bytes.TrimSuffix(line, []byte("\n"))
		switch {
		case len(text) > r.limit:
			return nil, fmt.Errorf("line %d is longer than %s, the daemon's limit for an event; leave it out, or start the daemon with a larger --max-event-bytes",
				r.line+1, term.Counted(r.limit, "byte"))
		case err == nil || errors.Is(err, io.EOF) && len(line) > 0:
			return text, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// lines stores the lines of standard input. To keep their order it sends one APPEND at a time.
// The next batch is read meanwhile.
func (c *publishCmd) lines(ctx context.Context, cl *client.Client, stdout, stderr io.Writer) error {
	info, err := cl.Info(ctx)
	if err != nil {
		return err
	}
	r := &lineReader{in: bufio.NewReaderSize(os.Stdin, 1<<20), limit: int(info.MaxEvent), keyed: c.Key != ""}
	batches := make(chan batch)
	// The goroutine ends with the input or with ctx. Nothing waits for it: a read of
	// standard input cannot be interrupted, and the process ends with this command.
	go func() {
		for {
			b := r.next()
			select {
			case batches <- b:
			case <-ctx.Done():
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	line := term.NewProgress(stderr)
	if term.IsTerminal(os.Stdin) {
		line = new(term.Progress) // a user who types the lines needs no count
	}
	line.Show("storing", 0, term.Endless, "lines")
	s := &lineStore{publishCmd: c, client: cl, expected: c.Expect.bound(), runs: runs{w: line.Above(stdout), as: c.runForm()}, progress: line}
	err = s.store(ctx, batches)
	line.Clear()
	return errors.Join(s.runs.end(), err)
}

// A lineStore appends batches.
type lineStore struct {
	*publishCmd
	client   *client.Client
	expected client.Bound
	stored   uint64 // lines
	runs     runs
	progress *term.Progress
}

func (s *lineStore) store(ctx context.Context, batches <-chan batch) error {
	for {
		var b batch
		select {
		case b = <-batches:
		case <-ctx.Done():
			return s.withProgress(interrupted(ctx, nil))
		}
		if len(b.lines) > 0 {
			if err := s.add(ctx, b); err != nil {
				return err
			}
		}
		if errors.Is(b.err, io.EOF) {
			return nil
		}
		if b.err != nil {
			return s.withProgress(b.err)
		}
	}
}

// add appends a batch. A signal does not interrupt it, since its outcome would be unknown.
func (s *lineStore) add(ctx context.Context, b batch) error {
	adding, cancel := s.linger(ctx)
	defer cancel()
	a := client.Append{Groups: []client.Group{{Stream: s.Stream, Expected: s.expected, Events: b.lines}}}
	if s.Key != "" {
		a.Key = fmt.Sprintf("%s/%d", s.Key, b.number)
	}
	ids, err := s.client.Append(adding, a)
	if err != nil {
		return s.failed(ctx, b, err)
	}
	if s.expected.Given {
		s.expected.ID = ids[0]
	}
	s.stored += uint64(len(b.lines))
	s.progress.Show("storing", int64(s.stored), term.Endless, "lines")
	return s.runs.add(ids[0]-uint64(len(b.lines))+1, ids[0])
}

// failed says which lines are stored when a batch failed.
func (s *lineStore) failed(ctx context.Context, b batch, err error) error {
	unknown := fmt.Sprintf("check with gorewind query %q --desc --limit 1 whether lines %d to %d are stored", s.Stream, b.first, b.last())
	own := hints{
		wire.OutcomeUnknown: unknown,
		wire.KeyReused:      fmt.Sprintf("lines %d to %d differ from those of the earlier run, or its input ended among them; see what is stored, and store the rest with another key", b.first, b.last()),
	}
	if s.Key != "" {
		own[wire.OutcomeUnknown] = "run it again"
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = interrupted(ctx, own)
	}
	err = explain(err, own)
	if s.Key == "" && exit.StatusOf(err) == exit.Unknown {
		return fmt.Errorf("%w; lines up to %d are stored, later ones are not", err, s.stored)
	}
	return s.withProgress(err)
}

// withProgress adds to an error how many lines are stored, and how to resume.
func (s *lineStore) withProgress(err error) error {
	if s.Key != "" {
		return fmt.Errorf("%w; %s stored; run it again with the same lines and --key to continue", err, term.Counted(s.stored, "line"))
	}
	return fmt.Errorf("%w; %s stored; continue from line %d, for example with tail -n +%d", err, term.Counted(s.stored, "line"), s.stored+1, s.stored+1)
}

// runs prints the first and last id of each run of consecutive ids.
type runs struct {
	w           io.Writer
	as          func(first, last uint64) []byte // formats a run
	first, last uint64
}

func (r *runs) add(first, last uint64) (err error) {
	if r.first == 0 || first != r.last+1 {
		err = r.end()
		r.first = first
	}
	r.last = last
	return err
}

// end prints the current run, if there is one.
func (r *runs) end() error {
	if r.first == 0 {
		return nil
	}
	_, err := r.w.Write(r.as(r.first, r.last))
	r.first, r.last = 0, 0
	return err
}

// runForm returns the function that formats a run.
func (c *publishCmd) runForm() func(first, last uint64) []byte {
	return func(first, last uint64) []byte {
		if c.wantsJSON() {
			return render.AppendStored(nil, render.Stored{First: first, Last: last}, c.Stream)
		}
		return fmt.Appendf(nil, "%d\t%d\n", first, last)
	}
}
