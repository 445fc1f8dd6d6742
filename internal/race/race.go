// Package race tells whether the race detector is watching: tests do less then, and a
// daemon under test is built alike.
package race
