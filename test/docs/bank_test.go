package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
)

// TestBank runs the bank of docs/guide.md in each language. The service is killed before
// it hears that a transfer is stored, and the projection is killed again and again while
// others write; then the store is put back to a backup.
func TestBank(t *testing.T) {
	r, _ := storetest.Rand(t)
	for name, prepare := range map[string]func(*testing.T) []string{
		"python": func(t *testing.T) []string {
			read(t, "examples/bank/bank.py") // or go test keeps a result when it changes
			return []string{daemontest.Python(t), filepath.Join(wd(t), "examples/bank/bank.py")}
		},
		"go": bankInGo,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBank(t, prepare(t), daemontest.FreeEndpoint(t, r))
			b.serviceIsKilled()
			b.projectionIsKilled(r)
			b.storeIsRestored(r)
		})
	}
}

func wd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// bankInGo builds the bank, which is a module of its own: it takes SQLite.
func bankInGo(t *testing.T) []string {
	t.Helper()
	dir := filepath.Join(wd(t), "examples/bank/go")
	for _, file := range []string{"main.go", "account.go", "projection.go"} {
		read(t, filepath.Join(dir, file)) // or go test keeps a result when one changes
	}
	get := exec.CommandContext(t.Context(), "go", "mod", "download", "github.com/mattn/go-sqlite3")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		t.Skipf("cannot get the driver of SQLite: %v; run go mod download in examples/bank/go\n%s", err, out)
	}
	program := filepath.Join(t.TempDir(), "bank")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".") // for minutes, the first time
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []string{program}
}

// A bank is the program, its daemon and what the accounts should have.
type bank struct {
	t        *testing.T
	program  []string
	dir      string
	router   string // the same for every daemon
	d        *daemontest.Daemon
	balances map[string]int64
	last     uint64 // position of the last event
}

const bankAccounts = 5

func newBank(t *testing.T, program []string, router string) *bank {
	t.Helper()
	b := &bank{t: t, program: program, dir: t.TempDir(), router: router, balances: make(map[string]int64)}
	b.serve("data")
	return b
}

func (b *bank) serve(data string) {
	b.t.Helper()
	b.d = daemontest.StartCommand(b.t, exec.Command(daemontest.Binary(), "serve",
		"--router", b.router, "--pub", "tcp://127.0.0.1:*", "--data-dir", filepath.Join(b.dir, data)))
}

func (b *bank) database() string { return filepath.Join(b.dir, "balances.db") }

// command returns a run of the program that asks at an endpoint.
func (b *bank) command(ctx context.Context, endpoint string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.program[0], append(b.program[1:], args...)...)
	cmd.Env = append(os.Environ(), "GOREWIND_CONNECT="+endpoint, "SILENCE=2")
	return cmd
}

// run runs the program to its end and returns what it printed.
func (b *bank) run(args ...string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	cmd := b.command(ctx, b.router, args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		b.t.Fatalf("%q: %v\n%s%s", args, err, out, &complaints)
	}
	return strings.TrimSpace(string(out))
}

// serviceIsKilled opens accounts and moves money. Of one transfer the answer never
// reaches the service, which is killed, and asked again.
func (b *bank) serviceIsKilled() {
	b.t.Helper()
	for n := range bankAccounts {
		name := fmt.Sprint(n)
		b.run("open", name, "1000")
		b.run("open", name, "1000") // again, which changes nothing
		b.balances[name] = 1000
	}
	relay := newRelay(b.t, b.router)
	killed := b.command(b.t.Context(), relay.endpoint, "transfer", "first", "0", "1", "30")
	if err := killed.Start(); err != nil {
		b.t.Fatal(err)
	}
	select {
	case may := <-relay.appended:
		killed.Process.Kill()
		killed.Wait()
		may <- false
	case <-time.After(time.Minute):
		b.t.Fatal("want a transfer to be stored within a minute, have none")
	}
	position := b.run("transfer", "first", "0", "1", "30")
	if again := b.run("transfer", "first", "0", "1", "30"); again != position {
		b.t.Errorf("want the position %s again, have %s", position, again)
	}
	b.balances["0"], b.balances["1"] = 970, 1030
	p := daemontest.Dial(b.t, b.router)
	for _, stream := range []string{"account/0", "account/1"} {
		if have := p.Events(stream, 0); len(have) != 2 {
			b.t.Errorf("%s: want the transfer once, have %q", stream, have)
		}
	}
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if out, err := b.command(ctx, b.router, "transfer", "too-much", "0", "1", "971").CombinedOutput(); err == nil {
		b.t.Errorf("want that nobody moves what is not there, have %s", out)
	}
}

