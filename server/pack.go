package server

import (
	"encoding/binary"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

// Messages on their way to a socket are packed into one run of octets, so that
// many of them pass to libzmq in one call. A packed message is the number of
// its frames and then each frame after its length; numbers have 4 octets in the
// machine's order, since C reads them. The routing id is not part of it.

// packFrames appends frames to b.
func packFrames(b []byte, frames ...[]byte) []byte {
	for _, f := range frames {
		b = binary.NativeEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// An envelope is packed once and stands in front of every answer of its lane.
type envelope struct {
	count  int
	packed string
}

// begin appends the head of a message with that many frames after the envelope.
func (e envelope) begin(b []byte, frames int) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(e.count+frames))
	return append(b, e.packed...)
}

// pack appends a message.
func (e envelope) pack(b []byte, frames [][]byte) []byte {
	return packFrames(e.begin(b, len(frames)), frames...)
}

// packID appends a word and an id: most of what is sent begins with them.
func packID(b []byte, word string, id uint64) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(len(word)))
	b = append(b, word...)
	return packNumber(b, id)
}

// packPublished appends wire.Published without allocating.
func (e envelope) packPublished(b []byte, id uint64) []byte {
	return packID(e.begin(b, 2), wire.PUBLISHED, id)
}

// packEvent appends wire.Event without allocating.
func (e envelope) packEvent(b []byte, id uint64, data []byte) []byte {
	return packFrames(packID(e.begin(b, 3), wire.EVENT, id), data)
}

// packMeta appends wire.Event with its Meta, without allocating.
func (e envelope) packMeta(b []byte, resume uint64, ev *store.Event, s *stamp) []byte {
	b = packID(e.begin(b, 7), wire.EVENT, resume)
	b = packFrames(b, ev.Data, ev.Stream)
	b = packNumber(b, ev.ID)
	b = packNumber(b, ev.Position)
	return packFrames(b, s.of(ev.Time))
}

// A stamp is the text of a time. Events of one commit have the same, and so it
// is formatted once for them.
type stamp struct {
	time time.Time
	text []byte
}

func (s *stamp) of(t time.Time) []byte {
	if len(s.text) == 0 || !t.Equal(s.time) {
		s.time = t
		s.text = t.UTC().AppendFormat(s.text[:0], wire.TimeForm)
	}
	return s.text
}

// packStream appends wire.StreamReply without allocating.
func (e envelope) packStream(b []byte, name []byte, last uint64) []byte {
	b = e.begin(b, 3)
	b = binary.NativeEndian.AppendUint32(b, uint32(len(wire.STREAM)))
	b = append(b, wire.STREAM...)
	return packNumber(packFrames(b, name), last)
}

// packNumber appends an id or a position.
func packNumber(b []byte, n uint64) []byte {
	b = binary.NativeEndian.AppendUint32(b, wire.IDSize)
	return binary.BigEndian.AppendUint64(b, n)
}

// packBroadcast appends wire.Broadcast without allocating.
func packBroadcast(b []byte, stream []byte, id uint64, data []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, 3)
	b = packFrames(b, stream)
	b = packNumber(b, id)
	return packFrames(b, data)
}

// unpack returns the first message of b, without its envelope, and the rest.
func (e envelope) unpack(b []byte) (frames [][]byte, rest []byte) {
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
