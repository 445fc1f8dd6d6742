package config

import (
	"slices"

	"github.com/alecthomas/kong"
)

// IsSetting tells whether a file may set a flag: where the environment may, and
// the flag does not name the file.
func IsSetting(flag *kong.Flag) bool { return len(flag.Envs) > 0 && flag.Name != FileFlag }

// FlagNamed returns a flag of the command.
func FlagNamed(kctx *kong.Context, name string) *kong.Flag {
	flags := kctx.Flags()
	return flags[slices.IndexFunc(flags, func(f *kong.Flag) bool { return f.Name == name })]
}

// EveryFlag returns the flags of a command and of all below it.
func EveryFlag(node *kong.Node) []*kong.Flag {
	flags := node.Flags
	for _, child := range node.Children {
		flags = slices.Concat(flags, EveryFlag(child))
	}
	return flags
}
