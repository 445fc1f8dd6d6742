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
	sendMark = 256       // requests queued in libzmq; further ones wait in the loop, which can drop them
	never    = time.Hour // see newLink
)

// A link is one connection to the server. It never reconnects: a request sent over one
// connection is not answered over another, so each connection has its own socket.
type link struct {
	dealer, monitor *zmq.Socket
	fds             [3]unix.PollFd // of the sockets and the outbox

	reached  bool      // the connection was accepted
	greeted  bool      // the server has answered, and serves our store
	draining bool      // the server is stopping and takes no requests
	heard    time.Time // when the last message arrived, or the first request after silence was sent
	pinged   bool      // a PING was sent since then
	broken   error     // why the loop must close it
	refusal  error     // why the server refused it, if known
	final    bool      // the refusal is: to retry is no use
	curve    bool
}

// newLink starts to connect. name must be unique in zctx.
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
		// libzmq must not reconnect by itself. An interval of -1 would do that too, but
		// then answers that have arrived are lost with the connection.
		k.dealer.SetReconnectIvl(never),
		k.dealer.SetIpv6(o.ipv6),
		k.dealer.Monitor(name, zmq.EVENT_CONNECTED|zmq.EVENT_DISCONNECTED|zmq.EVENT_CLOSED|zmq.EVENT_CONNECT_RETRIED|failedHandshakes),
		k.monitor.SetLinger(0),
		k.monitor.SetRcvhwm(0), // no limit, so that libzmq's I/O thread never blocks
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
		// libzmq closes a socket later. Its I/O thread would then block for ever while
		// it reports the end of the connection to a monitor that is gone.
		_ = k.dealer.Monitor("", 0) // fails only if there is no monitor
	}
	for _, z := range []*zmq.Socket{k.dealer, k.monitor} {
		if z != nil {
			_ = z.Close() // fails only if it is closed already
		}
	}
}

// ready reports whether there is a message to receive or, with sending, room to send. libzmq's
// descriptor signals only changes since the last look, so the loop calls ready before each
// wait.
func (k *link) ready(sending bool) (bool, error) {
	state, err := k.dealer.GetEvents()
	if err != nil {
		return false, fmt.Errorf("zeromq: %w", err)
	}
	return state&zmq.POLLIN != 0 || sending && state&zmq.POLLOUT != 0, nil
}

// gone reports whether the connection has ended, or could not be established. All its messages
// can be received by then.
func (k *link) gone() bool {
	ended := false
	for {
		event, _, value, err := k.monitor.RecvEvent(zmq.DONTWAIT)
		if err != nil {
			return ended
		}
		if event&failedHandshakes != 0 {
			k.final, k.refusal = handshakeError(event, value, k.curve)
			continue // the end of the connection follows
		}
		if event == zmq.EVENT_CONNECTED {
			k.reached = true
			continue
		}
		ended = true
	}
}

// end returns why the connection has ended, as far as known.
func (k *link) end(endpoint string) error {
	switch {
	case k.greeted:
		return fmt.Errorf("lost the connection to %s", endpoint)
	case k.reached:
		return errHungUp
	}
	return errNobody
}

// send sends a request in its own envelope. It reports false if there is no room.
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

// receive returns the next answer and the number in its envelope; 0 if it has no valid envelope.
// It reports false if there is no message.
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

// poll waits for descriptors, at most for timeout unless that is negative.
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
