//go:build race

// Package race tells whether the race detector is watching: tests do less then, and a
// daemon under test is built alike.
package race

// Enabled is whether this program was built with the race detector.
const Enabled = true
