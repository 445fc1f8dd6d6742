// Package config is where flags have their values from when the command line does not
// give them: the environment and the file that --config names. It tells which values are
// in force, and says of a command line that is refused what to do.
package config

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kong"
)

// Settings are the values that flags have which nobody gave: those of the file
// that --config names.
type Settings struct {
	file    *file // nil: there is none
	context *file // has what the other has not; nil: there is none
}

// FileFlag is the flag that names the file, and so no key in it.
const FileFlag = "config"

// Load reads the file for a command that has flags which it may set, before kong
// looks for their values. It knows a key if any command has that flag, since one
// file serves them all.
func (s *Settings) Load(kctx *kong.Context) error {
	if kctx.Selected() == nil || !slices.ContainsFunc(kctx.Flags(), IsSetting) {
		return nil
	}
	if err := s.loadContext(kctx); err != nil {
		return err
	}
	path, _ := kctx.FlagValue(FlagNamed(kctx, FileFlag)).(string)
	if path == "" {
		return nil
	}
	file, err := readFile(path)
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

// Validate implements kong.Resolver; load has done it, since what it refuses must
// not be hidden by what a command refuses.
func (s *Settings) Validate(*kong.Application) error { return nil }

// Resolve implements kong.Resolver: kong asks for flags that the command line does
// not have, also if the environment has them.
func (s *Settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !IsSetting(flag) || variable(flag) != "" {
		return nil, nil
	}
	f, key := s.fileOf(flag)
	if key == "" {
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
	for _, f := range []*file{s.file, s.context} {
		if f == nil {
			continue
		}
		if key := f.keyOf(flag); key != "" {
			return f, key
		}
	}
	return nil, ""
}

// EnvironmentPrefix begins the name of every environment variable that sets a flag.
const EnvironmentPrefix = "GOREWIND"
