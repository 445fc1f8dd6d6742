package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/internal/exit"
)

// Refused turns an error of kong into a usage error that says what to do. If the bad value is
// from the environment or a file, the error says where.
func (s *Settings) Refused(err error) error {
	help := "gorewind --help"
	what := plainly(err.Error())
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		flags := parse.Context.Flags()
		if command := parse.Context.Selected(); command != nil {
			help = command.FullPath() + " --help"
			what += flagInstead(what, flags)
		}
		what = flagMeant(what, parse.Context.Args, flags)
		for _, flag := range flags {
			from := OriginOf(parse.Context, flag)
			if from == ByDefault || from == OnCommandLine || !mentions(err, flag) {
				continue
			}
			if where := s.where(flag, from); !strings.Contains(what, where) {
				what += "; see " + where
			}
		}
	}
	if !strings.Contains(what, "; ") { // the error does not say what to do
		what += "; see " + help
	}
	return exit.UsageError(what)
}

// flagInstead names the flag for an argument that the command does not take.
func flagInstead(what string, flags []*kong.Flag) string {
	argument, ok := strings.CutPrefix(what, "unexpected argument ")
	if !ok {
		return ""
	}
	for _, f := range flags {
		switch endpoint := strings.Contains(argument, "://"); {
		case f.Name == "data-dir" && !endpoint:
			return "; give a data directory with --data-dir"
		case (f.Name == "connect" || f.Name == "router") && endpoint:
			return "; give an endpoint with --" + f.Name
		}
	}
	return ""
}

// plainer rewrites errors that kong words for programmers.
var plainer = []struct {
	kongs *regexp.Regexp
	ours  string
}{
	{regexp.MustCompile(`: (expected \w+ value but got "EOL" \(<EOL>\)|missing value, expecting .*)$`), ` needs a value`},
	{regexp.MustCompile(`: expected (?:\w+ value|a valid \d+ bit u?int) but got "(-\d[^"]*)".*$`), ` is $1; give 0 or more`},
	{regexp.MustCompile(`(--[\w-]+): expected \w+ value but got "([^"]*)" \(\w+ flag\).*$`), `$1 needs a value, and $2 looks like a flag; if it is the value, write $1=$2`},
	{regexp.MustCompile(`: expected a valid \d+ bit u?int but got ("[^"]*")`), `: $1 is not a whole number, such as 100`},
	{regexp.MustCompile(`: expected duration but got ("[^"]*"): time: (?:missing unit in|invalid|unknown unit "[^"]*" in) duration "[^"]*"`), `: $1 is not a duration with a unit, such as 5s or 1m30s`},
}

// plainly returns an error of kong in plain words.
func plainly(kongs string) string {
	if m := missingArguments.FindStringSubmatch(kongs); m != nil {
		names := strings.Fields(strings.NewReplacer("<", "", ">", "").Replace(m[1]))
		return fmt.Sprintf("which %s? Give %s", cmp.Or(inFull[names[0]], names[0]), strings.ToUpper(strings.Join(names, " ")))
	}
	for _, p := range plainer {
		kongs = p.kongs.ReplaceAllString(kongs, p.ours)
	}
	return kongs
}

// missingArguments matches kong's error about missing arguments.
var missingArguments = regexp.MustCompile(`^expected "(<[^"]*)"$`)

// inFull maps names of arguments to full words.
var inFull = map[string]string{"dir": "directory"}

// mentions reports whether an error is about a flag.
func mentions(err error, flag *kong.Flag) bool {
	return regexp.MustCompile(`--` + regexp.QuoteMeta(flag.Name) + `([^a-z0-9-]|$)`).MatchString(err.Error())
}
