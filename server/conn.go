package server

import (
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"gorewind/server/internal/zsock"
)

// Limits of one peer. protocol.md says what happens at each.
const (
	maxUnsentBytes  = 8 << 20 // of large frames, or messages of many, that libzmq holds for a peer; above that, the peer counts as full
	maxUnreadBytes  = 8 << 20 // of answers that wait here for a full peer, events of queries not counted; above that, it is given up
	maxWaiting      = 65_536  // requests that wait behind others of their envelopes; above that, the peer is given up
	maxWaitingBytes = 16 << 20
	maxRunning      = 4096 // tasks at once; more wait
	maxRunningBytes = 16 << 20
	maxReadAhead    = 4 // tasks at once whose chunk is in memory; chunks of live events are limited by their bytes instead
)

// holdAnswers is how many bytes of answers may be unread before the answers of waiting
// requests are held back.
const holdAnswers = 1 << 20

// maxUnreadTotal is how many bytes of answers may wait for all full peers together. A
// peer that would exceed it is given up.
const maxUnreadTotal = 128 << 20

// A conn is one connection of a peer. The loop owns all of it except charged, which
// whoever has a task may change.
type conn struct {
	id      []byte // routing id
	chosen  bool   // the peer chose its id, so it may return with the same id over another connection
	fd      int
	token   uintptr
	pin     zsock.Pin
	user    string        // the peer's public key in Z85; empty without CURVE
	limiter *rate.Limiter // of its requests; nil for no limit
	peer    zsock.Peer
	dead    bool // the connection has ended: answers have no addressee
	muted   bool // it was given up: its requests are dropped until it reconnects

	lanes map[string]*lane // of envelopes that have something to do
	plain lane             // of requests without an envelope

	waiting      int // requests in the queues of its lanes
	waitingBytes int

	out      []byte  // packed answers that libzmq has yet to take
	outAt    int     // where they begin in out
	flushing bool    // it is in loop.flushes
	heldBack bool    // it is in writePriority.held: its chunks wait for writes
	held     []*lane // whose next answers wait until out is small again

	running  int          // tasks that were scheduled and have not ended
	kept     int          // bytes that they keep of their requests
	later    fifo         // tasks that wait to be scheduled
	toRead   fifo         // tasks whose next chunk has to be read
	toSend   fifo         // tasks whose chunk can be sent
	readable bool         // it is in loop.reads
	inHand   int          // chunks that are being read or can be sent
	charged  atomic.Int64 // bytes of these chunks that count in loop.inHand

	full     bool      // it takes no more messages at the moment
	since    time.Time // when it last became full or took some messages
	retryAt  time.Time
	backoff  time.Duration
	heapSlot int // in loop.retries, or -1
}

func newConn(id []byte, from zsock.Origin) *conn {
	c := &conn{
		id: append([]byte(nil), id...), chosen: id[0] != 0, fd: from.FD,
		token: from.Token, pin: from.Pin, user: string(from.User), heapSlot: -1,
	}
	c.plain.conn = c
	c.peer = zsock.NewPeer()
	return c
}

// unread returns how many bytes of answers wait.
func (c *conn) unread() int { return len(c.out) - c.outAt }
