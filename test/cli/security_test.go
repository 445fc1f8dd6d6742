package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/internal/exit"
	"gorewind/internal/keyfile"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// until waits until a condition holds.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func isDenied(r wire.Reply) bool {
	e, ok := r.(*wire.Error)
	return ok && e.Code == wire.Denied
}

func TestKeygen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, errs, status := daemontest.Run(dir, "keygen", "mine")
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	for name, want := range map[string]os.FileMode{"mine.key": 0o644, "mine.key_secret": 0o600} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || fi.Mode().Perm()&^0o044 != want&^0o044 || fi.Mode().Perm()&0o044 > want {
			t.Errorf("%s: want mode %o, have %v %v", name, want, fi.Mode(), err)
		}
	}
	public, err := keyfile.ReadPublic(filepath.Join(dir, "mine.key"))
	if err != nil || out != public+"\n" {
		t.Errorf("want %q printed, have %q, %v", public, out, err)
	}
	pair, err := keyfile.ReadPair(filepath.Join(dir, "mine.key_secret"))
	if err != nil || pair.Public != public {
		t.Errorf("have %v, %v", pair.Public, err)
	}
	before := daemontest.Files(t, dir)
	for _, name := range []string{"mine", "none/mine"} {
		if _, errs, status := daemontest.Run(dir, "keygen", name); status != 1 || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %s", name, status, errs)
		}
	}
	if err := os.Rename(filepath.Join(dir, "mine.key_secret"), filepath.Join(dir, "kept")); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := daemontest.Run(dir, "keygen", "mine"); status != 1 || !strings.Contains(errs, "mine.key already exists") {
		t.Errorf("the public key was there: status %d, %s", status, errs)
	}
	if err := os.Rename(filepath.Join(dir, "kept"), filepath.Join(dir, "mine.key_secret")); err != nil {
		t.Fatal(err)
	}
	if after := daemontest.Files(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("want %q, have %q", before, after)
	}
}

