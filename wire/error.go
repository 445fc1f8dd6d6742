package wire

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// A Code classifies an ERROR.
type Code string

// The codes of ERROR. They are part of the protocol: never change or remove one,
// and add new ones before INTERNAL, which stays the last. Clients treat an unknown
// code as INTERNAL. A new code also needs a counter (server/stats.go), a
// description (protocol.md), and an exit status and words for the command line
// (command/explain.go).
const (
	Malformed      Code = "MALFORMED"
	UnknownCommand Code = "UNKNOWN-COMMAND"
	BadOption      Code = "BAD-OPTION"
	UnknownID      Code = "UNKNOWN-ID"
	BadRange       Code = "BAD-RANGE"
	TooLarge       Code = "TOO-LARGE"
	Conflict       Code = "CONFLICT"
	KeyReused      Code = "KEY-REUSED"
	Behind         Code = "BEHIND"
	Busy           Code = "BUSY"
	ReadOnly       Code = "READ-ONLY"
	Damaged        Code = "DAMAGED"
	Denied         Code = "DENIED"
	Timeout        Code = "TIMEOUT"
	Cancelled      Code = "CANCELLED"
	Stopping       Code = "STOPPING"
	OtherStore     Code = "OTHER-STORE"
	Apart          Code = "APART"
	OutcomeUnknown Code = "OUTCOME-UNKNOWN"
	Internal       Code = "INTERNAL"
)

// An Error is an ERROR on the wire, in one frame:
//
//	ERROR CODE name=value* ; what happened; what to do
type Error struct {
	Code   Code
	Params []Param // in order; names are unique
	What   string  // what happened
	Do     string  // what to do about it
}

// A Param is one fact of an error, for programs to read. Bytes such as ids and
// stream names are in lower-case hex.
type Param struct{ Name, Value string }

// Hex returns the Param of a stream, an id or other bytes.
func Hex(name string, value []byte) Param {
	return Param{name, hex.EncodeToString(value)}
}

// Errorf returns an Error; format and args say what happened, do says what to do.
func Errorf(code Code, do, format string, args ...any) *Error {
	return &Error{Code: code, What: fmt.Sprintf(format, args...), Do: do}
}

// With returns e with parameters added at the end.
func (e *Error) With(params ...Param) *Error {
	e.Params = append(e.Params, params...)
	return e
}

// Error returns the text of the frame without its first word.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	for _, p := range e.Params {
		b.WriteByte(' ')
		b.WriteString(p.Name)
		b.WriteByte('=')
		b.WriteString(p.Value)
	}
	b.WriteString(" ; ")
	b.WriteString(e.What)
	b.WriteString("; ")
	b.WriteString(e.Do)
	return b.String()
}

// Frames returns the one frame of the reply.
func (e *Error) Frames() [][]byte {
	return [][]byte{[]byte("ERROR " + e.Error())}
}

// parseError reads the frame of an ERROR without its first word. It keeps a
// malformed frame as the text of an INTERNAL error, because a client must survive a
// newer server.
func parseError(text []byte) *Error {
	head, tail, ok := bytes.Cut(text, []byte(" ; "))
	words := strings.Split(string(head), " ")
	if !ok || words[0] == "" {
		return &Error{Code: Internal, What: string(text)}
	}
	e := &Error{Code: Code(words[0])}
	for _, w := range words[1:] {
		name, value, ok := strings.Cut(w, "=")
		if !ok {
			return &Error{Code: Internal, What: string(text)}
		}
		e.Params = append(e.Params, Param{name, value})
	}
	what, do, ok := strings.Cut(string(tail), "; ")
	if !ok {
		return &Error{Code: Internal, What: string(text)}
	}
	e.What, e.Do = what, do
	return e
}
