package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// binary returns the program, built once.
var binary = sync.OnceValue(func() string {
	path := filepath.Join(testDir, "gorewind")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v\n%s", err, out))
	}
	return path
})

// testDir is there until the last test has ended.
var testDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gorewind-test")
	if err != nil {
		panic(err)
	}
	testDir = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// torture returns how long a harness is to run: for a short time, or as TORTURE says.
func torture(short time.Duration) time.Duration {
	length, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		return short
	}
	return length
}
