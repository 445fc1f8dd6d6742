package wire

// Replace asks to replace the data of an event.
type Replace struct {
	Stream []byte // 1 to 255 bytes
	ID     uint64
	Data   []byte
}

// Frames implements Request.
func (r Replace) Frames() [][]byte {
	return [][]byte{[]byte(REPLACE), r.Stream, ID(r.ID), r.Data}
}

func parseReplace(args [][]byte) (Request, *Error) {
	if err := checkCount(REPLACE, "stream, id and data", args, 3); err != nil {
		return nil, err
	}
	if err := checkStream(args[0]); err != nil {
		return nil, err
	}
	id, err := requireID(args[1])
	if err != nil {
		return nil, err
	}
	return Replace{args[0], id, args[2]}, nil
}

// Delete asks to delete the events of a stream up to one.
type Delete struct {
	Stream   []byte // 1 to 255 bytes
	UpTo     Bound  // none: all
	Expected Bound  // as in a Group
}

// Frames implements Request.
func (d Delete) Frames() [][]byte {
	return [][]byte{[]byte(DELETE), d.Stream, d.UpTo.frame(), d.Expected.frame()}
}

func parseDelete(args [][]byte) (Request, *Error) {
	if err := checkCount(DELETE, "stream, upto and expected", args, 3); err != nil {
		return nil, err
	}
	if err := checkStream(args[0]); err != nil {
		return nil, err
	}
	upto, err := parseBound("upto", args[1])
	if err != nil {
		return nil, err
	}
	expected, err := parseBound("expected", args[2])
	if err != nil {
		return nil, err
	}
	return Delete{args[0], upto, expected}, nil
}
