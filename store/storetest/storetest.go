// Package storetest is the conformance suite of the store contract. The server and
// embedding programs can rely on an engine that passes it.
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

// A testCase covers one part of the contract. Its name begins with the label of the
// ancestors' test that it continues, if any.
type testCase struct {
	name string
	test func(*fixture)
}

// Run tests an engine. open is called once for each test, and returns a function
// that opens the test's store, and reopens it with what it held when it was closed.
// If volatile is set, the engine's stores end with Close and are reopened empty.
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
			usual /= 2 // without restarts
		}
		Model(t, Operations(usual), volatile, func() System { return open() })
	})
}

// Rand returns a source of random numbers. Its seed is the environment variable
// SEED, or a new one that is printed if the test fails.
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

// Operations returns how many operations Model performs: the environment variable
// OPERATIONS, or usual. With the race detector, which makes each four times slower,
// usual is limited to 10,000.
func Operations(usual int) int {
	if n, err := strconv.Atoi(os.Getenv("OPERATIONS")); err == nil {
		return n
	}
	if race.Enabled {
		return min(usual, 10_000)
	}
	return usual
}
