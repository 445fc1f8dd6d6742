package term_test

import (
	"fmt"
	"io"
	"testing"

	"gorewind/backup"
	"gorewind/internal/term"
	"gorewind/test/daemontest"
)

// TestProgressLine: the line never is wrapped, not even by a Ctrl-C, and what is written
// above it stays.
func TestProgressLine(t *testing.T) {
	for columns := 30; columns < 220; columns += 5 {
		master, slave := daemontest.OpenTerminal(t, columns)
		p := term.NewProgress(slave)
		for _, of := range []int64{0, 1, 1000, 10_000_000, 1 << 40} {
			for _, unit := range []string{backup.Bytes, backup.Positions, backup.Events} {
				for _, what := range []string{"exporting", "verifying /a/long/path/to/a/directory", "日本語日本語日本語日本語日本語日本語"} {
					p.Show(what, 0, of, unit)
					p.Show(what, of/2, of, unit)
					fmt.Fprint(slave, "^C") // the terminal's
					p.Clear()
				}
			}
		}
		fmt.Fprintln(p.Above(slave), "above")
		if columns >= 40 {
			p.Show("storing", 0, term.Endless, "lines")
			p.Show("storing", 12_345_678, term.Endless, "lines")
			fmt.Fprint(slave, "^C")
			p.Clear()
		}
		slave.Close()
		b, _ := io.ReadAll(master) // EIO at its end
		master.Close()
		if left := daemontest.LeftOn(t, columns, string(b)); left != "above" {
			t.Errorf("%d columns: there is left\n%s\nof %q", columns, left, b)
		}
	}
}
