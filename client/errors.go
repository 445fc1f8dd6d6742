package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"gorewind/wire"
)

// ErrClosed is the error of calls to a closed Client.
var ErrClosed = errors.New("the client was closed")

// ErrEndpoint is the error of Dial and Subscribe for an endpoint that libzmq does not accept.
var ErrEndpoint = errors.New("invalid endpoint")

// ErrHost is the error of Dial and Subscribe if the host of an endpoint has no address.
var ErrHost = errors.New("cannot resolve host")

// errLost means that the connection ended before the answer arrived.
var errLost = errors.New("the connection ended before the answer arrived")

// Reasons why Dial got no answer.
var (
	errNobody = errors.New("connection refused or host unreachable")
	errHungUp = errors.New("the server closed the connection: the endpoint may be for something else, such as broadcasts, or the server may be full")
	errSilent = errors.New("connected, but no answer: the server may be full, or not a gorewind server")
)

// An unansweredError says that Dial got no answer.
type unansweredError struct {
	endpoint string
	why      error // why the last connection ended, or nil
	err      error
}

func (e *unansweredError) Error() string {
	why := "timeout"
	if e.why != nil {
		why = e.why.Error()
	}
	return fmt.Sprintf("no answer from %s: %s; check that a server takes requests there", e.endpoint, why)
}

func (e *unansweredError) Unwrap() error { return e.err }

// IsCode reports whether err is an ERROR of the server with a code:
//
//	if client.IsCode(err, wire.UnknownID) { … }
func IsCode(err error, code wire.Code) bool {
	var refused *wire.Error
	return errors.As(err, &refused) && refused.Code == code
}

// A Conflict describes an expectation that was not met.
type Conflict struct {
	Group  int    // number of the group in the Append, from 0; 0 for a Delete
	Stream string // of that group
	Last   uint64 // id of the stream's last event; 0 if it is empty
}

// AsConflict returns the details of an ERROR CONFLICT, and false for other errors.
func AsConflict(err error) (c Conflict, ok bool) {
	facts := factsOf(err, wire.Conflict)
	c.Group, _ = strconv.Atoi(facts["group"])
	stream, _ := hex.DecodeString(facts["stream"])
	c.Stream = string(stream)
	c.Last, ok = parseHexID(facts["last"])
	return c, ok
}

// AsBehind returns the cursor that a Commit would have moved back, and false for errors other
// than BEHIND.
func AsBehind(err error) (cursor uint64, ok bool) {
	return parseHexID(factsOf(err, wire.Behind)["cursor"])
}

// AsDamaged returns the After with which a Query can continue past the damage that ended it with
// DAMAGED, and false for other errors.
func AsDamaged(err error) (after uint64, ok bool) {
	return parseHexID(factsOf(err, wire.Damaged)["after"])
}

// factsOf returns the facts of an ERROR with a code, by name; nil for other errors.
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
	b, _ := hex.DecodeString(s)
	return wire.ParseID(b)
}

// unexpected returns the error for a reply that the protocol does not allow there.
func unexpected(what any) error {
	return fmt.Errorf("%w: %.100v; check that the endpoint is that of a gorewind server", wire.ErrReply, what)
}

// ended reports whether err means that the Client sends nothing more.
func ended(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, ErrHandshake) || IsCode(err, wire.OtherStore)
}

// transient reports whether err comes from a server or a connection that ended, so that
// the same request may succeed over the next connection.
func transient(err error) bool {
	return errors.Is(err, errLost) || IsCode(err, wire.Stopping)
}
