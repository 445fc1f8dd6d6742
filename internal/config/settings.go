// Package config reads the values of flags that the command line does not give, from the
// environment, from the file that --config names and from a context. It reports the values in
// force, and turns errors of the parser into usage errors.
package config

import (
	"fmt"
	"os"
	"slices"

	"github.com/alecthomas/kong"
)

// Settings holds the values of the file that --config names, and of the context.
type Settings struct {
	file         *file // nil: there is none
	context      *file // nil: there is none
	contextName  string
	contextFirst bool // the context overrides the environment and the file: the command line names it
}

// FileFlag is the flag that names the file. It cannot be a key of it.
const FileFlag = "config"

// Load reads the file and the context before kong resolves the flags of a command. A key of the
// file may be a flag of any command, since one file is for all of them.
func (s *Settings) Load(kctx *kong.Context) error {
	if kctx.Selected() == nil || !slices.ContainsFunc(kctx.Flags(), IsSetting) {
		return nil
	}
	if err := s.loadFile(kctx); err != nil {
		return err
	}
	return s.loadContext(kctx)
}

// loadFile reads the file, if one is named.
func (s *Settings) loadFile(kctx *kong.Context) error {
	path, _ := kctx.FlagValue(FlagNamed(kctx, FileFlag)).(string)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("--config: %w; give a readable file, or leave it out", err)
	}
	file, err := parseFile(path, text)
	if err != nil {
		return err
	}
	var names, others []string
	for _, flag := range EveryFlag(kctx.Model.Node) {
		switch {
		case IsSetting(flag):
			names = append(names, keysOf(flag)...)
		case flag.Name != FileFlag && flag.Name != ContextFlag:
			others = append(others, flag.Name)
		}
	}
	s.file = file
	return file.check(names, others)
}

// Validate implements kong.Resolver. It does nothing: Load has validated the file already, so
// that an error of a command does not hide one of the file.
func (s *Settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver. kong calls it for each flag that the command line does not
// give, even if the environment does.
func (s *Settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !IsSetting(flag) {
		return nil, nil
	}
	f, key := s.fileOf(flag)
	inContext := f != nil && f == s.context
	if s.context != nil && isEndpoint(flag) && !inContext { // the keys of a context are for its own daemon
		return nil, fmt.Errorf("the context %s has no %s; give --%[2]s, or add the context again with it", s.contextName, flag.Name)
	}
	if key == "" || variable(flag) != "" && !(inContext && s.contextFirst) {
		return nil, nil
	}
	token, err := flagToken(f.values[key], flag)
	if err != nil {
		return nil, fmt.Errorf("%w; see %s", err, f.where(key))
	}
	if path, ok := token.(string); ok && isPath(flag, path) {
		if token, err = f.expand(path); err != nil {
			return nil, fmt.Errorf("--%s: %w; see %s", flag.Name, err, f.where(key))
		}
	}
	return token, nil
}

// fileOf returns the file that sets a flag, and its key there; no key if none does.
func (s *Settings) fileOf(flag *kong.Flag) (f *file, key string) {
	files := []*file{s.file, s.context}
	if s.contextFirst {
		slices.Reverse(files)
	}
	for _, f := range files {
		if f == nil {
			continue
		}
		if key := f.keyOf(flag); key != "" {
			return f, key
		}
	}
	return nil, ""
}

// EnvironmentPrefix begins the names of all environment variables that set flags.
const EnvironmentPrefix = "GOREWIND"
