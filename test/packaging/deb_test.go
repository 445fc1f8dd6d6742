package packaging

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorewind/internal/exit"
	"gorewind/internal/version"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// makeDeb makes a Debian package of a program, of a version, or of the program's own.
func makeDeb(t *testing.T, program string, version ...string) (name string) {
	t.Helper()
	if _, err := exec.LookPath("dpkg-shlibdeps"); err != nil {
		t.Skip("there is no dpkg-shlibdeps; install what Debian calls dpkg-dev")
	}
	name = printed(t, "sh", append([]string{"packaging/deb", program, t.TempDir()}, version...)...)
	return strings.TrimSpace(name)
}

// printed runs a command to its end, however long a busy machine takes to compress a package,
// and returns what it printed.
func printed(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", cmd.Args, err, out, &stderr)
	}
	return string(out)
}

// unit returns what the unit file says of a name.
func unit(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("packaging/gorewind.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("want %s in the unit file, have it not", name)
	}
	return string(m[1])
}

// duration returns a time that the unit file has, in seconds or minutes.
func duration(t *testing.T, name string) time.Duration {
	t.Helper()
	text := unit(t, name)
	if minutes, is := strings.CutSuffix(text, "min"); is {
		text = minutes + "m"
	} else {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

func TestDeb(t *testing.T) {
	t.Parallel()
	deb := makeDeb(t, daemontest.PlainBinary())
	if want := "gorewind_" + version.Number + "_"; !strings.HasPrefix(filepath.Base(deb), want) {
		t.Errorf("want a name that begins with %s, have %s", want, deb)
	}
	files := printed(t, "dpkg-deb", "--contents", deb)
	for _, line := range []string{
		`-rwxr-xr-x root/root +\d+ .* ./usr/bin/gorewind`,
		`-rw-r--r-- root/root +\d+ .* ./lib/systemd/system/gorewind.service`,
		`-rw-r--r-- root/root +\d+ .* ./etc/gorewind/gorewind.toml`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/man/man1/gorewind.1.gz`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/bash-completion/completions/gorewind`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/zsh/vendor-completions/_gorewind`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/fish/vendor_completions.d/gorewind.fish`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/doc/gorewind/README.rst.gz`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/doc/gorewind/protocol.md.gz`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/doc/gorewind/docs/operations.md`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/doc/gorewind/changelog.gz`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/doc/gorewind/copyright`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/doc/gorewind/packaging/dashboard.json`,
		`-rw-r--r-- root/root +\d+ .* ./usr/share/doc/gorewind/packaging/alerts.yml`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(files) {
			t.Errorf("want %s in\n%s", line, files)
		}
	}
	if line := regexp.MustCompile(`(?m)^(.{5}w|.{8}w|.{10} [^r]|.{10} root/[^r]).*`).FindString(files); line != "" {
		t.Errorf("want nothing that others than root may write, have %s", line)
	}

	root := t.TempDir()
	printed(t, "dpkg-deb", "--extract", deb, root)
	printed(t, "dpkg-deb", "--control", deb, filepath.Join(root, "DEBIAN"))
	if have, err := os.ReadFile(filepath.Join(root, "DEBIAN", "conffiles")); err != nil || string(have) != "/etc/gorewind/gorewind.toml\n" {
		t.Errorf("want the options as the only configuration file, have %q, %v", have, err)
	}
	if depends := printed(t, "dpkg-deb", "--field", deb, "Depends"); !strings.Contains(depends, "libzmq5 (>= ") || !strings.Contains(depends, "libc6 (>= ") {
		t.Errorf("want that it takes libzmq5 and libc6, have %s", depends)
	}
	licences, err := os.ReadFile(filepath.Join(root, "usr/share/doc/gorewind/copyright"))
	if err != nil {
		t.Fatal(err)
	}
	for _, module := range regexp.MustCompile(`(?m)^\tdep\t(\S+)`).FindAllStringSubmatch(printed(t, "go", "version", "-m", daemontest.Binary()), -1) {
		if !bytes.Contains(licences, []byte(" "+module[1]+"\n .\n")) {
			t.Errorf("want the licence of %s, have it not", module[1])
		}
	}
	first, _ := os.ReadFile("packaging/debian/changelog")
	if want := "gorewind (" + version.Number + ") "; !bytes.HasPrefix(first, []byte(want)) {
		t.Errorf("want a changelog that begins with %q, have %.40q", want, first)
	}
}

// TestUnit: systemd takes the unit file, finds that it shuts the daemon off well,
// and does not start it again for ever.
func TestUnit(t *testing.T) {
	if want := fmt.Sprint(exit.Usage, " ", exit.Damaged); unit(t, "RestartPreventExitStatus") != want {
		t.Errorf("want RestartPreventExitStatus=%s", want)
	}
	if want := strings.Replace(unit(t, "ExecStart"), " serve ", " config --check ", 1); unit(t, "ExecReload") != want {
		t.Errorf("want that a reload begins with %s", want)
	}
	burst, err := strconv.Atoi(unit(t, "StartLimitBurst"))
	if err != nil {
		t.Fatal(err)
	}
	limit, tries := duration(t, "StartLimitIntervalSec"), time.Duration(burst)*duration(t, "RestartSec")
	if limit < 2*tries {
		t.Errorf("what always fails is started for ever: %d times take %v and more, the limit is for %v", burst, tries, limit)
	}
	if burst < 10 || limit > 5*time.Minute {
		t.Errorf("who restarts it by hand is locked out: %d times within %v", burst, limit)
	}
	if unit(t, "Restart") != "on-failure" || unit(t, "Type") != "notify" {
		t.Error("want a unit that is notified, and started again on failure")
	}

	// Go ends with a status of its own when it crashes, which is exit.Usage, if it is
	// not told otherwise.
	cmd := exec.Command(daemontest.Binary(), "serve", "--in-memory", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*")
	cmd.Env = append(os.Environ(), unit(t, "Environment"))
	d := daemontest.StartCommand(t, cmd)
	d.Cmd.Process.Signal(syscall.SIGABRT)
	d.Wait()
	if status := d.Cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || !strings.Contains(d.Log(), "goroutine ") {
		t.Errorf("want a crash to end with a signal and to tell of goroutines, have status %v", d.Cmd.ProcessState)
	}

	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze; install what Debian calls systemd")
	}
	text, err := os.ReadFile("packaging/gorewind.service")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gorewind.service")
	text = bytes.ReplaceAll(text, []byte("/usr/bin/gorewind"), []byte(daemontest.Binary()))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := daemontest.Command(t, "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	const exposure = "--threshold=20" // 2 of 10; it is 1.4 for systemd 252
	if out, err := daemontest.Command(t, "systemd-analyze", "security", "--offline=true", "--no-pager", exposure, file).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security %s: %v\n%s", exposure, err, out)
	}
}

// An installation is a small Debian in a directory, in which packages are
// installed and removed as anywhere.
type installation struct {
	t    *testing.T
	root string
	m    *daemontest.Manager
}

// install makes one. It takes root, debootstrap and a minute, so it is asked for:
// DEB names the program to be packaged.
func install(t *testing.T) *installation {
	t.Helper()
	if os.Getenv("DEB") == "" {
		t.Skip("make deb-test runs it")
	}
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	codename := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)`).FindSubmatch(release)
	if codename == nil {
		t.Fatal("/etc/os-release has no VERSION_CODENAME")
	}
	i := &installation{t, t.TempDir(), daemontest.Supervise(t, fmt.Sprintf("@gorewind-test-%d", os.Getpid()))}
	i.m.SetReadDeadline(time.Now().Add(10 * time.Minute))
	cmd := exec.CommandContext(t.Context(), "debootstrap", "--variant=minbase", "--include=adduser,libzmq5", string(codename[1]), i.root)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("debootstrap: %v\n%s", err, out)
	}
	return i
}

// dpkg has the packages of the installation changed.
func (i *installation) dpkg(args ...string) {
	i.t.Helper()
	printed(i.t, "dpkg", append([]string{"--root=" + i.root}, args...)...)
}

func (i *installation) path(name string) string { return filepath.Join(i.root, name) }

// has checks that there are files, or, those with a ! before them, that there are not.
func (i *installation) has(names ...string) {
	i.t.Helper()
	for _, name := range names {
		name, absent := strings.CutPrefix(name, "!")
		if _, err := os.Lstat(i.path(name)); absent != errors.Is(err, os.ErrNotExist) {
			i.t.Errorf("want /%s there: %v; have %v", name, !absent, err)
		}
	}
}

// start starts the daemon as the unit file says, and checks that it is ready.
func (i *installation) start() *daemontest.Daemon {
	i.t.Helper()
	state := "/var/lib/" + unit(i.t, "StateDirectory")
	script := fmt.Sprintf("umask %s && cd %s && exec %s", unit(i.t, "UMask"), unit(i.t, "WorkingDirectory"), unit(i.t, "ExecStart"))
	user := unit(i.t, "User")
	printed(i.t, "chroot", i.root, "install", "-d", "-o", user, "-g", user, "-m", unit(i.t, "StateDirectoryMode"), state)
	d := daemontest.StartCommand(i.t, exec.Command("chroot", "--userspec="+user+":"+unit(i.t, "Group"), i.root, "env", "-i",
		"NOTIFY_SOCKET="+i.m.LocalAddr().String(), "WATCHDOG_USEC=400000", "sh", "-c", script))
	i.m.Hears("READY=1")
	i.m.Hears("WATCHDOG=1")
	return d
}

// stop stops it, and checks that it says so.
func (i *installation) stop(d *daemontest.Daemon) {
	i.t.Helper()
	d.Stop(i.t, syscall.SIGTERM)
	i.m.Hears("STOPPING=1")
}

// TestDebInstalled: the package is installed, upgraded, removed, purged and
// installed again, and what was published is there throughout.
func TestDebInstalled(t *testing.T) {
	i := install(t)
	program := os.Getenv("DEB")
	i.dpkg("--install", makeDeb(t, program))
	i.has("usr/bin/gorewind", "etc/systemd/system/multi-user.target.wants/gorewind.service")
	account := regexp.MustCompile(`(?m)^gorewind:.*$`)
	passwd, err := os.ReadFile(i.path("etc/passwd"))
	if have := account.FindString(string(passwd)); err != nil || !strings.HasSuffix(have, ":/var/lib/gorewind:/usr/sbin/nologin") {
		t.Errorf("want a user who cannot log in, have %q, %v", have, err)
	}
	options, err := os.ReadFile(i.path("etc/gorewind/gorewind.toml"))
	if err != nil {
		t.Fatal(err)
	}
	options = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAll(options, []byte("127.0.0.1:*"))
	if err := os.WriteFile(i.path("etc/gorewind/gorewind.toml"), options, 0o644); err != nil {
		t.Fatal(err)
	}

	d := i.start()
	if r := daemontest.Dial(t, d.Router).Ask(wire.Publish{Stream: []byte("s"), Data: []byte("first")}); r != any(wire.Published{ID: 1}) {
		t.Fatal(r)
	}
	if fi, err := os.Stat(i.path("var/lib/gorewind/data/db")); err != nil || fi.Sys().(*syscall.Stat_t).Uid == 0 || fi.Mode().Perm()&7 != 0 {
		t.Errorf("want a store that only its user may read, have %v, %v", fi, err)
	}
	i.stop(d)

	i.dpkg("--install", makeDeb(t, program, version.Number+"+later"))
	if have, err := os.ReadFile(i.path("etc/gorewind/gorewind.toml")); err != nil || !bytes.Equal(have, options) {
		t.Errorf("want the options as they were edited, have %s, %v", have, err)
	}
	d = i.start()
	p := daemontest.Dial(t, d.Router)
	if have := p.Events("s", 0); !slices.Equal(have, []string{"first"}) {
		t.Errorf("after the upgrade: want the event, have %q", have)
	}
	p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("second")})
	i.stop(d)

	i.dpkg("--remove", "gorewind")
	i.has("!usr/bin/gorewind", "etc/gorewind/gorewind.toml", "var/lib/gorewind/data/db")
	i.dpkg("--purge", "gorewind")
	i.has("!etc/gorewind/gorewind.toml", "!etc/systemd/system/multi-user.target.wants/gorewind.service", "var/lib/gorewind/data/db")
	if after, err := os.ReadFile(i.path("etc/passwd")); err != nil || account.FindString(string(after)) != account.FindString(string(passwd)) {
		t.Errorf("want the user still there, whose events they are; have %s, %v", after, err)
	}

	i.dpkg("--install", makeDeb(t, program, version.Number+"+later"))
	if err := os.WriteFile(i.path("etc/gorewind/gorewind.toml"), options, 0o644); err != nil {
		t.Fatal(err)
	}
	d = i.start()
	if have := daemontest.Dial(t, d.Router).Events("s", 0); !slices.Equal(have, []string{"first", "second"}) {
		t.Errorf("after it was installed again: want both events, have %q", have)
	}
	i.stop(d)
}
