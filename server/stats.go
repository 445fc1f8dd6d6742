package server

import "sync/atomic"

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
}
