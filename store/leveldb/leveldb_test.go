package leveldb

import (
	"context"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

func mustOpen(t testing.TB, dir string, o Options) *DB {
	t.Helper()
	d, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// writeVerified makes a store that holds something of every kind.
func writeVerified(t *testing.T) (dir string) {
	t.Helper()
	return fixture.Everything(t, func(dir string) store.Store { return mustOpen(t, dir, Options{eager: true}) })
}

// contentsOf returns what the store in dir has.
func contentsOf(t *testing.T, dir string) string {
	t.Helper()
	d := mustOpen(t, dir, Options{})
	defer d.Close()
	return fixture.Contents(t, d)
}

func TestConformance(t *testing.T) {
	t.Run("disk", func(t *testing.T) {
		storetest.Run(t, false, func(t *testing.T) func() store.Store {
			dir := t.TempDir()
			t.Cleanup(func() { // after it was closed
				if r, err := repair.Verify(context.Background(), dir, nil); err != nil || r.Damaged > 0 {
					t.Errorf("the store is not whole: %v, %v", r, err)
				}
			})
			return func() store.Store { return mustOpen(t, dir, Options{}) }
		})
	})
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, true, func(t *testing.T) func() store.Store {
			return func() store.Store {
				d, err := OpenMemory(Options{})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
		})
	})
}
