package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"
)

// A file holds values of flags: TOML with one key for each flag, and no tables.
type file struct {
	path   string
	values map[string]any
	lines  map[string]int
	keys   []string // in the order of the file
}

// parseFile returns the file at path, which holds text.
func parseFile(path string, text []byte) (*file, error) {
	f := &file{path: path, lines: make(map[string]int)}
	if err := toml.Unmarshal(text, &f.values); err != nil {
		var wrong *toml.DecodeError
		if errors.As(err, &wrong) {
			line, column := wrong.Position()
			return nil, fmt.Errorf("%s:%d: column %d: %w; see toml.io for the syntax", path, line, column, NotTOML(err))
		}
		return nil, fmt.Errorf("%s: %w; see toml.io for the syntax", path, err)
	}
	// The library reports the lines of unknown keys only, so all keys are unknown here.
	var every *toml.StrictMissingError
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(new(struct{})); errors.As(err, &every) {
		for _, e := range every.Errors {
			key := e.Key()[0]
			if _, again := f.lines[key]; !again {
				f.lines[key], _ = e.Position()
				f.keys = append(f.keys, key)
			}
		}
	}
	return f, nil
}

// keyOf returns the key that sets a flag, or nothing if the file has none.
func (f *file) keyOf(flag *kong.Flag) string {
	for _, key := range keysOf(flag) {
		if _, ok := f.values[key]; ok {
			return key
		}
	}
	return ""
}

// where returns the file and line of a key.
func (f *file) where(key string) string {
	if line := f.lines[key]; line > 0 {
		return fmt.Sprintf("%s:%d", f.path, line)
	}
	return f.path
}

// NotTOML replaces an unhelpful error of the library: it takes text without quotes for one of
// its keywords.
func NotTOML(err error) error {
	if unquoted.MatchString(err.Error()) {
		return errors.New("toml: not a valid value; give text in quotes, a number, true or false, or a list in brackets")
	}
	return err
}

var unquoted = regexp.MustCompile(`expected keyword|at start of value|strings must be quoted`)

// check refuses keys that are not in names. others are the flags that only the command line
// may give.
func (f *file) check(names, others []string) error {
	for _, key := range f.keys {
		if slices.Contains(names, key) {
			continue
		}
		if _, table := f.values[key].(map[string]any); table {
			return fmt.Errorf("%s: %q is a table; each key must be the name of a flag, outside any table", f.where(key), key)
		}
		if slices.Contains(others, key) {
			return fmt.Errorf("%s: --%s can only be given on the command line; remove it from the file", f.where(key), key)
		}
		what := "see gorewind --help for the flags"
		// Users may write keys with _ or in capitals, as other programs want them.
		if name, ok := nearest(strings.ToLower(strings.ReplaceAll(key, "_", "-")), names); ok {
			what = fmt.Sprintf("did you mean %q?", name)
		}
		return fmt.Errorf("%s: unknown key %q; %s", f.where(key), key, what)
	}
	return nil
}
