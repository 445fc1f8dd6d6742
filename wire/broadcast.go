package wire

// A Broadcast is the message of PUB for an event.
type Broadcast struct {
	Stream []byte
	ID     uint64
	Data   []byte
}

// Frames returns the message. The stream comes first, so that subscriptions
// filter by its prefix.
func (b Broadcast) Frames() [][]byte { return [][]byte{b.Stream, ID(b.ID), b.Data} }

// ParseBroadcast reads a message of PUB. It reports false for a reserved message,
// whose first frame is empty, and for an unknown one.
func ParseBroadcast(frames [][]byte) (b Broadcast, ok bool) {
	if len(frames) < 3 || len(frames[0]) == 0 {
		return b, false
	}
	id, ok := ParseID(frames[1])
	return Broadcast{frames[0], id, frames[2]}, ok
}
