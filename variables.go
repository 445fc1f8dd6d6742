package main

import (
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// An unknownVariable is one of the environment that looks like that of a flag, and is
// none. It is no error: what manages containers sets some for a service called
// gorewind.
type unknownVariable struct{ name, nearest string }

func unknownVariables(model *kong.Application) (found []unknownVariable) {
	var known []string
	for _, flag := range everyFlag(model.Node) {
		known = append(known, flag.Envs...)
	}
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, environmentPrefix+"_") && !slices.Contains(known, name) {
			like, _ := nearest(name, known)
			found = append(found, unknownVariable{name, like})
		}
	}
	return found
}
