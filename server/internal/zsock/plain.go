package zsock

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"syscall"

	zmq "github.com/pebbe/zmq4"
)

// plain is the transport on pebbe's API. It is correct, but takes several cgo calls for
// each frame and is a third as fast. It cannot
//
//   - count the bytes of large frames that libzmq holds. Its high-water marks are so
//     low instead that messages of the largest events stay within the limits.
//   - tell two connections apart if the peer chose its routing id and the second gets
//     the descriptor of the first before all messages of the first were read. Requests
//     that come over the second until then are not answered.
type plain struct {
	router, pub, monitor *zmq.Socket
	limits               Limits
}

// Close implements Transport.
func (p *plain) Close() {}

// Forget implements Transport.
func (p *plain) Forget() {}

// Receive implements Transport.
func (p *plain) Receive(most int, before func(), handle func(Message)) (drained bool, err error) {
	var taken []Message
	size := 0
	for len(taken) < most && size < receiveBuffer {
		m, err := p.take()
		if zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN) {
			drained = true
			break
		}
		if err != nil {
			return false, fmt.Errorf("receive: %w", err)
		}
		if len(m.Frames) > 0 || m.Cut {
			taken = append(taken, m)
		}
		for _, f := range m.Frames {
			size += len(f)
		}
	}
	before()
	for _, m := range taken {
		handle(m)
	}
	return drained, nil
}

// take receives one message.
func (p *plain) take() (m Message, err error) {
	if m.ID, err = p.router.RecvBytes(zmq.DONTWAIT); err != nil {
		return m, err
	}
	m.From.FD = -1
	size := len(m.ID)
	for n := 2; ; n++ {
		more, err := p.router.GetRcvmore()
		if err != nil || !more {
			return m, err
		}
		const descriptor, user = "__fd", "User-Id"
		wanted := []string{descriptor, user}
		if !p.limits.Users {
			wanted = wanted[:1]
		}
		frame, metadata, err := p.router.RecvBytesWithMetadata(0, wanted...)
		if err != nil {
			return m, err
		}
		if n == 2 {
			m.From.User = []byte(metadata[user])
		}
		if fd, err := strconv.Atoi(metadata[descriptor]); err == nil && n == 2 {
			m.From.FD = fd
			if m.ID[0] != 0 {
				m.From.Token = uintptr(fd) + 1
			}
		}
		size += len(frame)
		if m.Cut = m.Cut || n > p.limits.Frames || size > p.limits.Bytes; !m.Cut {
			m.Frames = append(m.Frames, frame)
		}
	}
}

// Send implements Transport.
func (p *plain) Send(id []byte, _ Peer, watch bool, packed []byte) (sent int, state SendState, err error) {
	for sent < len(packed) {
		if watch {
			if news, err := p.news(); err != nil || news {
				return sent, SendNews, err
			}
		}
		switch _, err := p.router.SendBytes(id, zmq.SNDMORE|zmq.DONTWAIT); zmq.AsErrno(err) {
		case 0:
		case zmq.Errno(syscall.EAGAIN):
			return sent, PeerFull, nil
		case zmq.EHOSTUNREACH:
			return sent, PeerGone, nil
		default:
			return sent, 0, fmt.Errorf("send: %w", err)
		}
		n, err := sendPacked(p.router, packed[sent:])
		if err != nil {
			return sent, 0, err
		}
		sent += n
	}
	return sent, SentAll, nil
}

// news reports whether the monitor has an event.
func (p *plain) news() (bool, error) {
	if _, err := p.router.GetEvents(); err != nil { // makes libzmq process its connections
		return false, fmt.Errorf("send: %w", err)
	}
	events, err := p.monitor.GetEvents()
	if err != nil {
		return false, fmt.Errorf("send: %w", err)
	}
	return events&zmq.POLLIN != 0, nil
}

// Broadcast implements Transport.
func (p *plain) Broadcast(_ Peer, packed []byte) error {
	for len(packed) > 0 {
		n, err := sendPacked(p.pub, packed)
		if err != nil {
			return err
		}
		packed = packed[n:]
	}
	return nil
}

// sendPacked sends the first packed message and returns its length in bytes.
func sendPacked(z *zmq.Socket, packed []byte) (n int, err error) {
	frames := binary.NativeEndian.Uint32(packed)
	n = 4
	for ; frames > 0; frames-- {
		end := n + 4 + int(binary.NativeEndian.Uint32(packed[n:]))
		flags := zmq.DONTWAIT
		if frames > 1 {
			flags |= zmq.SNDMORE
		}
		if _, err := z.SendBytes(packed[n+4:end], flags); err != nil {
			return n, fmt.Errorf("send: %w", err)
		}
		n = end
	}
	return n, nil
}
