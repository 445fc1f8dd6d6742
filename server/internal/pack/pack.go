// Package pack encodes answers and broadcasts in the form in which the broker hands
// them to libzmq.
//
// Messages are packed into one run of bytes, so that one call hands many of them to
// libzmq. A packed message is the number of its frames, then each frame after its
// length. Numbers have 4 bytes in the machine's order, since C reads them. The routing
// id is not part of it.
//
// It builds on wire and on store's types, and knows no sockets.
package pack

import (
	"encoding/binary"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

// Frames appends frames to b, each after its length.
func Frames(b []byte, frames ...[]byte) []byte {
	for _, f := range frames {
		b = binary.NativeEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// An Envelope is packed once and precedes every answer to its requests. The zero value
// is the empty envelope.
type Envelope struct {
	count  int
	packed string
}

// NewEnvelope returns an envelope of count frames, packed by Frames.
func NewEnvelope(count int, packed string) Envelope { return Envelope{count, packed} }

// begin appends the head of a message with so many frames after the envelope.
func (e Envelope) begin(b []byte, frames int) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(e.count+frames))
	return append(b, e.packed...)
}

// Pack appends a message with the given frames after the envelope.
func (e Envelope) Pack(b []byte, frames [][]byte) []byte {
	return Frames(e.begin(b, len(frames)), frames...)
}

// wordAndID appends a word and an id. Most messages begin with them.
func wordAndID(b []byte, word string, id uint64) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(len(word)))
	b = append(b, word...)
	return number(b, id)
}

// Published appends a wire.Published without allocating.
func (e Envelope) Published(b []byte, id uint64) []byte {
	return wordAndID(e.begin(b, 2), wire.PUBLISHED, id)
}

// Event appends a wire.Event without allocating.
func (e Envelope) Event(b []byte, id uint64, data []byte) []byte {
	return Frames(wordAndID(e.begin(b, 3), wire.EVENT, id), data)
}

// Meta appends a wire.Event with its Meta without allocating.
func (e Envelope) Meta(b []byte, resume uint64, ev *store.Event, s *Stamp) []byte {
	b = wordAndID(e.begin(b, 7), wire.EVENT, resume)
	b = Frames(b, ev.Data, ev.Stream)
	b = number(b, ev.ID)
	b = number(b, ev.Position)
	return Frames(b, s.of(ev.Time))
}

// A Stamp formats times. It keeps the last text, because the events of a commit have
// the same time.
type Stamp struct {
	time time.Time
	text []byte
}

func (s *Stamp) of(t time.Time) []byte {
	if len(s.text) == 0 || !t.Equal(s.time) {
		s.time = t
		s.text = t.UTC().AppendFormat(s.text[:0], wire.TimeForm)
	}
	return s.text
}

// Stream appends a wire.StreamReply without allocating.
func (e Envelope) Stream(b []byte, name []byte, last uint64) []byte {
	b = e.begin(b, 3)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(wire.STREAM)))
	b = append(b, wire.STREAM...)
	return number(Frames(b, name), last)
}

// number appends an id or a position.
func number(b []byte, n uint64) []byte {
	b = binary.NativeEndian.AppendUint32(b, wire.IDSize)
	return binary.BigEndian.AppendUint64(b, n)
}

// Broadcast appends a wire.Broadcast without allocating.
func Broadcast(b []byte, stream []byte, id uint64, data []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, 3)
	b = Frames(b, stream)
	b = number(b, id)
	return Frames(b, data)
}

// Unpack returns the first message of b, without its envelope, and the rest.
func (e Envelope) Unpack(b []byte) (frames [][]byte, rest []byte) {
	n := int(binary.NativeEndian.Uint32(b))
	b = b[4:]
	for i := range n {
		size := binary.NativeEndian.Uint32(b)
		if i >= e.count {
			frames = append(frames, b[4:4+size])
		}
		b = b[4+size:]
	}
	return frames, b
}
