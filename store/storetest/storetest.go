// Package storetest is the conformance suite of the store contract: an engine
// that passes it is one that the server and embedding programs can stand on.
package storetest

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"gorewind/internal/race"
	"gorewind/store"
)

// A testCase covers one part of the contract. Its name begins with the label of
// the ancestors' test that it is, if it is one.
type testCase struct {
	name string
	test func(*fixture)
}

// Run tests an engine. open is called once for each test and returns a function
// that opens the test's store, each time after it was closed with what it held.
// An engine whose stores end with Close returns them anew; it says so by
// volatile.
func Run(t *testing.T, volatile bool, open func(t *testing.T) func() store.Store) {
	for _, c := range slices.Concat(appendCases, keyCases, readCases, selectionCases, replaceCases,
		deleteCases, cursorCases, streamsCases, logCases, tailCases, orderCases, closeCases) {
		t.Run(c.name, func(t *testing.T) {
			f := &fixture{t: t, volatile: volatile, open: open(t)}
			f.s = f.open()
			defer func() { f.close() }()
			c.test(f)
		})
	}
	t.Run("model", func(t *testing.T) {
		open, usual := open(t), 40_000
		if volatile {
			usual /= 2 // there are no restarts to meet
		}
		Model(t, Operations(usual), volatile, func() System { return open() })
	})
}

// Rand returns a source of random numbers whose seed is that of the environment
// variable SEED, or new and printed when the test fails.
func Rand(t testing.TB) (*rand.Rand, uint64) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat: SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0)), seed
}

// Operations returns how many operations Model is to do: what the environment
// variable OPERATIONS says, or usual. With the race detector, under which each takes
// four times as long, the usual number is 10,000 at most.
func Operations(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("OPERATIONS")); err == nil {
		return n
	}
	if race.Enabled {
		return min(usual, 10_000)
	}
	return usual
}
