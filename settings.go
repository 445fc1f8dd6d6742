package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/internal/exit"
)

// settings are the values that flags have which nobody gave: those of the file
// that --config names.
type settings struct {
	file *configFile // nil: there is none
}

// configFlag is the flag that names the file, and so no key in it.
const configFlag = "config"

// load reads the file for a command that has flags which it may set, before kong
// looks for their values. It knows a key if any command has that flag, since one
// file serves them all.
func (s *settings) load(kctx *kong.Context) error {
	if kctx.Selected() == nil || !slices.ContainsFunc(kctx.Flags(), isSetting) {
		return nil
	}
	path, _ := kctx.FlagValue(flagNamed(kctx, configFlag)).(string)
	if path == "" {
		return nil
	}
	file, err := readConfigFile(path)
	if err != nil {
		return err
	}
	var names, others []string
	for _, flag := range everyFlag(kctx.Model.Node) {
		switch {
		case isSetting(flag):
			names = append(names, flag.Name)
		case flag.Name != configFlag:
			others = append(others, flag.Name)
		}
	}
	s.file = file
	return file.check(names, others)
}

// Validate implements kong.Resolver; load has done it, since what it refuses must
// not be hidden by what a command refuses.
func (s *settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver: kong asks for flags that the command line does
// not have, also if the environment has them.
func (s *settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if s.file == nil || !isSetting(flag) || variable(flag) != "" {
		return nil, nil
	}
	value, ok := s.file.values[flag.Name]
	if !ok {
		return nil, nil
	}
	token, err := flagToken(value, flag)
	if err != nil {
		return nil, fmt.Errorf("%w; see %s", err, s.file.where(flag.Name))
	}
	return token, nil
}

// flagToken returns what kong is to parse for a value of a TOML file, or refuses it
// because the flag takes another type: kong would take what looks like its own.
func flagToken(value any, flag *kong.Flag) (token any, err error) {
	want := flag.Target.Type()
	if want.Kind() == reflect.Pointer {
		want = want.Elem()
	}
	takes, is := "a string", want.Kind()
	switch {
	case want == reflect.TypeFor[time.Duration]():
		takes, is = `a string like "5s"`, reflect.String
	case is == reflect.Bool:
		takes = "true or false"
	case is >= reflect.Int && is <= reflect.Uint64:
		takes, is = "a whole number, without quotes", reflect.Int64
	case is == reflect.Float32 || is == reflect.Float64:
		takes, is = "a number with a point, without quotes", reflect.Float64
	case is == reflect.Slice && want.Elem().Kind() == reflect.String:
		takes = `a list of strings, ["one", "two"]`
	default:
		is = reflect.String // what parses itself has a text
	}
	if reflect.TypeOf(value).Kind() != is {
		return nil, fmt.Errorf("it takes %s, and has %s", takes, literalOf(value))
	}
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			if _, ok := element.(string); !ok {
				return nil, fmt.Errorf("it takes %s, and has %s in its list", takes, literalOf(element))
			}
		}
		return v, nil
	case string:
		if _, err := time.ParseDuration(v); err != nil && want == reflect.TypeFor[time.Duration]() {
			return nil, fmt.Errorf("it takes %s, and has %s", takes, literalOf(v))
		}
		return v, nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	}
	return value, nil
}

// literalOf returns a value as the file may have it: "true" in quotes is another one.
func literalOf(value any) string {
	if text, ok := value.(string); ok {
		return strconv.Quote(text)
	}
	return fmt.Sprint(value)
}

// An origin is where a value comes from; a later one goes before an earlier one.
type origin int

const (
	byDefault origin = iota
	inFile
	inEnvironment
	onCommandLine
)

func (o origin) String() string {
	return [...]string{"default", "file", "environment", "flag"}[o]
}

