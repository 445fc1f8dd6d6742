package zsock

import (
	"errors"
	"fmt"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"
)

// A Poller waits until one of the loop's sources may have something. It polls the
// descriptors on which libzmq signals, which takes two system calls a turn. libzmq's
// own zmq_poll looks into every socket before and after it waits, with two or three
// calls for each; that was a tenth of the loop's time.
//
// libzmq signals once, and not again until everything was taken. The loop takes all
// that the outbox and the monitors have. It may leave messages in the ROUTER, so Wait
// asks the ROUTER each time.
type Poller struct {
	router *zmq.Socket
	fds    [sources]unix.PollFd
}

// The sources, in the order of Poller.fds.
const (
	FromRouter = iota
	FromWake
	FromMonitor
	FromPubMonitor
	sources
)

// A Readiness says which sources may have something.
type Readiness [sources]bool

// NewPoller returns a poller of a ROUTER, a descriptor that is readable when the loop
// is to wake up, and the monitors of ROUTER and PUB.
func NewPoller(router *zmq.Socket, wake int, monitor, pubMonitor *Monitor) (*Poller, error) {
	p := &Poller{router: router}
	for i, z := range [sources]*zmq.Socket{FromRouter: router, FromMonitor: monitor.socket, FromPubMonitor: pubMonitor.socket} {
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

// Wait waits until a source may have something, for at most timeout unless that is
// negative. It ignores the ROUTER unless listening is set.
func (p *Poller) Wait(listening bool, timeout time.Duration) (ready Readiness, err error) {
	fds := p.fds[:]
	if !listening {
		fds = fds[FromWake:]
	} else if state, err := p.router.GetEvents(); err != nil {
		return ready, fmt.Errorf("poll: %w", err)
	} else if state&zmq.POLLIN != 0 {
		ready[FromRouter] = true
		timeout = 0
	}
	if _, err := poll(fds, timeout); err != nil && !errors.Is(err, unix.EINTR) {
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
