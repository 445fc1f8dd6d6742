package main

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
	"gorewind/wire"
)

// A lock is a directory with keys and a file of clients.
type lock struct {
	t   testing.TB
	dir string
}

// newLock makes a key for the server, and one for each name.
func newLock(t testing.TB, names ...string) *lock {
	t.Helper()
	l := &lock{t, t.TempDir()}
	for _, name := range append(names, "server") {
		if _, errs, status := gorewind(l.dir, "keygen", name); status != 0 {
			t.Fatal(errs)
		}
	}
	return l
}

func (l *lock) file(name string) string { return filepath.Join(l.dir, name) }

// pair returns the keys of a name.
func (l *lock) pair(name string) (public, secret string) {
	l.t.Helper()
	pair, err := keyfile.ReadPair(l.file(name + ".key_secret"))
	if err != nil {
		l.t.Fatal(err)
	}
	return pair.Public, pair.Secret
}

// allow writes the file of clients: lines of rules for each name.
func (l *lock) allow(rules map[string]string) {
	l.t.Helper()
	text := ""
	for name, r := range rules {
		public, _ := l.pair(name)
		text += fmt.Sprintf("[[client]]\nname = %q\nkey = '%s'\n%s\n", name, public, r)
	}
	l.write("clients.toml", text)
}

func (l *lock) write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(l.file(name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// start starts a daemon that is locked.
func (l *lock) start(args ...string) *daemon {
	l.t.Helper()
	return start(l.t, append([]string{"--in-memory", "--curve-key", l.file("server.key_secret"), "--clients", l.file("clients.toml")}, args...)...)
}

// as has a socket use the key of a name.
func (l *lock) as(z *zmq.Socket, name string) error {
	server, _ := l.pair("server")
	public, secret := l.pair(name)
	return z.ClientAuthCurve(server, public, secret)
}

// dial connects with the key of a name.
func (l *lock) dial(endpoint, name string) *peer {
	l.t.Helper()
	z, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { z.Close() })
	for _, err := range []error{z.SetLinger(0), z.SetRcvtimeo(20 * time.Second), z.SetSndtimeo(20 * time.Second), l.as(z, name), z.Connect(endpoint)} {
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return &peer{l.t, z}
}

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
	dir := t.TempDir()
	out, errs, status := gorewind(dir, "keygen", "mine")
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
	before := files(t, dir)
	for _, name := range []string{"mine", "none/mine"} {
		if _, errs, status := gorewind(dir, "keygen", name); status != 1 || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %s", name, status, errs)
		}
	}
	if err := os.Rename(filepath.Join(dir, "mine.key_secret"), filepath.Join(dir, "kept")); err != nil {
		t.Fatal(err)
	}
	if _, errs, status := gorewind(dir, "keygen", "mine"); status != 1 || !strings.Contains(errs, "mine.key is there already") {
		t.Errorf("the public key was there: status %d, %s", status, errs)
	}
	if err := os.Rename(filepath.Join(dir, "kept"), filepath.Join(dir, "mine.key_secret")); err != nil {
		t.Fatal(err)
	}
	if after := files(t, dir); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("want %q, have %q", before, after)
	}
}