// originOf returns where the value of a flag comes from.
func originOf(kctx *kong.Context, flag *kong.Flag) origin {
	from := byDefault
	if variable(flag) != "" {
		from = inEnvironment
	}
	for _, p := range kctx.Path {
		switch {
		case p.Flag != flag:
		case p.Resolved:
			return inFile
		default:
			return onCommandLine
		}
	}
	return from
}

// where says where a value from some origin is to be found.
func (s *settings) where(flag *kong.Flag, from origin) string {
	switch from {
	case inFile:
		return s.file.where(flag.Name)
	case inEnvironment:
		return variable(flag)
	case onCommandLine:
		return "--" + flag.Name
	}
	return from.String()
}

// variable returns the name of the environment variable that sets a flag, if one
// does.
func variable(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

// isSetting tells whether a file may set a flag: where the environment may, and
// the flag does not name the file.
func isSetting(flag *kong.Flag) bool { return len(flag.Envs) > 0 && flag.Name != configFlag }

// flagNamed returns a flag of the command.
func flagNamed(kctx *kong.Context, name string) *kong.Flag {
	flags := kctx.Flags()
	return flags[slices.IndexFunc(flags, func(f *kong.Flag) bool { return f.Name == name })]
}

// everyFlag returns the flags of a command and of all below it.
func everyFlag(node *kong.Node) []*kong.Flag {
	flags := node.Flags
	for _, child := range node.Children {
		flags = slices.Concat(flags, everyFlag(child))
	}
	return flags
}

// refused says of a command line that cannot be run what to do, and which value
// that nobody typed is to blame.
func (s *settings) refused(err error) error {
	help := "gorewind --help"
	what := plainly(err.Error())
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		flags := parse.Context.Flags()
		if command := parse.Context.Selected(); command != nil {
			help = command.FullPath() + " --help"
			what += flagInstead(what, flags)
		}
		for _, flag := range flags {
			from := originOf(parse.Context, flag)
			if from == byDefault || from == onCommandLine || !mentions(err, flag) {
				continue
			}
			if where := s.where(flag, from); !strings.Contains(what, where) {
				what += "; see " + where
			}
		}
	}
	if !strings.Contains(what, "; ") { // it does not say what to do
		what += "; see " + help
	}
	return exit.UsageError(what)
}

// flagInstead says of an argument that a command does not take which flag takes what
// people give so.
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

// plainer are what kong says to programmers, and how it is said to users.
var plainer = []struct {
	kongs *regexp.Regexp
	ours  string
}{
	{regexp.MustCompile(`: (expected \w+ value but got "EOL" \(<EOL>\)|missing value, expecting .*)$`), ` needs a value`},
	{regexp.MustCompile(`: expected (?:\w+ value|a valid \d+ bit u?int) but got "(-\d[^"]*)".*$`), ` is $1; it cannot be less than 0`},
	{regexp.MustCompile(`(--[\w-]+): expected \w+ value but got "([^"]*)" \(\w+ flag\).*$`), `$1 needs a value, and $2 looks like a flag; if it is the value, write $1=$2`},
	{regexp.MustCompile(`: expected a valid \d+ bit u?int but got ("[^"]*")`), `: $1 is no whole number in digits alone, such as 100`},
	{regexp.MustCompile(`: expected duration but got ("[^"]*"): time: (?:missing unit in|invalid|unknown unit "[^"]*" in) duration "[^"]*"`), `: $1 is no time with its unit, such as 5s or 1m30s`},
}

// plainly returns what kong says in words for users.
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

// missingArguments matches how kong names the arguments that a command lacks.
var missingArguments = regexp.MustCompile(`^expected "(<[^"]*)"$`)

// inFull are words for which the name of an argument is short.
var inFull = map[string]string{"dir": "directory"}

// mentions tells whether an error is about a flag.
func mentions(err error, flag *kong.Flag) bool {
	return regexp.MustCompile(`--` + regexp.QuoteMeta(flag.Name) + `([^a-z0-9-]|$)`).MatchString(err.Error())
}
