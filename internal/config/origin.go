package config

import (
	"os"

	"github.com/alecthomas/kong"
)

// An Origin is where a value comes from. A greater one overrides a smaller one.
type Origin int

// Origins, from the weakest to the strongest.
const (
	ByDefault Origin = iota
	InFile
	InEnvironment
	OnCommandLine
)

func (o Origin) String() string {
	return [...]string{"default", "file", "environment", "flag"}[o]
}

// OriginOf returns where the value of a flag comes from.
func OriginOf(kctx *kong.Context, flag *kong.Flag) Origin {
	from := ByDefault
	if variable(flag) != "" {
		from = InEnvironment
	}
	for _, p := range kctx.Path {
		switch {
		case p.Flag != flag:
		case p.Resolved:
			return InFile
		default:
			return OnCommandLine
		}
	}
	return from
}

// where says where the value of a flag is set.
func (s *Settings) where(flag *kong.Flag, from Origin) string {
	switch from {
	case InFile:
		f, key := s.fileOf(flag)
		return f.where(key)
	case InEnvironment:
		return variable(flag)
	case OnCommandLine:
		return "--" + flag.Name
	}
	return from.String()
}

// variable returns the environment variable that sets a flag, or "".
func variable(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}