// TestSecurityRefusals: what would be less safe than it looks is refused, in one
// line that says what to do.
func TestSecurityRefusals(t *testing.T) {
	l := newLock(t, "k")
	l.allow(nil)
	public, secret := l.pair("k")
	other, _ := l.pair("server")
	l.write("readable", keyfile.Text(public, secret))
	if err := os.Chmod(l.file("readable"), 0o640); err != nil {
		t.Fatal(err)
	}
	l.write("mixed", keyfile.Text(other, secret))
	l.write("junk", "curve\n    secret-key = \"short\"\n")
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
		l.write(name, text)
	}
	serve := func(args ...string) []string {
		return append([]string{"serve", "--in-memory", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"}, args...)
	}
	locked := func(clients string) []string {
		return serve("--curve-key", l.file("server.key_secret"), "--clients", l.file(clients))
	}
	for _, x := range []struct {
		args []string
		want string
	}{
		{serve("--curve-key", l.file("server.key_secret")), "--curve-key needs --clients"},
		{serve("--clients", l.file("clients.toml")), "--clients needs --curve-key"},
		{serve("--drop"), "--drop needs --clients"},
		{serve("--max-connections", "-1"), "--max-connections"},
		{serve("--max-requests", "-1"), "--max-requests"},
		{serve("--handshake-time", "0s"), "--handshake-time"},
		{serve("--ipc-mode", "rw"), "--ipc-mode"},
		{serve("--ipc-mode", "07777"), "--ipc-mode"},
		{serve("--curve-key", l.file("none"), "--clients", l.file("clients.toml")), "none: no such file"},
		{serve("--curve-key", l.file("readable"), "--clients", l.file("clients.toml")), "mode 0640"},
		{serve("--curve-key", l.file("server.key"), "--clients", l.file("clients.toml")), "has no secret key"},
		{serve("--curve-key", l.file("mixed"), "--clients", l.file("clients.toml")), "not that of the secret one"},
		{serve("--curve-key", l.file("junk"), "--clients", l.file("clients.toml")), "not 40 characters"},
		{locked("none.toml"), "none.toml: no such file"},
		{locked("typo.toml"), "line 4: there is no client.raed"},
		{locked("table.toml"), "line 4: there is no clients"},
		{locked("syntax.toml"), "line 4"},
		{locked("type.toml"), `line 4: read takes a list of globs, such as ["account/*"] or ["**"]; write [[client]]`},
		{locked("number.toml"), "line 2: name takes text in quotes; write [[client]]"},
		{locked("notable.toml"), "line 1: client is no value; write [[client]]"},
		{locked("unquoted.toml"), "line 4: toml: this is no value; give text in quotes"},
		{locked("glob.toml"), `client "a": read: "a\\"`},
		{locked("emptyglob.toml"), `client "a": read`},
		{locked("nameless.toml"), "client 1 has no name"},
		{locked("keyless.toml"), `client "a": its key`},
		{locked("badkey.toml"), `client "a": its key`},
		{locked("twice.toml"), `client "b" has the key of "a"`},
		{locked("samename.toml"), `two clients are called "a"`},
		{[]string{"ping", "--client-key", l.file("k.key_secret")}, "--client-key and --server-key go together"},
		{[]string{"ping", "--client-key", l.file("readable"), "--server-key", other}, "mode 0640"},
		{[]string{"ping", "--client-key", l.file("k.key_secret"), "--server-key", l.file("none")}, "none: no such file"},
		{[]string{"ping", "--client-key", l.file("k.key_secret"), "--server-key", l.file("server.key_secret")}, "server.key_secret holds the secret key"},
	} {
		out, errs, status := gorewind(t.TempDir(), x.args...)
		if status != exit.Usage || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, x.want) {
			t.Errorf("%q: want status %d and one line with %q, have %d\n%s%s", x.args[1:], exit.Usage, x.want, status, out, errs)
		}
	}
}

// TestPingWithKeys: a client command gets through with the right keys, and says why
// it does not with others.
func TestPingWithKeys(t *testing.T) {
	l := newLock(t, "known", "unknown")
	l.allow(map[string]string{"known": ""})
	d := l.start()
	ping := func(args ...string) (string, string, int) {
		return gorewind(t.TempDir(), append([]string{"ping", "--connect", d.router, "--patience", "2s"}, args...)...)
	}
	server, _ := l.pair("server")
	for _, serverKey := range []string{server, l.file("server.key")} {
		out, errs, status := ping("--client-key", l.file("known.key_secret"), "--server-key", serverKey)
		if status != 0 || !strings.Contains(out, "answers") {
			t.Errorf("status %d\n%s%s", status, out, errs)
		}
	}
	for want, args := range map[string][]string{
		"does not know this key":           {"--client-key", l.file("unknown.key_secret"), "--server-key", server},
		"may have another key":             {"--client-key", l.file("known.key_secret"), "--server-key", l.file("known.key")},
		"did not let this client in: it a": nil, // asks for a key, or may ask for one
	} {
		out, errs, status := ping(args...)
		if args == nil {
			errs = strings.Replace(errs, "it ended the handshake: it may ask for a key", "it asks for a key", 1)
		}
		if status != 1 || !strings.Contains(errs, want) || !strings.Contains(errs, "--server-key") || strings.Count(errs, "\n") != 1 {
			t.Errorf("%q: want %q, have status %d\n%s%s", args, want, status, out, errs)
		}
	}
}

