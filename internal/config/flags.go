package config

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// IsSetting reports whether a file may set a flag: the environment may, and it names
// neither the file nor the context.
func IsSetting(flag *kong.Flag) bool {
	return len(flag.Envs) > 0 && flag.Name != FileFlag && flag.Name != ContextFlag
}

// keysOf returns the keys of a file that set a flag: the names of its environment variables
// without the prefix, in lower case and with - for _. Further ones are older names.
func keysOf(flag *kong.Flag) []string {
	var keys []string
	for _, name := range flag.Envs {
		name = strings.TrimPrefix(name, EnvironmentPrefix+"_")
		keys = append(keys, strings.ToLower(strings.ReplaceAll(name, "_", "-")))
	}
	return keys
}

// FlagNamed returns the flag of the command with a name, which must exist.
func FlagNamed(kctx *kong.Context, name string) *kong.Flag {
	flags := kctx.Flags()
	return flags[slices.IndexFunc(flags, func(f *kong.Flag) bool { return f.Name == name })]
}

// EveryFlag returns the flags of a command and of all its subcommands.
func EveryFlag(node *kong.Node) []*kong.Flag {
	flags := node.Flags
	for _, child := range node.Children {
		flags = slices.Concat(flags, EveryFlag(child))
	}
	return flags
}
