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
	Queries        atomic.Uint64 // that were begun, and other requests whose answer takes time
	QueriesRunning atomic.Int64  // that are there now
	EventsSent     atomic.Uint64 // that answers to queries took from the store, or as they came
	Broadcast      atomic.Uint64 // events that were handed to PUB
	Refused        atomic.Uint64 // requests that were answered with ERROR
	Dropped        atomic.Uint64 // messages without an answer: no envelope that could be answered, or of a connection that was given up
	GivenUp        atomic.Uint64 // connections that did not read their answers
	CutOff         atomic.Uint64 // subscribers that did not read large broadcasts
	Blocked        atomic.Int64  // connections that take no more at the moment
	Stalls         atomic.Uint64 // times that receiving waited for the committer

	Denied               Commands      // requests that were answered with ERROR DENIED
	Busy                 atomic.Uint64 // and with ERROR BUSY
	Full                 atomic.Uint64 // connections that were one too many
	HandshakesRefused    atomic.Uint64 // of unknown keys, of those who may not have what they connect to, and of Full
	HandshakesBroken     atomic.Uint64 // of who has not this server's key, does not use CURVE, or talks nonsense
	HandshakesUnfinished atomic.Uint64 // that took too long, or whose connection ended
}

// refused counts a request that is answered with ERROR.
func (s *Stats) refused(e *wire.Error) {
	s.Refused.Add(1)
	switch e.Code {
	case wire.Busy:
		s.Busy.Add(1)
	case wire.Denied:
		s.Denied.add(e)
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