// TestSecurityRefusals: what would be less safe than it looks is refused, in one
// line that says what to do.
func TestSecurityRefusals(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "k")
	l.Allow(nil)
	public, secret := l.Pair("k")
	other, _ := l.Pair("server")
	l.Write("readable", keyfile.Text(public, secret))
	if err := os.Chmod(l.File("readable"), 0o640); err != nil {
		t.Fatal(err)
	}
	l.Write("mixed", keyfile.Text(other, secret))
	l.Write("junk", "curve\n    secret-key = \"short\"\n")
	client := func(rest string) string { return "[[client]]\nname = 'a'\nkey = '" + public + "'\n" + rest }
	for name, text := range map[string]string{
		"typo.toml":      client("raed = ['**']\n"),
		"table.toml":     client("") + "[[clients]]\nname = 'b'\n",
		"syntax.toml":    client("read = ['**'\n"),
		"type.toml":      client("read = '**'\n"),
		"number.toml":    "[[client]]\nname = 1\n",
		"notable.toml":   "client = 1\n",
		"unquoted.toml":  client("read = [all]\n"),
		"glob.toml":      client(`read = ['a\']` + "\n"),
		"nameless.toml":  "[[client]]\nkey = '" + public + "'\n",
		"keyless.toml":   "[[client]]\nname = 'a'\n",
		"badkey.toml":    "[[client]]\nname = 'a'\nkey = '" + public[1:] + "'\n",
		"twice.toml":     client("") + "[[client]]\nname = 'b'\nkey = '" + public + "'\n",
		"samename.toml":  client("") + "[[client]]\nname = 'a'\nkey = '" + other + "'\n",
		"emptyglob.toml": client("read = ['']\n"),
	} {
		l.Write(name, text)
	}
	serve := func(args ...string) []string {
		return append([]string{"serve", "--in-memory", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"}, args...)
	}
	locked := func(clients string) []string {
		return serve("--curve-key", l.File("server.key_secret"), "--clients", l.File(clients))
	}
	for _, x := range []struct {
		args []string
		want string
	}{
		{serve("--curve-key", l.File("server.key_secret")), "--curve-key needs --clients"},
		{serve("--clients", l.File("clients.toml")), "--clients needs --curve-key"},
		{serve("--drop"), "--drop needs --clients"},
		{serve("--max-connections", "-1"), "--max-connections"},
		{serve("--max-requests", "-1"), "--max-requests"},
		{serve("--handshake-time", "0s"), "--handshake-time"},
		{serve("--ipc-mode", "rw"), "--ipc-mode"},
		{serve("--ipc-mode", "07777"), "--ipc-mode"},
		{serve("--curve-key", l.File("none"), "--clients", l.File("clients.toml")), "none: no such file"},
		{serve("--curve-key", l.File("readable"), "--clients", l.File("clients.toml")), "mode 0640"},
		{serve("--curve-key", l.File("server.key"), "--clients", l.File("clients.toml")), "has no secret key"},
		{serve("--curve-key", l.File("mixed"), "--clients", l.File("clients.toml")), "does not match the secret key"},
		{serve("--curve-key", l.File("junk"), "--clients", l.File("clients.toml")), "not 40 characters"},
		{locked("none.toml"), "none.toml: no such file"},
		{locked("typo.toml"), "line 4: unknown key client.raed"},
		{locked("table.toml"), "line 4: unknown key clients"},
		{locked("syntax.toml"), "line 4"},
		{locked("type.toml"), `line 4: read must be a list of patterns, such as ["account/*"] or ["**"]; write [[client]]`},
		{locked("number.toml"), "line 2: name must be a string in quotes; write [[client]]"},
		{locked("notable.toml"), "line 1: client is not a valid value; write [[client]]"},
		{locked("unquoted.toml"), "line 4: toml: not a valid value; give text in quotes"},
		{locked("glob.toml"), `client "a": read: "a\\"`},
		{locked("emptyglob.toml"), `client "a": read`},
		{locked("nameless.toml"), "client 1 has no name"},
		{locked("keyless.toml"), `client "a": "" is not a valid public key`},
		{locked("badkey.toml"), `is not a valid public key`},
		{locked("twice.toml"), `client "b" has the same key as "a"`},
		{locked("samename.toml"), `two clients are called "a"`},
		{[]string{"ping", "--client-key", l.File("k.key_secret")}, "--client-key and --server-key go together"},
		{[]string{"ping", "--client-key", l.File("readable"), "--server-key", other}, "mode 0640"},
		{[]string{"ping", "--client-key", l.File("k.key_secret"), "--server-key", l.File("none")}, "none: no such file"},
		{[]string{"ping", "--client-key", l.File("k.key_secret"), "--server-key", l.File("server.key_secret")}, "server.key_secret holds a secret key"},
	} {
		out, errs, status := daemontest.Run(t.TempDir(), x.args...)
		if status != exit.Usage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, x.want) {
			t.Errorf("%q: want status %d and one line with %q, have %d\n%s%s", x.args[1:], exit.Usage, x.want, status, out, errs)
		}
	}
}

// TestPingWithKeys: a client command gets through with the right keys, and says why
// it does not with others.
func TestPingWithKeys(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "known", "unknown")
	l.Allow(map[string]string{"known": ""})
	d := l.Start()
	ping := func(args ...string) (string, string, int) {
		return daemontest.Run(t.TempDir(), append([]string{"ping", "--connect", d.Router, "--timeout", "2s"}, args...)...)
	}
	server, _ := l.Pair("server")
	for _, serverKey := range []string{server, l.File("server.key")} {
		out, errs, status := ping("--client-key", l.File("known.key_secret"), "--server-key", serverKey)
		if status != 0 || !strings.Contains(out, "answered") {
			t.Errorf("status %d\n%s%s", status, out, errs)
		}
	}
	for want, args := range map[string][]string{
		"unknown key":                  {"--client-key", l.File("unknown.key_secret"), "--server-key", server},
		"its public key may differ":    {"--client-key", l.File("known.key_secret"), "--server-key", l.File("known.key")},
		"refused the connection: it r": nil, // requires CURVE, or may require a key
	} {
		out, errs, status := ping(args...)
		if args == nil {
			errs = strings.Replace(errs, "it ended the handshake: it may require a key", "it requires CURVE", 1)
		}
		if status != 1 || !strings.Contains(errs, want) || !strings.Contains(errs, "--server-key") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: want %q, have status %d\n%s%s", args, want, status, out, errs)
		}
	}
}

