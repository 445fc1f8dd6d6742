package wire

import (
	"bytes"
	"strconv"
)

// The names of options.
const (
	optLimit     = "limit"
	optOrder     = "order"
	optSince     = "since"
	optUntil     = "until"
	optNearest   = "nearest"
	optConsumer  = "consumer"
	optFollow    = "follow"
	optMeta      = "meta"
	optMatch     = "match"
	optAlso      = "also"
	optSeparator = "separator"
	optStore     = "store"
	optRewind    = "rewind"
)

const (
	limitForm = "limit=N with N of 1 or more"
	storeForm = "store=ID.GENERATION as INFO has it"
)

// parseOptions reads the option frames at the end of a request and passes each to
// set, which reports whether the value is valid. forms maps the options of the
// command to their forms; the form of an option without a value is its name.
func parseOptions(command string, forms map[string]string, frames [][]byte, set func(name string, value []byte) bool) *Error {
	for i, f := range frames {
		word, value, valued := bytes.Cut(f, []byte("="))
		form, known := forms[string(word)]
		if !known {
			return badOption(command, f)
		}
		name := string(word)
		if name != optAlso && findOption(frames[:i], name) != nil {
			return optionError(f, "send it once", "%s has the option %s twice", command, name)
		}
		if valued == (form == name) || !set(name, value) {
			return optionError(f, "send "+form, "%s cannot read the option %q", command, toASCII(shorten(f)))
		}
	}
	return nil
}

// findOption returns the first frame with an option, or nil.
func findOption(frames [][]byte, name string) []byte {
	for _, f := range frames {
		if word, _, _ := bytes.Cut(f, []byte("=")); string(word) == name {
			return f
		}
	}
	return nil
}

// badOption returns the error for an unknown option.
func badOption(command string, option []byte) *Error {
	return optionError(option, "leave it out", "%s has no option %q", command, toASCII(shorten(option)))
}

func optionError(option []byte, do, format string, args ...any) *Error {
	return Errorf(BadOption, do, format, args...).With(Hex("option", shorten(option)))
}

// shorten cuts what a peer sent to the length that an ERROR quotes.
func shorten(b []byte) []byte {
	const shown = 64
	return b[:min(len(b), shown)]
}

func optionFrame(name, value string) []byte { return []byte(name + "=" + value) }

func formatLimit(n uint64) string { return strconv.FormatUint(n, 10) }

func parseLimit(value []byte) (uint64, bool) {
	n, ok := parseDigits(value)
	return n, ok && n > 0
}

// isStore reports whether s has the form ID.GENERATION.
func isStore(s []byte) bool {
	id, generation, _ := bytes.Cut(s, []byte("."))
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	_, ok := parseDigits(generation)
	return ok && len(id) > 0
}