// TestReloadOfNothing: who reloads a service does not mean to end it.
func TestReloadOfNothing(t *testing.T) {
	d := start(t, "--in-memory")
	d.cmd.Process.Signal(syscall.SIGHUP)
	until(t, "the daemon says nothing of SIGHUP", func() bool { return strings.Contains(d.said(), "nothing to read again") })
	dial(t, d.router).ask(wire.Ping{})
}

// TestReloadOfAStart: nor while it opens the store, which goes on for minutes where
// that is repaired. Its database is opened by way of a pipe, through which nothing
// comes.
func TestReloadOfAStart(t *testing.T) {
	dir := t.TempDir()
	start(t, "--data-dir", dir).stop(t, syscall.SIGTERM)
	current := filepath.Join(dir, "db", "CURRENT")
	if err := errors.Join(os.Remove(current), syscall.Mkfifo(current, 0o644)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(), "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--data-dir", dir)
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
	says("nothing to read again")
}

// TestDeleteUnread: who may delete and not read is not told what there was.
func TestDeleteUnread(t *testing.T) {
	l := newLock(t, "eraser")
	l.allow(map[string]string{"eraser": "admin = ['**']\nwrite = ['**']"})
	d := l.start()
	for _, c := range []struct {
		want string
		args []string
	}{{"1\n", []string{"publish", "s", "x"}}, {"deleted\n", []string{"delete", "s", "--yes"}}} {
		out, errs, status := gorewind(l.dir, append(c.args, "--connect", d.router, "--client-key", "eraser.key_secret", "--server-key", "server.key")...)
		if status != 0 || out != c.want {
			t.Errorf("%q: want %q, have status %d\n%s%s", c.args, c.want, status, out, errs)
		}
	}
}

// TestNobodyIsListed: a file of no client is served, and the log says what that means.
func TestNobodyIsListed(t *testing.T) {
	l := newLock(t, "a")
	l.allow(nil)
	d := l.start()
	warned := func() int { return strings.Count(d.said(), `level=WARN msg="NO CLIENT IS LISTED`) }
	if warned() != 1 {
		t.Errorf("want a warning, have\n%s", d.said())
	}
	l.allow(map[string]string{"a": ""})
	d.cmd.Process.Signal(syscall.SIGHUP)
	until(t, "the rules are not read again", func() bool { return strings.Contains(d.said(), `read again" clients=1`) })
	if warned() != 1 {
		t.Errorf("want no warning where there is a client, have\n%s", d.said())
	}
	l.allow(nil)
	d.cmd.Process.Signal(syscall.SIGHUP)
	until(t, "no warning after SIGHUP", func() bool { return warned() == 2 })
}

// TestReload: SIGHUP takes rights away and gives them; a file that cannot be read
// changes nothing.
func TestReload(t *testing.T) {
	l := newLock(t, "a", "b")
	both := map[string]string{"a": "read = ['**']", "b": "read = ['**']\nwrite = ['s']"}
	l.allow(both)
	d := l.start()
	a, b := l.dial(d.router, "a"), l.dial(d.router, "b")
	a.send(wire.Query{Stream: []byte("s"), Follow: true})
	if r, err := a.receive(); r != any(wire.Live{}) {
		t.Fatal(r, err)
	}
	hup := func(says string) {
		t.Helper()
		times := strings.Count(d.said(), says)
		d.cmd.Process.Signal(syscall.SIGHUP)
		until(t, "the log does not say "+says, func() bool { return strings.Count(d.said(), says) > times })
	}
	l.write("clients.toml", "[[client]]\nnonsense = 1\n")
	hup("line 2: there is no client.nonsense")
	if r := b.ask(wire.Publish{Stream: []byte("s"), Data: []byte("x")}); r != any(wire.Published{ID: 1}) {
		t.Errorf("after rules that cannot be read: %v", r)
	}
	if r, err := a.receive(); err != nil || isDenied(r) {
		t.Errorf("after rules that cannot be read: %v %v", r, err)
	}
	l.allow(map[string]string{"b": "read = ['**']\nwrite = ['s', 't']"})
	hup("rules were read again")
	if r, err := a.receive(); err != nil || !isDenied(r) {
		t.Errorf("a follower of a removed key: %v %v", r, err)
	}
	if r := a.ask(wire.Ping{}); !isDenied(r) {
		t.Errorf("a removed key: %v", r)
	}
	if r := b.ask(wire.Publish{Stream: []byte("t"), Data: []byte("x")}); r != any(wire.Published{ID: 1}) {
		t.Errorf("a right that was given: %v", r)
	}
	l.allow(both)
	hup("rules were read again")
	if r := b.ask(wire.Publish{Stream: []byte("t"), Data: []byte("x")}); !isDenied(r) {
		t.Errorf("a right that was taken: %v", r)
	}
	if r := a.ask(wire.Ping{}); isDenied(r) {
		t.Errorf("a key that is back: %v", r)
	}
	if log := d.stop(t, syscall.SIGTERM); strings.Contains(log, "panic") {
		t.Error(log)
	}
}

