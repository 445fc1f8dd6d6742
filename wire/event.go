package wire

import "time"

// Event is one event of the answer to a Query.
type Event struct {
	ID   uint64 // the id, or with Match the position, to continue from
	Data []byte
	Meta *Meta // nil unless asked for
}

// Frames implements Reply.
func (e Event) Frames() [][]byte {
	frames := [][]byte{[]byte(EVENT), ID(e.ID), e.Data}
	if m := e.Meta; m != nil {
		frames = append(frames, m.Stream, ID(m.ID), ID(m.Position), []byte(m.Time.UTC().Format(TimeForm)))
	}
	return frames
}

// Meta is what the store records about an event.
type Meta struct {
	Stream   []byte
	ID       uint64
	Position uint64
	Time     time.Time // UTC, in microseconds
}

func parseEvent(args [][]byte) (Reply, error) {
	id, ok := parseIDFrame(args)
	if !ok || len(args) < 2 {
		return nil, ErrReply
	}
	e := Event{ID: id, Data: args[1]}
	if len(args) < 6 {
		return e, nil
	}
	m := Meta{Stream: args[2]}
	var isID, isPosition bool
	m.ID, isID = ParseID(args[3])
	m.Position, isPosition = ParseID(args[4])
	var isTime bool
	m.Time, isTime = parseTime(args[5])
	if !isID || !isPosition || !isTime {
		return nil, ErrReply
	}
	e.Meta = &m
	return e, nil
}
