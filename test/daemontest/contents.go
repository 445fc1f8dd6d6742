package daemontest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/wire"
)

// Contents returns everything that a client can read from a daemon's store: its log, events,
// streams and cursors.
func Contents(t *testing.T, d *Daemon) string {
	t.Helper()
	c := Connect(t, d)
	var b strings.Builder
	cursors := make(map[string]wire.Change)
	identity := func(i client.StoreIdentity) { fmt.Fprintf(&b, "store %s %s, up to %d\n", i.ID, i.Secret, i.Position) }
	for e, err := range c.Log(t.Context(), 0, client.LogOptions{OnStore: identity}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", e)
		for _, change := range e.Changes {
			if change.Kind == wire.CursorMoved {
				cursors[fmt.Sprintf("%q %q", change.Name, change.Stream)] = change
			}
		}
	}
	for e, err := range c.Query(t.Context(), "", client.QueryOptions{Match: client.MatchPrefix}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", e)
	}
	for s, err := range c.Streams(t.Context(), "", "") {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", s)
	}
	var lines []string
	for name, change := range cursors {
		id, err := c.Cursor(t.Context(), string(change.Name), string(change.Stream))
		lines = append(lines, fmt.Sprintf("cursor %s: %d %v\n", name, id, err))
	}
	slices.Sort(lines)
	return b.String() + strings.Join(lines, "")
}

// Connect returns a client of the daemon. The end of the test closes it.
func Connect(t testing.TB, d *Daemon) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{Endpoint: d.Router})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// FirstDifference returns the first line in which two texts differ.
func FirstDifference(want, have string) string {
	w, h := strings.Split(want, "\n"), strings.Split(have, "\n")
	for i := range min(len(w), len(h)) {
		if w[i] != h[i] {
			return fmt.Sprintf("line %d: want %.300s\nhave %.300s", i+1, w[i], h[i])
		}
	}
	return fmt.Sprintf("want %d lines, have %d", len(w), len(h))
}
