package command

import (
	"reflect"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"gorewind/internal/config"
	"gorewind/internal/daemon"
	"gorewind/server"
)

// TestDaemonFlags: each is a field of a server's options, and a flag of serve.
func TestDaemonFlags(t *testing.T) {
	for field, flag := range daemon.Flags {
		if _, ok := reflect.TypeFor[server.Options]().FieldByName(field); !ok {
			t.Errorf("%s is no field of a server's options", field)
		}
		if !slices.ContainsFunc(config.EveryFlag(model(t).Node), func(f *kong.Flag) bool { return "--"+f.Name == flag }) {
			t.Errorf("%s is no flag of serve", flag)
		}
	}
}
