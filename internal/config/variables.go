package config

import (
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// A Variable is an environment variable with gorewind's prefix that sets no flag. That is not an
// error: managers of containers set such variables for a service called gorewind. Nearest is
// the closest name of a variable that sets a flag, or "".
type Variable struct{ Name, Nearest string }

// UnknownVariables returns the variables with gorewind's prefix that set no flag.
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
