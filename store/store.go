// Package store is the contract between an event store's engine and whoever
// uses it, a daemon or an embedding program. Engines stand below it (leveldb);
// each passes the conformance suite in storetest.
//
// A store holds streams. A stream is a sequence of events with the ids 1, 2, 3
// and so on. Each event also has a position: its place in the whole store. A
// number that anyone was shown never names another event, whatever happens.
package store

import (
	"context"
	"errors"
	"iter"
	"time"
)

// Limits of every engine.
const (
	MaxStream       = 255     // octets of a stream's name, at least 1
	MaxEvent        = 4 << 20 // octets of one event
	MaxCommitEvents = 10_000  // events of one commit, and so of one Append
	MaxCommitOctets = 8 << 20 // octets of event data of one commit
)

// Errors that engines return, wrapped or not; compare with errors.Is.
var (
	// ErrUnknownID: a bound of the range names an event that the stream does
	// not hold.
	ErrUnknownID = errors.New("unknown id")
	// ErrBadRange: After is beyond UpTo.
	ErrBadRange = errors.New("range is reversed")
	// ErrTooLarge: the request exceeds a limit of this package.
	ErrTooLarge = errors.New("too large")
	// ErrDamaged: what is stored is not what was written. Nothing after it in
	// the answer can be trusted, and there is nothing after it.
	ErrDamaged = errors.New("damaged")
	// ErrUnavailable: the engine cannot work now because of what the disk did.
	// The request has had no effect and will have none.
	ErrUnavailable = errors.New("store unavailable")
	// ErrOutcomeUnknown: the request may have taken effect or may yet turn out
	// to have: the engine failed in the middle and cannot find out.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrClosed: Close was called before. The request has had no effect.
	ErrClosed = errors.New("store closed")
)

// An Event is one event as it is stored.
type Event struct {
	Stream   []byte
	ID       uint64 // in its stream, from 1, without a gap
	Position uint64 // in the whole store, rising, with gaps
	Time     time.Time
	Data     []byte
}

// An Append adds events to the end of one stream, all or none.
type Append struct {
	Stream []byte   // 1 to MaxStream octets
	Events [][]byte // at least one; their number and size within the limits
}

// A Result says what became of an Append. Where Err is nil, the events are
// durable: they survive any crash of the process, the system or its power.
type Result struct {
	ID  uint64 // of the last event
	Err error
}

// A Range selects events of one stream.
type Range struct {
	Stream []byte
	After  uint64 // exclusive; 0 is the beginning
	UpTo   uint64 // inclusive; 0 is no bound
	Octets int    // end after the event that reaches this much data; 0 is no limit
}

// Info identifies a store.
type Info struct {
	ID           string // of this store, lower-case hex
	Generation   uint64 // raised by a restore
	Format       int    // version of what is on disk
	LastPosition uint64 // of the last commit
}

// A Store is safe for concurrent use. Octets that are handed to Append belong to
// the store from then on and must not be written again; other calls borrow them
// until they return. Octets that the store hands out must not be written either.
type Store interface {
	// Append queues independent requests, in order, and returns. done is called
	// once, when all of them are settled, with a Result for each: on a
	// goroutine of the engine or, where little is asked and nothing waits, on
	// the caller's before Append returns. It must not block. Calls of done come
	// in the order of the calls of Append, save after Close, and after
	// everything in them can be read.
	//
	// Each request is atomic. Requests take effect in order; those that wait at
	// the same time share a commit, and with it the wait for the disk. The
	// queue has no bound of its own: callers bound what they have under way.
	//
	// A Result's error says whether the request is certainly absent, now and
	// for ever (any error but one), or may be there (ErrOutcomeUnknown).
	Append(reqs []Append, done func([]Result))

	// Bounds returns the ids of the first and the last event that r selects
	// now; last is 0 when it selects none. It returns ErrUnknownID for an After
	// or an UpTo that the stream does not hold, and ErrBadRange. A stream that
	// does not exist is empty.
	Bounds(ctx context.Context, r Range) (first, last uint64, err error)

	// Read yields the events of r in order, to the end that the stream had at
	// the call. Nothing is pinned while the caller handles an event, and memory
	// is bounded whatever the range. An error is the last thing that is
	// yielded; without one the answer is complete. Errors are those of Bounds,
	// ErrDamaged, ErrUnavailable, ErrClosed and that of ctx.
	Read(ctx context.Context, r Range) iter.Seq2[Event, error]

	// Tail yields every event with a position greater than from, then each new
	// one once it is durable, in the order of their positions, in batches that
	// it must not keep. It ends only with an error, the last thing that is
	// yielded: that of ctx, or ErrClosed after Close, when who kept up has been
	// given everything and who is behind is cut short. A caller that is slow
	// costs no memory: it gets from the disk what it missed.
	Tail(ctx context.Context, from uint64) iter.Seq2[[]Event, error]

	// Info says which store this is.
	Info() Info

	// Close finishes what was queued, ends every Tail and releases the store.
	// Later calls return nil; other methods return ErrClosed.
	Close() error
}
