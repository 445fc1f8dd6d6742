package command

import (
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"gorewind/internal/config"
	"gorewind/internal/exit"
)

// model returns kong's model of the command line.
func model(t *testing.T) *kong.Application {
	t.Helper()
	parser, _, err := newParser(io.Discard, io.Discard, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// TestOneNameMeansOneThing: a variable or a key of a file is for all commands, so
// that what one command calls so must not be something else for another.
func TestOneNameMeansOneThing(t *testing.T) {
	first := make(map[string]*kong.Flag)
	for _, flag := range config.EveryFlag(model(t).Node) {
		if !config.IsSetting(flag) {
			continue
		}
		if f := first[flag.Name]; f == nil {
			first[flag.Name] = flag
		} else if f.Target.Type() != flag.Target.Type() || f.PlaceHolder != flag.PlaceHolder {
			t.Errorf("--%s takes %s, a %v, and elsewhere %s, a %v; rename one, or take one out with env:\"-\"",
				flag.Name, f.PlaceHolder, f.Target.Type(), flag.PlaceHolder, flag.Target.Type())
		}
	}
}

// printed returns what a command line prints that must succeed.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs strings.Builder
	if status := Run(args, &out, &errs); status != exit.OK || errs.Len() > 0 {
		t.Fatalf("%q: status %d\n%s", args, status, &errs)
	}
	return out.String()
}
