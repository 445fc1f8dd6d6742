// Package daemontest drives gorewind as its users do: it builds the program once, starts,
// stops and kills daemons, dials them, and runs client commands at shells and terminals.
// Whatever it starts ends with the test that had it started.
package daemontest

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

// testDir is there until the last test has ended.
var testDir string

// Main runs the tests of a package in the root of the module, where they find what they
// read by the names that it has there, and returns their status.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gorewind-test")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	testDir = dir
	if os.Getenv("GORACE") == "" { // else each program waits for a second before it ends
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

// Length returns how long a harness is to run: for a short time, or as TORTURE says.
func Length(short time.Duration) time.Duration {
	length, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		return short
	}
	return length
}
