package server

import (
	"sync/atomic"
	"time"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
)

// Bounds of one peer. protocol.md tells what happens at each.
const (
	maxUnsentBytes  = 8 << 20 // large frames, or many, that libzmq has of a peer's: more counts as full
	maxUnreadBytes  = 8 << 20 // answers that a full peer may leave here, besides queries' events: past that it is given up
	maxWaiting      = 65_536  // requests that wait behind others of their envelopes: past that it is given up
	maxWaitingBytes = 16 << 20
	maxRunning      = 4096 // tasks at once; further ones wait
	maxRunningBytes = 16 << 20
	maxReadAhead    = 4 // tasks at once whose chunk is in memory; those of live events are counted by their octets
)

// holdAnswers is how much may be left unread before answers of requests that had
// to wait are held back.
const holdAnswers = 1 << 20

// Total bound of what full peers leave here; who would exceed it is given up.
const maxUnreadTotal = 128 << 20

// A conn is one connection of a peer. All of it is owned by the loop, save octets, which
// is counted by whoever has a task.
type conn struct {
	id     []byte // routing id
	chosen bool   // by the peer, so that it may come back over another connection
	fd     int
	token  uintptr
	pin    zsock.Pin
	user   string       // its key in Z85; empty without CURVE
	bucket *auth.Bucket // that its requests take from; nil: without a limit
	peer   zsock.Peer
	dead   bool // it is gone: what is under way has nobody to be answered to
	muted  bool // it was given up: nothing from it takes effect until it reconnects

	lanes map[string]*lane // with an envelope, while they have something to do
	plain lane             // without one

	waiting      int // requests in the lanes' queues
	waitingBytes int

	out      []byte  // packed answers that libzmq has yet to take
	outAt    int     // where they begin
	flushing bool    // it is in the loop's flush list
	heldBack bool    // it is among those whose chunks wait for writes
	held     []*lane // whose next answers wait until out is small again

	running  int          // tasks of this connection that were begun
	kept     int          // octets that they keep of their requests
	later    fifo         // that wait to begin
	toRead   fifo         // that wait for their next chunk to be read
	toSend   fifo         // whose chunk is at hand
	readable bool         // it is in the loop's read list
	inHand   int          // chunks that are being read or at hand
	charged  atomic.Int64 // that count for these in loop.inHand

	full     bool // it takes no more at the moment
	since    time.Time
	retryAt  time.Time
	backoff  time.Duration
	heapSlot int // in the loop's retries, or -1
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

// unread returns the octets of answers that wait.
func (c *conn) unread() int { return len(c.out) - c.outAt }