// TestReloadOfNothing: who reloads a service does not mean to end it.
func TestReloadOfNothing(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	d.Cmd.Process.Signal(syscall.SIGHUP)
	until(t, "the daemon says nothing of SIGHUP", func() bool { return strings.Contains(d.Log(), "SIGHUP ignored") })
	daemontest.Dial(t, d.Router).Ask(wire.Ping{})
}

// TestReloadOfAStart: nor while it opens the store, which goes on for minutes where
// that is repaired. Its database is opened by way of a pipe, through which nothing
// comes.
func TestReloadOfAStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	daemontest.Start(t, "--data-dir", dir).Stop(t, syscall.SIGTERM)
	current := filepath.Join(dir, "db", "CURRENT")
	if err := errors.Join(os.Remove(current), syscall.Mkfifo(current, 0o644)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemontest.Binary(), "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--data-dir", dir)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	lines := bufio.NewScanner(log)
	says := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("it ends, and does not say %q", text)
	}
	says("opening the store")
	cmd.Process.Signal(syscall.SIGHUP)
	says("SIGHUP ignored")
}

// TestDeleteUnread: who may delete and not read is not told what there was.
func TestDeleteUnread(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "eraser")
	l.Allow(map[string]string{"eraser": "admin = ['**']\nwrite = ['**']"})
	d := l.Start()
	for _, c := range []struct {
		want string
		args []string
	}{{"1\n", []string{"publish", "s", "x"}}, {"deleted\n", []string{"delete", "s", "--yes"}}} {
		out, errs, status := daemontest.Run(l.Dir, append(c.args, "--connect", d.Router, "--client-key", "eraser.key_secret", "--server-key", "server.key")...)
		if status != 0 || out != c.want {
			t.Errorf("%q: want %q, have status %d\n%s%s", c.args, c.want, status, out, errs)
		}
	}
}

// TestNobodyIsListed: a file of no client is served, and the log says what that means.
func TestNobodyIsListed(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "a")
	l.Allow(nil)
	d := l.Start()
	warned := func() int { return strings.Count(d.Log(), `level=WARN msg="no clients configured`) }
	if warned() != 1 {
		t.Errorf("want a warning, have\n%s", d.Log())
	}
	l.Allow(map[string]string{"a": ""})
	d.Cmd.Process.Signal(syscall.SIGHUP)
	until(t, "the rules are not read again", func() bool { return strings.Contains(d.Log(), `clients reloaded" clients=1`) })
	if warned() != 1 {
		t.Errorf("want no warning where there is a client, have\n%s", d.Log())
	}
	l.Allow(nil)
	d.Cmd.Process.Signal(syscall.SIGHUP)
	until(t, "no warning after SIGHUP", func() bool { return warned() == 2 })
}

