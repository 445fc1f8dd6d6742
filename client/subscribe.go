package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"gorewind/wire"
)

const heartbeat = 10 * time.Second

// SubscribeOptions are the options of Subscribe.
type SubscribeOptions struct {
	// Endpoint of the server's PUB, such as tcp://127.0.0.1:9003.
	Endpoint string
	// Curve holds the keys for a server that requires CURVE. Default: none.
	Curve *Curve
	// OnConnection, if not nil, is called when the connection is established or lost,
	// between events, on the goroutine that iterates.
	OnConnection func(up bool)
}

// Subscribe yields the broadcasts of the streams whose names begin with prefix, until ctx ends
// or the caller stops. Broadcasts have no position and no time.
//
// Broadcasts are lost while the caller is slow or the connection is down; libzmq reconnects by
// itself. The ids of a stream have no gaps, so a gap shows what is missing, and Query gets it.
// To miss nothing, use Follow.
func Subscribe(ctx context.Context, o SubscribeOptions, prefix string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s, err := newSubscription(ctx, o, prefix)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer s.close()
		defer context.AfterFunc(ctx, func() { s.out.post(func() {}) })()
		for {
			e, ok, err := s.receive()
			if err == nil {
				err = ctx.Err()
			}
			if err == nil && !ok {
				err = s.wait()
			}
			if (ok || err != nil) && !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// A subscription is a SUB socket and what it takes to wait for it. One goroutine uses it.
type subscription struct {
	SubscribeOptions
	zctx         *zmq.Context
	sub, monitor *zmq.Socket
	out          *outbox // wakes the subscription when the context ends
}

func newSubscription(ctx context.Context, o SubscribeOptions, prefix string) (_ *subscription, err error) {
	ipv6, err := resolve(ctx, o.Endpoint)
	if err != nil {
		return nil, err
	}
	s := &subscription{SubscribeOptions: o}
	if s.out, err = newOutbox(); err != nil {
		return nil, fmt.Errorf("wake-up: %w", err)
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.zctx, err = zmq.NewContext(); err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	if s.sub, err = s.zctx.NewSocket(zmq.SUB); err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	if s.monitor, err = s.zctx.NewSocket(zmq.PAIR); err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	const name = "inproc://subscription"
	if err := errors.Join(
		s.sub.SetLinger(0),
		s.sub.SetIpv6(ipv6),
		s.sub.SetSubscribe(prefix),
		s.sub.SetHeartbeatIvl(heartbeat), // to notice a server that vanished
		s.sub.Monitor(name, zmq.EVENT_HANDSHAKE_SUCCEEDED|zmq.EVENT_DISCONNECTED|failedHandshakes),
		s.monitor.SetLinger(0),
		s.monitor.SetRcvhwm(0), // else libzmq's I/O thread could block
		s.monitor.Connect(name),
	); err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	if err := o.Curve.apply(s.sub); err != nil {
		return nil, err
	}
	if err := s.sub.Connect(o.Endpoint); err != nil {
		return nil, fmt.Errorf("%w: %q: %w; give one such as tcp://127.0.0.1:9003", ErrEndpoint, o.Endpoint, err)
	}
	return s, nil
}

// close releases everything. It ignores errors: only a libzmq that cannot shut down gives one.
func (s *subscription) close() {
	if s.sub != nil {
		_ = s.sub.Monitor("", 0) // as in link.close
	}
	for _, z := range []*zmq.Socket{s.sub, s.monitor} {
		if z != nil {
			_ = z.Close()
		}
	}
	if s.zctx != nil {
		_ = s.zctx.Term()
	}
	s.out.close()
	_ = s.out.release()
}

// receive returns the next broadcast that has arrived. It reports false if there is none, or if
// it is of an unknown kind.
func (s *subscription) receive() (e Event, ok bool, err error) {
	if err := s.tell(); err != nil {
		return e, false, err
	}
	frames, err := s.sub.RecvMessageBytes(zmq.DONTWAIT)
	if isAgain(err) {
		return e, false, nil
	}
	if err != nil {
		return e, false, fmt.Errorf("receive: %w", err)
	}
	b, ok := wire.ParseBroadcast(frames)
	return Event{Stream: string(b.Stream), ID: b.ID, Data: b.Data}, ok, nil
}

// tell reports changes of the connection to OnConnection. It returns an error if libzmq does not
// try again.
func (s *subscription) tell() error {
	for {
		event, _, value, err := s.monitor.RecvEvent(zmq.DONTWAIT)
		if err != nil {
			return nil
		}
		if event&failedHandshakes != 0 {
			if final, err := handshakeError(event, value, s.Curve != nil); final {
				return fmt.Errorf("%s: %w", s.Endpoint, err)
			}
			continue
		}
		if s.OnConnection != nil {
			s.OnConnection(event == zmq.EVENT_HANDSHAKE_SUCCEEDED)
		}
	}
}

// wait waits until there is something to receive, or the context ends.
func (s *subscription) wait() error {
	fds := []unix.PollFd{{Fd: int32(s.out.wake), Events: unix.POLLIN}}
	for _, z := range []*zmq.Socket{s.sub, s.monitor} {
		// libzmq's descriptor signals only changes since the last look.
		state, err := z.GetEvents()
		if err != nil {
			return fmt.Errorf("zeromq: %w", err)
		}
		if state&zmq.POLLIN != 0 {
			return nil
		}
		fd, err := z.GetFd()
		if err != nil {
			return fmt.Errorf("zeromq: %w", err)
		}
		fds = append(fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	return poll(fds, -1)
}