// project starts the projection.
func (b *bank) project() *exec.Cmd {
	b.t.Helper()
	cmd := b.command(b.t.Context(), b.router, "project", b.database())
	if err := cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { kill(cmd) })
	return cmd
}

func kill(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGKILL)
	cmd.Wait()
}

// projectionIsKilled kills the projection in the middle of its work, again and again: it
// has begun, and whatever it does when the writer is through, it has not foreseen.
func (b *bank) projectionIsKilled(r *rand.Rand) {
	b.t.Helper()
	const kills, between = 10, 20
	c := b.dial()
	for range kills {
		b.move(c, r, 1)
		cmd := b.project()
		b.wait(c, b.last)
		b.move(c, r, 1+r.IntN(between))
		kill(cmd)
	}
	b.project()
	b.check()
}

// move moves money between random accounts.
func (b *bank) move(c *client.Client, r *rand.Rand, times int) {
	b.t.Helper()
	for range times {
		source, target, amount := r.IntN(bankAccounts), r.IntN(bankAccounts-1), r.Int64N(10)
		if target >= source {
			target++
		}
		groups := make([]client.Group, 2)
		for i, change := range []struct {
			kind    string
			account int
			amount  int64
		}{{"debited", source, -amount}, {"credited", target, amount}} {
			data, err := json.Marshal(map[string]any{"type": change.kind, "amount": amount, "transfer": strconv.FormatUint(r.Uint64(), 36)})
			if err != nil {
				b.t.Fatal(err)
			}
			groups[i] = client.Group{Stream: fmt.Sprint("account/", change.account), Events: [][]byte{data}}
			b.balances[fmt.Sprint(change.account)] += change.amount
		}
		if _, err := c.Append(b.t.Context(), client.Append{Groups: groups}); err != nil {
			b.t.Fatal(err)
		}
	}
	for e, err := range c.Query(b.t.Context(), "account/*", client.QueryOptions{Match: client.MatchGlob, Desc: true, Limit: 1}) {
		if err != nil {
			b.t.Fatal(err)
		}
		b.last = e.Position
	}
}

func (b *bank) dial() *client.Client {
	b.t.Helper()
	c, err := client.Dial(b.t.Context(), client.Options{Endpoint: b.router})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// wait waits until the projection has come so far.
func (b *bank) wait(c *client.Client, position uint64) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	if _, err := c.Wait(ctx, "balances", "", position); err != nil {
		b.t.Fatal(err)
	}
}

// check holds the balances that the program tells beside those that there should be.
func (b *bank) check() {
	b.t.Helper()
	b.wait(b.dial(), b.last)
	for name, want := range b.balances {
		if have := b.run("balance", name, b.database(), fmt.Sprint(b.last)); have != fmt.Sprint(want) {
			b.t.Errorf("account %s: want %d, have %s", name, want, have)
		}
	}
}

// storeIsRestored puts the store back to a backup, while the projection that has seen more
// goes on.
func (b *bank) storeIsRestored(r *rand.Rand) {
	b.t.Helper()
	copied := filepath.Join(b.dir, "backup")
	daemontest.Succeed(b.t, "backup", copied, "--connect", b.router)
	before, last := b.balances, b.last
	b.balances = make(map[string]int64)
	b.move(b.dial(), r, 20)
	b.wait(b.dial(), b.last)
	b.d.Kill()
	daemontest.Succeed(b.t, "restore", copied, "--data-dir", filepath.Join(b.dir, "restored"))
	b.balances, b.last = before, last
	b.serve("restored")
	b.move(b.dial(), r, 20)
	b.check()
}
