package daemontest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/internal/keyfile"
)

// A Lock is a directory with CURVE keys and a file of clients.
type Lock struct {
	t   testing.TB
	Dir string
}

// NewLock generates a key pair for the server, and one for each name.
func NewLock(t testing.TB, names ...string) *Lock {
	t.Helper()
	l := &Lock{t, t.TempDir()}
	for _, name := range append(names, "server") {
		if _, errs, status := Run(l.Dir, "keygen", name); status != 0 {
			t.Fatal(errs)
		}
	}
	return l
}

// File returns the path of a file in the directory.
func (l *Lock) File(name string) string { return filepath.Join(l.Dir, name) }

// Pair returns the key pair of a name.
func (l *Lock) Pair(name string) (public, secret string) {
	l.t.Helper()
	pair, err := keyfile.ReadPair(l.File(name + ".key_secret"))
	if err != nil {
		l.t.Fatal(err)
	}
	return pair.Public, pair.Secret
}

// Allow writes the file of clients, with lines of rules for each name.
func (l *Lock) Allow(rules map[string]string) {
	l.t.Helper()
	text := ""
	for name, r := range rules {
		public, _ := l.Pair(name)
		text += fmt.Sprintf("[[client]]\nname = %q\nkey = '%s'\n%s\n", name, public, r)
	}
	l.Write("clients.toml", text)
}

// Write writes a file in the directory.
func (l *Lock) Write(name, text string) {
	l.t.Helper()
	if err := os.WriteFile(l.File(name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
}

// Start starts a daemon that requires these keys.
func (l *Lock) Start(args ...string) *Daemon {
	l.t.Helper()
	return Start(l.t, append([]string{"--in-memory", "--curve-key", l.File("server.key_secret"), "--clients", l.File("clients.toml")}, args...)...)
}

// As sets the key pair of a name for a socket.
func (l *Lock) As(z *zmq.Socket, name string) error {
	server, _ := l.Pair("server")
	public, secret := l.Pair(name)
	return z.ClientAuthCurve(server, public, secret)
}

// Dial connects a DEALER with the key pair of a name.
func (l *Lock) Dial(endpoint, name string) *Peer {
	l.t.Helper()
	z, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { z.Close() })
	for _, err := range []error{z.SetLinger(0), z.SetRcvtimeo(20 * time.Second), z.SetSndtimeo(20 * time.Second), l.As(z, name), z.Connect(endpoint)} {
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return &Peer{l.t, z}
}
