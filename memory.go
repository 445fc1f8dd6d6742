package main

import (
	"os"
	"runtime/debug"
)

// boundMemory has Go collect garbage as often as it takes to stay small, however
// much a command copies: what it holds at once is a third of that.
func boundMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(96 << 20)
	}
}
