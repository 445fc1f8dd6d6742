//go:build race

package daemontest

// raceFlags build the program as the test was built.
var raceFlags = []string{"-race"}
