package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"gorewind/wire"
)

// ErrClosed is returned by calls of a Client that was closed.
var ErrClosed = errors.New("the client was closed")

// ErrEndpoint is returned by Dial and Subscribe for what libzmq cannot connect to.
var ErrEndpoint = errors.New("no endpoint")

// ErrHost is returned by Dial and Subscribe if the host of an endpoint has no address.
var ErrHost = errors.New("cannot resolve host")

// errLost: the connection ended before the answer came.
var errLost = errors.New("the connection ended before the answer came")

// Why a Dial has not been answered.
var (
	errNobody = errors.New("nobody takes connections there")
	errHungUp = errors.New("it ended the connection: it may have this endpoint for something else, such as broadcasts, or be full")
	errSilent = errors.New("it took the connection and said nothing: it may be full, or be no gorewind server")
)

// An unansweredError: nobody answered a Dial.
type unansweredError struct {
	endpoint string
	why      error // the last connection ended, or nil
	err      error
}

func (e *unansweredError) Error() string {
	why := "nothing was heard"
	if e.why != nil {
		why = e.why.Error()
	}
	return fmt.Sprintf("no answer from %s: %s; see whether a server takes requests there", e.endpoint, why)
}

func (e *unansweredError) Unwrap() error { return e.err }

// IsCode reports whether err is an ERROR of the server with a code:
//
//	if client.IsCode(err, wire.UnknownID) { … }
func IsCode(err error, code wire.Code) bool {
	var refused *wire.Error
	return errors.As(err, &refused) && refused.Code == code
}

// A Conflict is what the server says when an expectation is not met.
type Conflict struct {
	Group  int    // of the Append, from 0; 0 for a Delete
	Stream string // of that group
	Last   uint64 // id of the stream's last event; 0 if it holds none
}

// AsConflict returns what an ERROR CONFLICT says, and false for other errors.
func AsConflict(err error) (c Conflict, ok bool) {
	facts := factsOf(err, wire.Conflict)
	c.Group, _ = strconv.Atoi(facts["group"])
	stream, _ := hex.DecodeString(facts["stream"])
	c.Stream = string(stream)
	c.Last, ok = parseHexID(facts["last"])
	return c, ok
}

// AsBehind returns where the cursor is that a Commit would have moved back, and
// false for errors other than BEHIND.
func AsBehind(err error) (cursor uint64, ok bool) {
	return parseHexID(factsOf(err, wire.Behind)["cursor"])
}

// AsDamaged returns after what a Query can go on behind the damage that has ended
// it with DAMAGED, and false for other errors.
func AsDamaged(err error) (after uint64, ok bool) {
	return parseHexID(factsOf(err, wire.Damaged)["after"])
}

// factsOf returns what an ERROR says for programs to read, if it has that code.
func factsOf(err error, code wire.Code) map[string]string {
	var refused *wire.Error
	if !errors.As(err, &refused) || refused.Code != code {
		return nil
	}
	facts := make(map[string]string)
	for _, p := range refused.Params {
		facts[p.Name] = p.Value
	}
	return facts
}

func parseHexID(s string) (uint64, bool) {
	octets, _ := hex.DecodeString(s)
	return wire.ParseID(octets)
}

// unexpected returns the error for a reply that the protocol does not allow there.
func unexpected(what any) error {
	return fmt.Errorf("%w: %.100v; see whether the endpoint is that of a gorewind server", wire.ErrReply, what)
}

// ended reports whether an error says that the Client sends nothing any more.
func ended(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, ErrHandshake) || IsCode(err, wire.OtherStore)
}

// transient reports whether err comes from a server or a connection that ended, so that
// the same request may succeed over the next connection.
func transient(err error) bool {
	return errors.Is(err, errLost) || IsCode(err, wire.Stopping)
}