// TestConfigCheck: what a reload would only say in the log is told to who asks before.
func TestConfigCheck(t *testing.T) {
	l := newLock(t, "a")
	l.write("gorewind.toml", fmt.Sprintf("curve-key = %q\nclients = %q\n", l.file("server.key_secret"), l.file("clients.toml")))
	check := func(says string) {
		t.Helper()
		out, errs, status := gorewind(l.dir, "config", "--check", "--config", "gorewind.toml")
		if want := map[bool]int{true: exit.OK, false: exit.Usage}[says == ""]; status != want || out != "" || !strings.Contains(errs, says) || says == "" && errs != "" {
			t.Errorf("want status %d and %q, have %d\n%s%s", want, says, status, out, errs)
		}
	}
	check("clients.toml: no such file")
	l.allow(map[string]string{"a": "read = ['**']"})
	check("")
	l.write("clients.toml", "[[client]]\nnonsense = 1\n")
	check("line 2: there is no client.nonsense")
	l.allow(map[string]string{"a": ""})
	l.write("server.key_secret", "nothing")
	check("--curve-key: ")
	l.write("gorewind.toml", "clients = 'clients.toml'\n")
	check("--clients needs --curve-key")
	for endpoint, good := range map[string]bool{
		"9002": false, "tcp://127.0.0.1": false, "tcp://127.0.0.1:99999": false, "http://127.0.0.1:9002": false, "ipc://": false,
		"tcp://*:9002": true, "tcp://[::1]:*": true, "tcp://eth0:9002": true, "ipc://@gorewind": true, "ipc:///run/a:99999": true,
	} {
		l.write("gorewind.toml", fmt.Sprintf("router = [%q]\n", endpoint))
		check(map[bool]string{false: "--router " + endpoint + ": that is no endpoint"}[good])
	}
}

// TestReloadDrops: with --drop, a removed key loses PUB at once.
func TestReloadDrops(t *testing.T) {
	l := newLock(t, "gone", "stays")
	l.allow(map[string]string{"gone": "read = ['**']", "stays": "read = ['**']\nwrite = ['**']"})
	d := l.start("--drop")
	sub, err := zmq.NewSocket(zmq.SUB)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for _, err := range []error{sub.SetLinger(0), l.as(sub, "gone"), sub.SetSubscribe(""), sub.Connect(d.pub)} {
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
		l.dial(d.router, "stays").ask(publish)
		return hears()
	})
	l.allow(map[string]string{"stays": "read = ['**']\nwrite = ['**']"})
	d.cmd.Process.Signal(syscall.SIGHUP)
	until(t, "it does not come back in vain", func() bool { return strings.Contains(d.said(), "a key that --clients does not have") })
	for hears() { // what was under way
	}
	for range 10 {
		l.dial(d.router, "stays").ask(publish)
	}
	if hears() {
		t.Error("a removed key hears broadcasts")
	}
}