// TestReload: SIGHUP takes rights away and gives them; a file that cannot be read
// changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "a", "b")
	both := map[string]string{"a": "read = ['**']", "b": "read = ['**']\nwrite = ['s']"}
	l.Allow(both)
	d := l.Start()
	a, b := l.Dial(d.Router, "a"), l.Dial(d.Router, "b")
	a.Request(wire.Query{Stream: []byte("s"), Follow: true})
	if r, err := a.Reply(); r != any(wire.Live{}) {
		t.Fatal(r, err)
	}
	hup := func(says string) {
		t.Helper()
		times := strings.Count(d.Log(), says)
		d.Cmd.Process.Signal(syscall.SIGHUP)
		until(t, "the log does not say "+says, func() bool { return strings.Count(d.Log(), says) > times })
	}
	l.Write("clients.toml", "[[client]]\nnonsense = 1\n")
	hup("line 2: unknown key client.nonsense")
	if r := b.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("x")}); r != any(wire.Published{ID: 1}) {
		t.Errorf("after rules that cannot be read: %v", r)
	}
	if r, err := a.Reply(); err != nil || isDenied(r) {
		t.Errorf("after rules that cannot be read: %v %v", r, err)
	}
	l.Allow(map[string]string{"b": "read = ['**']\nwrite = ['s', 't']"})
	hup("clients reloaded")
	if r, err := a.Reply(); err != nil || !isDenied(r) {
		t.Errorf("a follower of a removed key: %v %v", r, err)
	}
	if r := a.Ask(wire.Ping{}); !isDenied(r) {
		t.Errorf("a removed key: %v", r)
	}
	if r := b.Ask(wire.Publish{Stream: []byte("t"), Data: []byte("x")}); r != any(wire.Published{ID: 1}) {
		t.Errorf("a right that was given: %v", r)
	}
	l.Allow(both)
	hup("clients reloaded")
	if r := b.Ask(wire.Publish{Stream: []byte("t"), Data: []byte("x")}); !isDenied(r) {
		t.Errorf("a right that was taken: %v", r)
	}
	if r := a.Ask(wire.Ping{}); isDenied(r) {
		t.Errorf("a key that is back: %v", r)
	}
	if log := d.Stop(t, syscall.SIGTERM); strings.Contains(log, "panic") {
		t.Error(log)
	}
}

// TestConfigCheck: what a reload would only say in the log is told to who asks before.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "a")
	l.Write("gorewind.toml", fmt.Sprintf("curve-key = %q\nclients = %q\n", l.File("server.key_secret"), l.File("clients.toml")))
	check := func(says string) {
		t.Helper()
		out, errs, status := daemontest.Run(l.Dir, "config", "--check", "--config", "gorewind.toml")
		if want := map[bool]int{true: exit.OK, false: exit.Usage}[says == ""]; status != want || out != "" || !strings.Contains(errs, says) || says == "" && errs != "" {
			t.Errorf("want status %d and %q, have %d\n%s%s", want, says, status, out, errs)
		}
	}
	check("clients.toml: no such file")
	l.Allow(map[string]string{"a": "read = ['**']"})
	check("")
	l.Write("clients.toml", "[[client]]\nnonsense = 1\n")
	check("line 2: unknown key client.nonsense")
	l.Allow(map[string]string{"a": ""})
	l.Write("server.key_secret", "nothing")
	check("--curve-key: ")
	l.Write("gorewind.toml", "clients = 'clients.toml'\n")
	check("--clients needs --curve-key")
	for endpoint, good := range map[string]bool{
		"9002": false, "tcp://127.0.0.1": false, "tcp://127.0.0.1:99999": false, "http://127.0.0.1:9002": false, "ipc://": false,
		"tcp://*:9002": true, "tcp://[::1]:*": true, "tcp://eth0:9002": true, "ipc://@gorewind": true, "ipc:///run/a:99999": true,
	} {
		l.Write("gorewind.toml", fmt.Sprintf("router = [%q]\n", endpoint))
		check(map[bool]string{false: "--router " + endpoint + ": not a valid endpoint"}[good])
	}
}

// TestReloadDrops: with --drop, a removed key loses PUB at once.
func TestReloadDrops(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "gone", "stays")
	l.Allow(map[string]string{"gone": "read = ['**']", "stays": "read = ['**']\nwrite = ['**']"})
	d := l.Start("--drop")
	sub, err := zmq.NewSocket(zmq.SUB)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for _, err := range []error{sub.SetLinger(0), l.As(sub, "gone"), sub.SetSubscribe(""), sub.Connect(d.Pub)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	hears := func() bool {
		_, err := sub.RecvMessage(zmq.DONTWAIT)
		return err == nil
	}
	publish := wire.Publish{Stream: []byte("s"), Data: []byte("x")}
	until(t, "SUB hears nothing", func() bool {
		l.Dial(d.Router, "stays").Ask(publish)
		return hears()
	})
	l.Allow(map[string]string{"stays": "read = ['**']\nwrite = ['**']"})
	d.Cmd.Process.Signal(syscall.SIGHUP)
	until(t, "it does not come back in vain", func() bool { return strings.Contains(d.Log(), "their key is not in --clients") })
	for hears() { // what was under way
	}
	for range 10 {
		l.Dial(d.Router, "stays").Ask(publish)
	}
	if hears() {
		t.Error("a removed key hears broadcasts")
	}
}

