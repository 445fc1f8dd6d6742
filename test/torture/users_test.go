//go:build linux

package torture

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

// users are those who use a daemon, each on a goroutine of its own.
type users struct {
	t    testing.TB
	d    *daemontest.Daemon
	busy sync.WaitGroup
	over atomic.Bool // all are to leave, and need not be answered

	mu    sync.Mutex        // protects the field below
	known map[string]uint64 // the last acknowledged id, by stream
}

// leave has all of them leave.
func (u *users) leave() {
	u.over.Store(true)
	u.busy.Wait()
}

// connect connects a user, who closes what it uses.
func (u *users) connect(kind zmq.Type, endpoint string) *daemontest.Peer {
	s, err := zmq.NewSocket(kind)
	if err == nil {
		err = errors.Join(s.SetLinger(0), s.SetSndhwm(0), s.SetRcvhwm(0), s.SetRcvtimeo(50*time.Millisecond), s.Connect(endpoint))
	}
	if err != nil {
		panic(err)
	}
	return &daemontest.Peer{T: u.t, Socket: s}
}

// errOver is what a user receives who is to leave.
var errOver = errors.New("it is over")

// receive returns the next message.
func (u *users) receive(p *daemontest.Peer) ([][]byte, error) {
	for deadline := time.Now().Add(20 * time.Second); !u.over.Load(); {
		frames, err := p.RecvMessageBytes(0)
		if err == nil || zmq.AsErrno(err) != zmq.Errno(syscall.EAGAIN) {
			return frames, err
		}
		if time.Now().After(deadline) {
			return nil, errors.New("no answer")
		}
	}
	return nil, errOver
}

// reply returns the next reply, with the error that it is if it is one.
func (u *users) reply(p *daemontest.Peer) (wire.Reply, error) {
	frames, err := u.receive(p)
	if err != nil {
		return nil, err
	}
	reply, err := wire.ParseReply(frames)
	if refusal, ok := reply.(*wire.Error); ok {
		err = refusal
	}
	return reply, err
}

// ends reports whether an error ends what a user does, having told it if it ought
// not to be.
func (u *users) ends(who string, err error) bool {
	if err != nil && !u.over.Load() {
		u.t.Errorf("%s: %v", who, err)
	}
	return err != nil
}

// await waits for what must come.
func (u *users) await(what string, ok func() bool) {
	u.t.Helper()
	const limit = 20 * time.Second
	for deadline := time.Now().Add(limit); !ok(); <-time.After(2 * time.Millisecond) {
		if u.t.Failed() {
			u.t.FailNow() // and it is known why
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// acknowledged takes note of an acknowledged id.
func (u *users) acknowledged(stream string, id uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known[stream] = max(u.known[stream], id)
}

// last returns the last acknowledged id of a stream.
func (u *users) last(stream string) uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.known[stream]
}
