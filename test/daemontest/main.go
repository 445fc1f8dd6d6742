// Package daemontest drives gorewind as users do. It builds the program once, starts, stops and
// kills daemons, connects to them, and runs client commands in shells and on terminals. Whatever
// a test starts ends with the test.
package daemontest

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// testDir is a directory that lasts until the last test has ended.
var testDir string

// Main runs the tests of a package in the root of the module, so that they can name files of the
// module. It returns their status.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gorewind-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	testDir = dir
	if os.Getenv("GORACE") == "" { // else each program waits a second before it ends
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			panic(err)
		}
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		panic(err)
	}
	if err := os.Chdir(string(root[:len(root)-1])); err != nil {
		panic(err)
	}
	return m.Run()
}

// Length returns how long a harness runs: the length in TORTURE, or a short default.
func Length(short time.Duration) time.Duration {
	length, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		return short
	}
	return length
}