// TestRefusedCommandsEnd: commands that last waited for ever, in silence, when a daemon
// that they had talked to refused their key.
func TestRefusedCommandsEnd(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "gone")
	for _, how := range []string{"--drop", "another daemon"} {
		l.Allow(map[string]string{"gone": "read = ['**']\nwrite = ['**']"})
		d := l.Start("--drop")
		as := func(args ...string) *exec.Cmd {
			return d.Command(t, append(args, "--client-key", l.File("gone.key_secret"), "--server-key", l.File("server.key"))...)
		}
		follow, subscribe := daemontest.StartClient(t, as("follow", "s", "--raw")), daemontest.StartClient(t, as("subscribe", "--raw"))
		peer := l.Dial(d.Router, "gone")
		heard := make(chan struct{})
		go func() { // ends when subscribe hears something, or has ended
			defer close(heard)
			subscribe.Line()
		}()
		daemontest.Await(t, func() bool {
			peer.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("x")})
			select {
			case <-heard:
				return true
			default:
				return false
			}
		}, subscribe.Errors)
		if have := follow.Line(); have != "x" {
			t.Errorf("follow: have %q\n%s", have, follow.Errors())
		}
		l.Allow(nil)
		if how == "--drop" {
			d.Cmd.Process.Signal(syscall.SIGHUP)
		} else {
			d.Stop(t, syscall.SIGTERM)
			l.Start("--router", d.Router, "--pub", d.Pub)
		}
		for name, c := range map[string]*daemontest.Client{"follow": follow, "subscribe": subscribe} {
			_, status := c.End()
			said := c.Errors()
			last := said[strings.LastIndex(strings.TrimSuffix(said, "\n"), "\n")+1:]
			if status != 1 || !strings.Contains(last, "unknown key") {
				t.Errorf("%s, %s: want status 1 and a line about the key, have %d\n%s", how, name, status, said)
			}
		}
	}
}

// TestSubscribeWithKeys: subscribe shows its key, and says so where that is refused.
func TestSubscribeWithKeys(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "all", "some")
	l.Allow(map[string]string{"all": "read = ['**']\nwrite = ['**']", "some": "read = ['*']"})
	d := l.Start()
	with := func(name string, args ...string) []string {
		return append(args, "--client-key", l.File(name+".key_secret"), "--server-key", l.File("server.key"))
	}
	_, errs, status := daemontest.Run(l.Dir, with("some", "subscribe", "--subscribe", d.Pub)...)
	if status != 1 || !strings.Contains(errs, "without the right to connect here") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d\n%s", status, errs)
	}
	cmd := daemontest.Command(t, daemontest.Binary(), with("all", "subscribe", "--subscribe", d.Pub, "--limit", "1", "--raw")...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends when the command does
	for done := false; !done; {
		if _, errs, status := daemontest.Run(l.Dir, with("all", "publish", "s", "hello", "--connect", d.Router)...); status != 0 {
			t.Fatal(errs)
		}
		select {
		case err := <-ended:
			if done = true; err != nil || !strings.Contains(out.String(), "hello") {
				t.Errorf("%v, %q", err, out.String())
			}
		default:
		}
	}
	_, errs, status = daemontest.Run(l.Dir, with("some", "publish", "s", "hello", "--connect", d.Router)...)
	if status != 1 || !strings.Contains(errs, "PUBLISH needs the right write") {
		t.Errorf("status %d\n%s", status, errs)
	}
}
