package torture

import (
	order "encoding/binary"
	"fmt"
	"slices"
)

const greetingSize = 64

// greeting is that of ZMTP 3.0, or of 3.1 where the peer speaks it too.
func greeting() []byte {
	b := make([]byte, greetingSize)
	b[0], b[9], b[10], b[11] = 0xff, 0x7f, 3, 1
	copy(b[12:], "NULL")
	return b
}

// oldGreetings are those of ZMTP 1.0 and of 2.0, whose peers are not asked for
// their types.
var oldGreetings = [][]byte{
	{1, 0}, {5, 0, 'n', 'a', 'm', 'e'},
	{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0}, {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0, 0, 1, 0},
}

// Flags of a frame.
const (
	flagMore    = 1
	flagLong    = 2
	flagCommand = 4
)

// frame returns a frame of ZMTP 2.0 or later.
func frame(flags byte, body []byte) []byte {
	if len(body) > 255 {
		return append(order.BigEndian.AppendUint64([]byte{flags | flagLong}, uint64(len(body))), body...)
	}
	return append([]byte{flags, byte(len(body))}, body...)
}

// framed returns a message.
func framed(parts [][]byte) (out []byte) {
	for i, p := range parts {
		flags := byte(flagMore)
		if i == len(parts)-1 {
			flags = 0
		}
		out = append(out, frame(flags, p)...)
	}
	return out
}

// property is one of a READY.
func property(name string, value []byte) []byte {
	b := append([]byte{byte(len(name))}, name...)
	return append(order.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}

// ready is the command that ends a handshake.
func ready(socketType string, identity []byte) []byte {
	body := slices.Concat([]byte("\x05READY"), property("Socket-Type", []byte(socketType)), property("Identity", identity))
	return frame(flagCommand, body)
}

// unframe parts what a peer received into messages. The last may be cut off.
func unframe(b []byte) (messages [][][]byte, err error) {
	if len(b) < greetingSize {
		return nil, nil
	}
	b = b[greetingSize:]
	var m [][]byte
	for len(b) >= 2 {
		flags, size, head := b[0], uint64(b[1]), 2
		if flags&^(flagMore|flagLong|flagCommand) != 0 || flags&flagCommand != 0 && flags&flagMore != 0 {
			return nil, fmt.Errorf("a frame with the flags %#x", flags)
		}
		if flags&flagLong != 0 {
			if head = 9; len(b) < head {
				break
			}
			size = order.BigEndian.Uint64(b[1:])
		}
		if size > uint64(len(b)-head) {
			break
		}
		body := b[head : head+int(size)]
		b = b[head+int(size):]
		if flags&flagCommand != 0 {
			continue
		}
		m = append(m, body)
		if flags&flagMore == 0 {
			messages = append(messages, m)
			m = nil
		}
	}
	return messages, nil
}
