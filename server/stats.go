package server

import (
	"iter"
	"slices"
	"sync/atomic"

	"gorewind/wire"
)

// Stats counts what a server has done since it started. Every field may be read at any
// time.
type Stats struct {
	Connections    atomic.Int64  // now, of both sockets
	Subscribers    atomic.Int64  // now, of PUB only
	Received       atomic.Uint64 // messages that ROUTER received
	Published      atomic.Uint64 // events that were stored and acknowledged, by PUBLISH and APPEND
	PublishedBytes atomic.Uint64 // their data
	Queries        atomic.Uint64 // queries begun, and other requests whose answer takes time
	QueriesRunning atomic.Int64  // of these, running now
	EventsSent     atomic.Uint64 // events put into answers to queries
	BytesSent      atomic.Uint64 // their data
	Broadcast      atomic.Uint64 // events handed to PUB, with or without subscribers
	BroadcastBytes atomic.Uint64 // their data, except while nobody subscribes
	Dropped        atomic.Uint64 // messages without an answer: a bad envelope, or a connection that was given up
	GivenUp        atomic.Uint64 // connections that were given up because they did not read their answers
	CutOff         atomic.Uint64 // subscribers that were cut off because they did not read large broadcasts
	Blocked        atomic.Int64  // connections that take no more messages now
	Stalls         atomic.Uint64 // times that receiving paused because the store was behind
	Queued         atomic.Int64  // events that the store has yet to commit, as of the loop's last turn
	QueuedBytes    atomic.Int64  // their data
	UnsentBytes    atomic.Int64  // of answers that libzmq has yet to take, as of the loop's last turn

	Denied               Commands      // requests answered with ERROR DENIED
	Full                 atomic.Uint64 // connections refused because of MaxConnections
	HandshakesRefused    atomic.Uint64 // unknown key, a subscriber without read on all streams, or MaxConnections
	HandshakesBroken     atomic.Uint64 // wrong server key, no CURVE, or not ZMTP
	HandshakesUnfinished atomic.Uint64 // took too long, or the connection ended

	requests [len(commands)]atomic.Uint64
	errors   [len(codes)]atomic.Uint64
}

// commands are what requests are counted by. The last stands for requests without a
// known command.
var commands = [...]string{
	wire.PUBLISH, wire.APPEND, wire.QUERY, wire.STREAMS, wire.CANCEL, wire.REPLACE, wire.DELETE,
	wire.COMMIT, wire.CURSOR, wire.WAIT, wire.LOG, wire.INFO, wire.PING, "UNKNOWN",
}

// Indexes into commands.
const (
	publishing = 0 // found without a look-up
	unknown    = len(commands) - 1
)

// codes are what refusals are counted by. The last stands for unknown codes too.
var codes = [...]wire.Code{
	wire.Malformed, wire.UnknownCommand, wire.BadOption, wire.UnknownID, wire.BadRange, wire.TooLarge, wire.Conflict,
	wire.KeyReused, wire.Behind, wire.Busy, wire.ReadOnly, wire.Damaged, wire.Denied, wire.Timeout, wire.Cancelled,
	wire.Stopping, wire.OtherStore, wire.Apart, wire.OutcomeUnknown, wire.Internal,
}

var (
	commandAt = places(commands[:])
	codeAt    = places(codes[:])
)

// places maps each word to its index.
func places[T ~string](words []T) map[T]int {
	at := make(map[T]int, len(words))
	for i, w := range words {
		at[w] = i
	}
	return at
}

// commandOf returns the index in commands of a request's command.
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
		s.Denied.count(e)
	}
}

// sent counts events of answers to queries.
func (s *Stats) sent(events, size int) {
	s.EventsSent.Add(uint64(events))
	s.BytesSent.Add(uint64(size))
}

// Requests yields the number of requests for each command, UNKNOWN included.
func (s *Stats) Requests() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, command := range commands {
			if !yield(command, s.requests[i].Load()) {
				return
			}
		}
	}
}

// Refused yields the number of requests that were answered with an ERROR, for each
// code.
func (s *Stats) Refused() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, code := range codes {
			if !yield(string(code), s.errors[i].Load()) {
				return
			}
		}
	}
}

// Commands counts requests by command. Requests of keys that were removed have no
// command: the server does not look at them.
type Commands struct {
	counts [len(guarded) + 1]atomic.Uint64
}

// guarded are the commands that need a right.
var guarded = [...]string{
	wire.PUBLISH, wire.APPEND, wire.QUERY, wire.STREAMS, wire.REPLACE, wire.DELETE, wire.COMMIT, wire.CURSOR, wire.WAIT, wire.LOG,
}

func (c *Commands) count(e *wire.Error) {
	n := len(guarded)
	for _, p := range e.Params {
		if i := slices.Index(guarded[:], p.Value); p.Name == "command" && i >= 0 {
			n = i
		}
	}
	c.counts[n].Add(1)
}

// All yields the number of requests for each command, and last for the empty one.
func (c *Commands) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, command := range append(guarded[:], "") {
			if !yield(command, c.counts[i].Load()) {
				return
			}
		}
	}
}
