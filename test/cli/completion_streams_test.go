package cli

import (
	"testing"

	"gorewind/test/daemontest"
)

// TestCompletionOfStreams: the daemon that a command line means tells the names of its
// streams, and where none answers there is nothing.
func TestCompletionOfStreams(t *testing.T) {
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	for _, name := range []string{"account/17", "account/18", "order", "with space", "\x1b[31m"} {
		none.Want(t, "1\n", "publish", name, "data")
	}
	const accounts = "words\naccount/17\tstream\naccount/18\tstream\n"
	for want, words := range map[string][][]string{
		accounts: {{"query", "acc"}, {"query", "--json", "account/"}, {"delete", "--connect", d.Router, "acc"}, {"publish", "acc"}},
		"words\naccount/17\tstream\naccount/18\tstream\norder\tstream\n": {{"follow", ""}},
		"words\n": {{"query", "nothing"}, {"query", "-s", "tcp://127.0.0.1:1", "acc"}, {"query", "--frobnicate", "acc"}, {"replace", "order", ""}},
	} {
		for _, w := range words {
			t.Setenv("GOREWIND_CONNECT", d.Router)
			if have, errs, status := daemontest.Run(t.TempDir(), append([]string{"complete"}, w...)...); have != want || errs != "" || status != 0 {
				t.Errorf("%q: want %q, have %q, status %d\n%s", w, want, have, status, errs)
			}
		}
	}
}
