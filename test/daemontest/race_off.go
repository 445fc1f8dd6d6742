//go:build !race

package daemontest

// Raced: the tests have the race detector, and so has the program.
const Raced = false
