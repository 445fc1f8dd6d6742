package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/test/daemontest"
)

// TestCopiesKilled: exports, backups, imports and restores are killed at random
// moments, while writers go on, and are asked for again: then they are good.
func TestCopiesKilled(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	d := daemontest.Start(t, "--data-dir", in("data"))
	c := daemontest.Connect(t, d)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 2 {
		writers.Go(func() { // ends with ctx
			for i := uint64(1); ctx.Err() == nil; i++ {
				if err := change(ctx, c, fmt.Sprint("s/", w, "/", i%9), i); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	end := time.Now().Add(daemontest.Length(3 * time.Second))
	for round := 0; time.Now().Before(end); round++ {
		daemontest.RunAndKill(t, 200*time.Millisecond, "backup", "--connect", d.Router, in("backup"))
		if _, err := os.Stat(in("backup/backup.json")); err == nil {
			daemontest.Succeed(t, "backup", "--verify", in("backup"))
		}
		daemontest.RunAndKill(t, 200*time.Millisecond, "export", "--connect", d.Router, in("export.jsonl.zst"), "--force")
	}
	daemontest.Succeed(t, "export", "--connect", d.Router, in("export.jsonl.zst"), "--force")
	stop()
	writers.Wait()
	daemontest.Succeed(t, "backup", "--connect", d.Router, in("backup"))
	daemontest.Succeed(t, "export", "--connect", d.Router, in("last.jsonl"))
	want := daemontest.Contents(t, d)
	daemontest.Succeed(t, "import", in("export.jsonl.zst"), "--data-dir", in("earlier"))
	for name, args := range map[string][]string{
		"imported": {"import", in("last.jsonl"), "--data-dir", in("imported")},
		"restored": {"restore", in("backup"), "--data-dir", in("restored")},
	} {
		for range 5 {
			daemontest.RunAndKill(t, 100*time.Millisecond, args...)
		}
		if _, err := os.Stat(filepath.Join(in(name), "db")); err != nil { // it may have been through
			daemontest.Succeed(t, args...)
		}
		if have := daemontest.Contents(t, daemontest.Start(t, "--data-dir", in(name))); have != want {
			t.Errorf("%s: it tells something else: %s", name, daemontest.FirstDifference(want, have))
		}
	}
}

// change does one of the things that can be done to a stream.
func change(ctx context.Context, c *client.Client, stream string, i uint64) error {
	id, err := c.Publish(ctx, stream, fmt.Appendf(nil, "event %d", i))
	switch {
	case err != nil:
	case i%5 == 0:
		err = c.Replace(ctx, stream, id, fmt.Appendf(nil, "replaced %d", i))
	case i%11 == 0:
		err = c.Delete(ctx, client.Delete{Stream: stream, UpTo: client.Some(id - id%4)})
	case i%3 == 0:
		_, err = c.Append(ctx, client.Append{Key: fmt.Sprint("key ", i), Groups: []client.Group{{Stream: stream, Events: [][]byte{[]byte("keyed")}}}})
	case i%7 == 0:
		err = c.Commit(ctx, client.Commit{Consumer: "consumer", Stream: stream, ID: id, Rewind: true})
	}
	return err
}

// TestCopiesMemory: what copies take of memory is bounded, however large the store,
// also where the events of one commit were replaced by much larger ones: a commit was
// once held in memory, and 600 MiB of these took 6 GiB.
func TestCopiesMemory(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	d := daemontest.StartPlain(t, "--data-dir", in("data"))
	c := daemontest.Connect(t, d)
	data := make([]byte, 64<<10)
	rand.NewChaCha8([32]byte{}).Read(data)
	megabytes := 200
	if daemontest.Length(0) > 0 {
		megabytes = 2000
	}
	for i := range megabytes {
		g := client.Group{Stream: fmt.Sprint("s/", i%10)}
		for range 16 {
			data[i%len(data)]++
			g.Events = append(g.Events, slices.Clone(data))
		}
		if _, err := c.Append(t.Context(), client.Append{Groups: []client.Group{g}}); err != nil {
			t.Fatal(err)
		}
	}
	grown := make([][]byte, megabytes/2)
	for i := range grown {
		grown[i] = []byte("small")
	}
	if _, err := c.Append(t.Context(), client.Append{Groups: []client.Group{{Stream: "grown", Events: grown}}}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(daemontest.PlainBinary(), "backup", "--connect", d.Router, in("backup")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	large := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{}).Read(large)
	for i := range grown {
		large[i%len(large)]++
		if err := c.Replace(t.Context(), "grown", uint64(i+1), large); err != nil {
			t.Fatal(err)
		}
	}
	const most = 384 << 10 // KiB
	for _, args := range [][]string{
		{"export", "--connect", d.Router, in("export.zst")},
		{"backup", "--connect", d.Router, in("backup")},
		{"import", "--connect", d.Router, in("export.zst")},
		{"import", in("export.zst"), "--data-dir", in("imported")},
		{"restore", in("backup"), "--data-dir", in("restored")},
	} {
		began := time.Now()
		used := daemontest.PeakMemory(t, exec.Command(daemontest.PlainBinary(), args...))
		if t.Logf("%s: %d MiB in %v", args[0], used>>10, time.Since(began).Round(time.Millisecond)); used > most {
			t.Errorf("%q: want %d KiB at most, have %d", args, most, used)
		}
	}
}