// TestRefusedCommandsEnd: commands that last waited for ever, in silence, when a daemon
// that they had talked to refused their key.
func TestRefusedCommandsEnd(t *testing.T) {
	l := newLock(t, "gone")
	for _, how := range []string{"--drop", "another daemon"} {
		l.allow(map[string]string{"gone": "read = ['**']\nwrite = ['**']"})
		d := l.start("--drop")
		as := func(args ...string) *exec.Cmd {
			return d.client(t, append(args, "--client-key", l.file("gone.key_secret"), "--server-key", l.file("server.key"))...)
		}
		follow, subscribe := startClient(t, as("follow", "s", "--raw")), startClient(t, as("subscribe", "--raw"))
		peer := l.dial(d.router, "gone")
		heard := make(chan struct{})
		go func() { // ends when subscribe hears something, or has ended
			defer close(heard)
			subscribe.line()
		}()
		await(t, func() bool {
			peer.ask(wire.Publish{Stream: []byte("s"), Data: []byte("x")})
			select {
			case <-heard:
				return true
			default:
				return false
			}
		}, subscribe.said)
		if have := follow.line(); have != "x" {
			t.Errorf("follow: have %q\n%s", have, follow.said())
		}
		l.allow(nil)
		if how == "--drop" {
			d.cmd.Process.Signal(syscall.SIGHUP)
		} else {
			d.stop(t, syscall.SIGTERM)
			l.start("--router", d.router, "--pub", d.pub)
		}
		for name, c := range map[string]*live{"follow": follow, "subscribe": subscribe} {
			_, status := c.end()
			said := c.said()
			last := said[strings.LastIndex(strings.TrimSuffix(said, "\n"), "\n")+1:]
			if status != 1 || !strings.Contains(last, "this key") {
				t.Errorf("%s, %s: want status 1 and a line about the key, have %d\n%s", how, name, status, said)
			}
		}
	}
}

// TestInteropCurve has pyzmq show its keys, as a user's own client does.
func TestInteropCurve(t *testing.T) {
	python := pythonWithZMQ(t)
	l := newLock(t, "reader", "writer", "stranger")
	l.allow(map[string]string{
		"reader": "read = ['**']", "writer": "read = ['account/*']\nwrite = ['account/*']",
	})
	dir := shortDir(t)
	d := l.start("--router", "ipc://"+filepath.Join(dir, "router"), "--ipc-mode", "0600")
	for _, transport := range []string{"tcp", "ipc"} {
		out, err := command(t, python, filepath.Join("testdata", "curve.py"), l.dir, ofTransport(t, transport, d.router), d.pub).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", transport, err, out)
		}
	}
	if fi, err := os.Stat(filepath.Join(dir, "router")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("have %v %v", fi.Mode(), err)
	}
}

// TestReadmeSecurity runs the commands of README.rst, in order, as they are.
func TestReadmeSecurity(t *testing.T) {
	dir := t.TempDir()
	run := func(script string) (string, error) {
		cmd := command(t, "sh", "-ec", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binary())+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(indented(t, "for the daemon and one for each client::")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rules := indented(t, "into ``clients.toml``::")
	public, err := keyfile.ReadPublic(filepath.Join(dir, "billing.key"))
	if err != nil {
		t.Fatal(err)
	}
	const placeholder = "the key that keygen printed"
	if !strings.Contains(rules, placeholder) {
		t.Fatalf("want %q in\n%s", placeholder, rules)
	}
	if err := os.WriteFile(filepath.Join(dir, "clients.toml"), []byte(strings.ReplaceAll(rules, placeholder, public)), 0o644); err != nil {
		t.Fatal(err)
	}
	serve := strings.Fields(indented(t, "Then start the daemon::"))
	cmd := exec.Command(binary(), append(serve[1:], "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*")...)
	d := startIn(t, cmd, dir)
	out, err := run(strings.TrimSpace(indented(t, "and ask it for an answer::")) + " --connect " + d.router)
	if err != nil || !strings.Contains(out, "answers") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSubscribeWithKeys: subscribe shows its key, and says so where that is refused.
func TestSubscribeWithKeys(t *testing.T) {
	l := newLock(t, "all", "some")
	l.allow(map[string]string{"all": "read = ['**']\nwrite = ['**']", "some": "read = ['*']"})
	d := l.start()
	with := func(name string, args ...string) []string {
		return append(args, "--client-key", l.file(name+".key_secret"), "--server-key", l.file("server.key"))
	}
	_, errs, status := gorewind(l.dir, with("some", "subscribe", "--subscribe", d.pub)...)
	if status != 1 || !strings.Contains(errs, "may not let it in here") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d\n%s", status, errs)
	}
	cmd := command(t, binary(), with("all", "subscribe", "--subscribe", d.pub, "--limit", "1", "--raw")...)
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // ends when the command does
	for done := false; !done; {
		if _, errs, status := gorewind(l.dir, with("all", "publish", "s", "hello", "--connect", d.router)...); status != 0 {
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
	_, errs, status = gorewind(l.dir, with("some", "publish", "s", "hello", "--connect", d.router)...)
	if status != 1 || !strings.Contains(errs, "PUBLISH takes the right write") {
		t.Errorf("status %d\n%s", status, errs)
	}
}
