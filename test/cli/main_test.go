// Package cli tests the command line as its users have it: it starts the program, reads what
// it prints and looks at its exit status. Tables of command lines are in testdata/scripts.
package cli

import (
	"os"
	"testing"

	"gorewind/test/daemontest"
)

func TestMain(m *testing.M) { os.Exit(daemontest.Main(m)) }
