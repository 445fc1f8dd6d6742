package config

import (
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// A Variable is one of the environment that looks like that of a flag, and is
// none. It is no error: what manages containers sets some for a service called
// gorewind.
type Variable struct{ Name, Nearest string }

// UnknownVariables returns those that are set, each with the name that it is most like,
// if it is like one at all.
func UnknownVariables(model *kong.Application) (found []Variable) {
	var known []string
	for _, flag := range EveryFlag(model.Node) {
		known = append(known, flag.Envs...)
	}
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, EnvironmentPrefix+"_") && !slices.Contains(known, name) {
			like, _ := nearest(name, known)
			found = append(found, Variable{name, like})
		}
	}
	return found
}
