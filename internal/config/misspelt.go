package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// formerly are flags of the first versions of gorewind, which took no command, and the flags
// of gorewind serve that they are today.
var formerly = map[string]string{
	"datadir": "data-dir", "commandsocket": "router", "evpubsocket": "pub", "in-memory": "in-memory",
}

// flagMeant says of a flag that a command does not have which one is like it.
func flagMeant(what string, args []string, flags []*kong.Flag) string {
	var names []string
	for _, f := range flags {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	given := misspelt(what, args, names)
	if given == "" {
		return what
	}
	what = "unknown flag " + given
	name := strings.ToLower(strings.TrimLeft(given, "-"))
	if today, ok := formerly[name]; ok {
		return fmt.Sprintf("%s; it is gorewind serve --%s today", what, today)
	}
	if len(given) == len("-x") {
		return what // a letter is like every other, and kong would suggest -h
	}
	if name, ok := nearest(name, names); ok {
		what += "; did you mean --" + name + "?"
	}
	return what
}

// unknownFlag matches how kong refuses a flag, with what it would suggest.
var unknownFlag = regexp.MustCompile(`^unknown flag (-\S+?)(, did you mean .*)?$`)

// misspelt returns the flag that a command does not have, as it was given, or nothing if that
// is not what is wrong. kong takes -limit for -l -i -m -i -t, and may find fault with any of
// these.
func misspelt(what string, args, names []string) string {
	m := unknownFlag.FindStringSubmatch(what)
	for _, a := range args {
		if a == "--" {
			break
		}
		a, _, _ = strings.Cut(a, "=")
		name, dashed := strings.CutPrefix(a, "-")
		_, former := formerly[name]
		oneDash := dashed && len(name) > 1 && (former || slices.Contains(names, name))
		if oneDash || m != nil && strings.HasPrefix(a, m[1]) {
			return a
		}
	}
	if m == nil {
		return ""
	}
	return m[1]
}
