package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/internal/advice"
	"gorewind/internal/term"
	"gorewind/store/leveldb/repair"
)

type verifyCmd struct {
	DataDir string `default:"data" placeholder:"DIR" help:"Directory of the store, which is only read. Default: ${default}."`
	All     bool   `help:"Report all damage, not just the first 20 pieces. Default: false."`
}

// Help implements kong's.
func (*verifyCmd) Help() string {
	return `
Reads every event. The exit status is 0 if the store is intact, and 1 if something is damaged or cannot be read. To verify a backup, use gorewind backup --verify.

Example, with the daemon stopped:

    gorewind verify --data-dir /var/lib/gorewind/data
`
}

// unverified says that a signal came before everything was read.
func unverified(ctx context.Context) error {
	return fmt.Errorf("%w before the end; the rest was not checked", stoppedBy(ctx))
}

// Run verifies the store, unless a signal stops it.
func (c *verifyCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	line := term.NewProgress(stderr)
	verify := repair.Verify
	if c.All {
		verify = repair.VerifyAll
	}
	report, err := verify(ctx, c.DataDir, func(done, of int) {
		line.Show("verifying "+c.DataDir, int64(done), int64(of), backup.Events)
	})
	line.Clear()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return unverified(ctx)
	}
	if err != nil {
		return advice.ForStore(c.DataDir, err)
	}
	if err := printVerified(kctx.Stdout, report); err != nil {
		return err
	}
	if report.Damaged > 0 {
		return fmt.Errorf("the store in %s is damaged; nothing was changed; gorewind repair says what can be repaired", c.DataDir)
	}
	return nil
}

// printVerified prints a report.
func printVerified(w io.Writer, r repair.Report) error {
	lines := []string{fmt.Sprintf("read: %s, %s, %s, %s", term.Counted(r.Streams, "stream"), term.Counted(r.Events, "event"), term.Counted(r.Bytes, "byte"), term.Counted(r.Commits, "commit"))}
	if r.Damaged > 0 && r.Commits == 0 {
		lines = []string{"read: nothing"}
	}
	for _, note := range r.Notes {
		lines = append(lines, "note: "+note)
	}
	lines = append(lines, damageLines("damaged", r)...)
	switch {
	case r.Damaged > 0:
	case r.Lost+r.Gone > 0:
		var lost []string
		if r.Lost > 0 {
			lost = append(lost, term.Counted(r.Lost, "lost event"))
		}
		if r.Gone > 0 {
			lost = append(lost, "the content of "+term.Counted(r.Gone, "lost position"))
		}
		lines = append(lines, fmt.Sprintf("intact: everything but %s is as it was stored", strings.Join(lost, " and ")))
	default:
		lines = append(lines, "intact: everything is as it was stored")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// damageLines returns a line for each piece of damage, with a label.
func damageLines(label string, r repair.Report) (lines []string) {
	for _, d := range r.Damage {
		lines = append(lines, label+": "+strings.TrimPrefix(d.String(), "damaged: ")) // some begin as errors do
	}
	if more := r.Damaged - len(r.Damage); more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %s more; list them with --all", label, term.Count(uint64(more))))
	}
	return lines
}
