package client

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"gorewind/wire"
)

const (
	sendMark = 256       // requests that libzmq has of us; further ones wait in the loop, where they can be dropped
	never    = time.Hour // see newLink
)

// A link is one connection to the server. It is never mended: what came over one
// connection is not answered over another, so each has a socket of its own.
type link struct {
	dealer, monitor *zmq.Socket
	fds             [3]unix.PollFd // of these and of the outbox

	reached  bool      // somebody has taken the connection
	greeted  bool      // the server has answered, and it is our store
	draining bool      // the server stops: it takes nothing more
	heard    time.Time // when the last message came, or the first request after silence went
	pinged   bool      // since then
	broken   error     // why it is to be closed
	refusal  error     // why the server refused it, if known
	final    bool      // the refusal is: to retry is no use
	curve    bool
}

// newLink begins to connect. name must be new in zctx.
func newLink(zctx *zmq.Context, o Options, name string, wake int) (_ *link, err error) {
	endpoint := o.Endpoint
	k := &link{curve: o.Curve != nil}
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	if k.dealer, err = zctx.NewSocket(zmq.DEALER); err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	if k.monitor, err = zctx.NewSocket(zmq.PAIR); err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	if err := errors.Join(
		k.dealer.SetLinger(0),
		k.dealer.SetSndhwm(sendMark),
		// libzmq is not to connect again by itself. A period of -1 says so too, but
		// then answers that have come are lost with the connection.
		k.dealer.SetReconnectIvl(never),
		k.dealer.SetIpv6(o.ipv6),
		k.dealer.Monitor(name, zmq.EVENT_CONNECTED|zmq.EVENT_DISCONNECTED|zmq.EVENT_CLOSED|zmq.EVENT_CONNECT_RETRIED|failedHandshakes),
		k.monitor.SetLinger(0),
		k.monitor.SetRcvhwm(0), // without a bound, for the same thread's sake
		k.monitor.Connect(name),
	); err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	if err := o.Curve.apply(k.dealer); err != nil {
		return nil, err
	}
	if err := k.dealer.Connect(endpoint); err != nil {
		return nil, fmt.Errorf("%w: %q: %w; give one such as tcp://127.0.0.1:9002", ErrEndpoint, endpoint, err)
	}
	for i, z := range []*zmq.Socket{k.dealer, k.monitor} {
		fd, err := z.GetFd()
		if err != nil {
			return nil, fmt.Errorf("zeromq: %w", err)
		}
		k.fds[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	k.fds[2] = unix.PollFd{Fd: int32(wake), Events: unix.POLLIN}
	return k, nil
}

func (k *link) close() {
	if k.dealer != nil {
		// libzmq closes a socket later, and its I/O thread would wait for ever for
		// somebody to tell of the end of a connection, were the monitor gone then.
		_ = k.dealer.Monitor("", 0) // it fails only where there is none
	}
	for _, z := range []*zmq.Socket{k.dealer, k.monitor} {
		if z != nil {
			_ = z.Close() // it fails only where it is closed
		}
	}
}

// ready reports whether there is something to receive, or with sending whether
// there is room to send. libzmq's descriptor tells only of changes that nobody
// has looked at, so this is asked before each wait.
func (k *link) ready(sending bool) (bool, error) {
	state, err := k.dealer.GetEvents()
	if err != nil {
		return false, fmt.Errorf("zeromq: %w", err)
	}
	return state&zmq.POLLIN != 0 || sending && state&zmq.POLLOUT != 0, nil
}

// gone reports whether the connection has ended, or could not be made. All that
// came over it can be received by then.
func (k *link) gone() bool {
	ended := false
	for {
		event, _, value, err := k.monitor.RecvEvent(zmq.DONTWAIT)
		if err != nil {
			return ended
		}
		if event&failedHandshakes != 0 {
			k.refusal, k.final = handshakeError(event, value, k.curve)
			continue // its end follows
		}
		if event == zmq.EVENT_CONNECTED {
			k.reached = true
			continue
		}
		ended = true
	}
}

// end returns why the connection has ended, as far as that can be told.
func (k *link) end(endpoint string) error {
	switch {
	case k.greeted:
		return fmt.Errorf("there is no connection to %s", endpoint)
	case k.reached:
		return errHungUp
	}
	return errNobody
}

// send sends a request in an envelope of its own, unless there is no room.
func (k *link) send(number uint64, frames [][]byte) (sent bool, err error) {
	if _, err := k.dealer.SendBytes(wire.ID(number), zmq.DONTWAIT|zmq.SNDMORE); isAgain(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("send: %w", err)
	}
	if _, err := k.dealer.SendBytes(nil, zmq.DONTWAIT|zmq.SNDMORE); err != nil {
		return false, fmt.Errorf("send: %w", err)
	}
	for i, f := range frames {
		flags := zmq.DONTWAIT
		if i < len(frames)-1 {
			flags |= zmq.SNDMORE
		}
		if _, err := k.dealer.SendBytes(f, flags); err != nil {
			return false, fmt.Errorf("send: %w", err)
		}
	}
	return true, nil
}

// receive returns the next answer and the number of its envelope; number 0 is
// that of a message with no such envelope. It reports false if nothing has come.
func (k *link) receive() (number uint64, frames [][]byte, ok bool, err error) {
	frames, err = k.dealer.RecvMessageBytes(zmq.DONTWAIT)
	if isAgain(err) {
		return 0, nil, false, nil
	}
	if err != nil {
		return 0, nil, false, fmt.Errorf("receive: %w", err)
	}
	if len(frames) < 2 || len(frames[1]) > 0 {
		return 0, nil, true, nil
	}
	number, _ = wire.ParseID(frames[0])
	return number, frames[2:], true, nil
}

func isAgain(err error) bool {
	return err != nil && zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN)
}

// poll waits for descriptors, at most for a time unless that is negative.
func poll(fds []unix.PollFd, timeout time.Duration) error {
	ms := -1
	if timeout >= 0 {
		ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
	}
	if _, err := unix.Poll(fds, ms); err != nil && err != unix.EINTR {
		return fmt.Errorf("poll: %w", err)
	}
	return nil
}
