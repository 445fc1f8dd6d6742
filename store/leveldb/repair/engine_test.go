package repair_test

import (
	"testing"

	"gorewind/store"
	engine "gorewind/store/leveldb"
	"gorewind/store/leveldb/internal/fixture"
)

// keptName begins the name of a database that a repair has replaced.
const keptName = "db.damaged-"

func mustOpen(t *testing.T, dir string, o engine.Options) *engine.DB {
	t.Helper()
	d, err := engine.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// writeVerified makes a store that holds something of every kind.
func writeVerified(t *testing.T) (dir string) {
	t.Helper()
	return fixture.Everything(t, func(dir string) store.Store { return mustOpen(t, dir, engine.Options{}) })
}

// contentsOf describes what the store in dir holds.
func contentsOf(t *testing.T, dir string) string {
	t.Helper()
	d := mustOpen(t, dir, engine.Options{})
	defer d.Close()
	return fixture.Contents(t, d)
}
