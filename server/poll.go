package server

import (
	"fmt"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// A poller waits until one of the loop's sources has something. It polls the
// descriptors that libzmq signals on, which takes two system calls a turn:
// libzmq's own zmq_poll looks into every socket before and after it waits, two
// or three calls for each, and that was a tenth of the loop's time.
//
// libzmq signals once, and not again until everything that was there has been
// taken. The loop takes all that wake and the monitors have; the ROUTER, which
// it may leave with messages, is asked each time.
type poller struct {
	router *zmq.Socket
	fds    [sources]unix.PollFd
}

// The sources, in the order of poller.fds.
const (
	fromRouter = iota
	fromWake
	fromMonitor
	fromPubEyes
	sources
)

// A readiness says which sources may have something.
type readiness [sources]bool

func newPoller(router *zmq.Socket, wake int, monitor, pubEyes *zmq.Socket) (*poller, error) {
	p := &poller{router: router}
	for i, z := range [sources]*zmq.Socket{fromRouter: router, fromMonitor: monitor, fromPubEyes: pubEyes} {
		fd := wake
		if z != nil {
			var err error
			if fd, err = z.GetFd(); err != nil {
				return nil, err
			}
		}
		p.fds[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	}
	return p, nil
}

// wait waits until a source may have something, for the ROUTER only if listening
// is set, at most for a time. A negative time is no limit.
func (p *poller) wait(listening bool, timeout time.Duration) (ready readiness, err error) {
	fds := p.fds[:]
	if !listening {
		fds = fds[fromWake:]
	} else if state, err := p.router.GetEvents(); err != nil {
		return ready, fmt.Errorf("poll: %w", err)
	} else if state&zmq.POLLIN != 0 {
		ready[fromRouter] = true
		timeout = 0
	}
	if _, err := poll(fds, timeout); err != nil && err != unix.EINTR {
		return ready, fmt.Errorf("poll: %w", err)
	} else if err != nil {
		return ready, nil
	}
	for i := range p.fds {
		if p.fds[i].Revents != 0 {
			ready[i] = true
		}
		p.fds[i].Revents = 0
	}
	return ready, nil
}
