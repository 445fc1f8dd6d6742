package server

import (
	"iter"
	"slices"
	"sync/atomic"

	"gorewind/wire"
)

// Stats counts what a server did, from its start. Each field may be read at any
// time.
type Stats struct {
	Connections    atomic.Int64  // that are there now
	Subscribers    atomic.Int64  // connections of PUB, of those
	Received       atomic.Uint64 // messages of ROUTER
	Published      atomic.Uint64 // events that were acknowledged, also those of APPEND
	PublishedBytes atomic.Uint64 // and their data
	Queries        atomic.Uint64 // that were begun, and other requests whose answer takes time
	QueriesRunning atomic.Int64  // that are there now
	EventsSent     atomic.Uint64 // that answers to queries took from the store, or as they came
	BytesSent      atomic.Uint64 // and their data
	Broadcast      atomic.Uint64 // events that were handed to PUB, also while nobody subscribes
	BroadcastBytes atomic.Uint64 // data of those that somebody subscribed to hear: of others nobody looks at it
	Dropped        atomic.Uint64 // messages without an answer: no envelope that could be answered, or of a connection that was given up
	GivenUp        atomic.Uint64 // connections that did not read their answers
	CutOff         atomic.Uint64 // subscribers that did not read large broadcasts
	Blocked        atomic.Int64  // connections that take no more at the moment
	Stalls         atomic.Uint64 // times that receiving waited for the committer
	Queued         atomic.Int64  // events that the store has yet to commit, as the loop's last turn left them
	QueuedBytes    atomic.Int64  // and their data
	UnsentBytes    atomic.Int64  // of answers that libzmq has yet to take, likewise

	Denied               Commands      // requests that were answered with ERROR DENIED
	Full                 atomic.Uint64 // connections that were one too many
	HandshakesRefused    atomic.Uint64 // of unknown keys, of those who may not have what they connect to, and of Full
	HandshakesBroken     atomic.Uint64 // of who has not this server's key, does not use CURVE, or talks nonsense
	HandshakesUnfinished atomic.Uint64 // that took too long, or whose connection ended

	requests [len(commands)]atomic.Uint64
	errors   [len(codes)]atomic.Uint64
}

// commands are what requests are counted by. The last stands for what is none.
var commands = [...]string{
	wire.PUBLISH, wire.APPEND, wire.QUERY, wire.STREAMS, wire.CANCEL, wire.REPLACE, wire.DELETE,
	wire.COMMIT, wire.CURSOR, wire.WAIT, wire.LOG, wire.INFO, wire.PING, "UNKNOWN",
}

// Where some are among them.
const (
	publishing = 0 // it is found without a look-up
	unknown    = len(commands) - 1
)

// codes are what refusals are counted by. The last stands for any other.
var codes = [...]wire.Code{
	wire.Malformed, wire.UnknownCommand, wire.BadOption, wire.UnknownID, wire.BadRange, wire.TooLarge, wire.Conflict,
	wire.KeyReused, wire.Behind, wire.Busy, wire.ReadOnly, wire.Damaged, wire.Denied, wire.Timeout, wire.Cancelled,
	wire.Stopping, wire.OtherStore, wire.Apart, wire.OutcomeUnknown, wire.Internal,
}

var (
	commandAt = places(commands[:])
	codeAt    = places(codes[:])
)

func places[T ~string](words []T) map[T]int {
	at := make(map[T]int, len(words))
	for i, w := range words {
		at[w] = i
	}
	return at
}

// commandOf returns where the command of a request is in commands.
func commandOf(request [][]byte) int {
	if len(request) == 0 {
		return unknown
	}
	if string(request[0]) == wire.PUBLISH {
		return publishing
	}
	if i, ok := commandAt[string(request[0])]; ok {
		return i
	}
	return unknown
}

// refused counts a request that is answered with ERROR.
func (s *Stats) refused(e *wire.Error) {
	i, ok := codeAt[e.Code]
	if !ok {
		i = len(codes) - 1
	}
	s.errors[i].Add(1)
	if e.Code == wire.Denied {
		s.Denied.add(e)
	}
}

// sent counts events of answers to queries.
func (s *Stats) sent(events, size int) {
	s.EventsSent.Add(uint64(events))
	s.BytesSent.Add(uint64(size))
}

// Requests yields how many requests there were of each command, UNKNOWN among them.
func (s *Stats) Requests() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, command := range commands {
			if !yield(command, s.requests[i].Load()) {
				return
			}
		}
	}
}

// Refused yields how many requests were answered with an ERROR of each code.
func (s *Stats) Refused() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, code := range codes {
			if !yield(string(code), s.errors[i].Load()) {
				return
			}
		}
	}
}

// Commands counts requests by command. Those of keys that are known no more have
// none: nobody looks at what they ask for.
type Commands struct {
	counts [len(guarded) + 1]atomic.Uint64
}

// guarded are the commands that take a right.
var guarded = [...]string{
	wire.PUBLISH, wire.APPEND, wire.QUERY, wire.STREAMS, wire.REPLACE, wire.DELETE, wire.COMMIT, wire.CURSOR, wire.WAIT, wire.LOG,
}

func (c *Commands) add(e *wire.Error) {
	n := len(guarded)
	for _, p := range e.Params {
		if i := slices.Index(guarded[:], p.Value); p.Name == "command" && i >= 0 {
			n = i
		}
	}
	c.counts[n].Add(1)
}

// All yields each command and how many requests there were, and at last the empty
// one.
func (c *Commands) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, command := range append(guarded[:], "") {
			if !yield(command, c.counts[i].Load()) {
				return
			}
		}
	}
}
