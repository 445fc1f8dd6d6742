//go:build race

package main

// raceFlags build the program as the test was built.
var raceFlags = []string{"-race"}
