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
	"fmt"
	"iter"
	"time"
)

// Limits of every engine.
const (
	MaxStream       = 255     // bytes of a stream's name, at least 1
	MaxEvent        = 4 << 20 // bytes of one event
	MaxCommitEvents = 10_000  // events of one commit, and so of one Append
	MaxCommitBytes  = 8 << 20 // bytes of event data of one commit
	MaxGroups       = 1_000   // groups of one Append
	MaxKey          = 64      // bytes of an Append's key
	MaxConsumer     = 255     // bytes of a consumer's name, at least 1
)

// Errors that engines return, wrapped or not; compare with errors.Is.
var (
	// ErrInvalid: the request means nothing: a name is missing, or a second
	// group of a stream has an expectation.
	ErrInvalid = errors.New("invalid")
	// ErrUnknownID: the stream does not hold the event that an id names, or, for
	// a cursor and for what is to be deleted, never did; or a position is beyond
	// the last.
	ErrUnknownID = errors.New("unknown id")
	// ErrBadRange: After is beyond UpTo.
	ErrBadRange = errors.New("range is reversed")
	// ErrTooLarge: the request exceeds a limit of this package.
	ErrTooLarge = errors.New("too large")
	// ErrConflict: an expectation is not met. The error is a *Conflict.
	ErrConflict = errors.New("conflict")
	// ErrKeyReused: another request was stored under this key.
	ErrKeyReused = errors.New("key reused")
	// ErrBehind: the cursor would go back. The error is a *Behind.
	ErrBehind = errors.New("behind the cursor")
	// ErrDamaged: what is stored is not what was written. Nothing after it in
	// the answer can be trusted, and there is nothing after it.
	ErrDamaged = errors.New("damaged")
	// ErrAccepted: an ErrDamaged that is no news: a repair was told to go on without
	// what is missing here.
	ErrAccepted = fmt.Errorf("%w: an accepted loss", ErrDamaged)
	// ErrUnavailable: the engine cannot work now because of what the disk did.
	// The request has had no effect and will have none.
	ErrUnavailable = errors.New("store unavailable")
	// ErrFull: an ErrUnavailable, because the disk has too little room to write.
	// Writing goes on when it has more; reading has not stopped.
	ErrFull = errors.New("disk full")
	// ErrOutcomeUnknown: the request may have taken effect or may yet turn out
	// to have: the engine failed in the middle and cannot find out.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrClosed: Close was called before. The request has had no effect.
	ErrClosed = errors.New("store closed")
)

// A Conflict says which expectation is not met. It is an ErrConflict.
type Conflict struct {
	Group  int    // of the Append, from 0; 0 for a Delete
	Stream []byte // of that group
	Last   uint64 // id of the stream's last event; 0 if it holds none
}

func (c *Conflict) Error() string {
	return fmt.Sprintf("the last event of the stream %+q is %d, which was not expected", c.Stream, c.Last)
}

// Is makes a Conflict an ErrConflict.
func (c *Conflict) Is(err error) bool { return err == ErrConflict }

// A Behind says where the cursor is that would go back. It is an ErrBehind.
type Behind struct{ Cursor uint64 }

func (b *Behind) Error() string { return fmt.Sprintf("the cursor is at %d already", b.Cursor) }

// Is makes a Behind an ErrBehind.
func (b *Behind) Is(err error) bool { return err == ErrBehind }

// A Lost is an ErrDamaged that ends a Read forward, and says where another can go
// on to have what comes after the damage.
type Lost struct {
	After uint64 // of the next Read: an id, or where streams are selected a position
	Err   error
}

func (l *Lost) Error() string { return l.Err.Error() }

// Unwrap makes a Lost an ErrDamaged.
func (l *Lost) Unwrap() error { return l.Err }

// An Event is one event as it is stored.
type Event struct {
	Stream   []byte
	ID       uint64 // in its stream, from 1, without a gap
	Position uint64 // in the whole store, rising, with gaps
	Time     time.Time
	Data     []byte
}

// An Optional is an id or a position, or none, which is the zero value.
type Optional struct {
	N     uint64
	Given bool
}

// Some returns an Optional that is given.
func Some(n uint64) Optional { return Optional{n, true} }

// An Append adds events to the end of streams: all groups or none, in one
// commit, in their order.
type Append struct {
	// Key makes a repetition safe for ever, if it is not empty: of the requests
	// that have the same key and the same stream in their first group, the first
	// that succeeds is stored, and later ones get its result if they are the same,
	// whatever has become of the events, and else ErrKeyReused. It is looked up
	// before the expectations.
	Key    []byte
	Groups []Group // 1 to MaxGroups
}

// A Group is the events that an Append adds to a stream.
type Group struct {
	Stream []byte // 1 to MaxStream bytes
	// Expected is the id of the stream's last event before this request, zero if
	// it has to hold no event; without it the stream may hold anything. Only a
	// stream's first group in a request may have it.
	Expected Optional
	Events   [][]byte // at least one; their number and size within the limits
}

// A Result says what became of an Append. Where Err is nil, the events are
// durable: they survive any crash of the process, the system or its power.
type Result struct {
	IDs []uint64 // of the last event of each group
	Err error
}

// A Replace gives an event other data. Its id, position and time stay.
type Replace struct {
	Stream []byte
	ID     uint64
	Data   []byte
}

// A Delete removes the first events of a stream. Its ids go on after the last
// that was given.
type Delete struct {
	Stream   []byte
	UpTo     Optional // the last to be removed, any id that was ever given; without it all are
	Expected Optional // as in a Group
}

// A Cursor is how far a consumer has come in a stream, or without a stream in
// the whole store.
type Cursor struct {
	Consumer []byte // 1 to MaxConsumer bytes
	Stream   []byte // empty: the whole store
	ID       uint64 // any that was ever given; in the whole store a position, any up to the last; 0 removes the cursor, with Rewind
	Rewind   bool   // it may go back
}

// A Range selects events of one stream, in the order of their ids, or of several
// streams, in the order of their positions.
type Range struct {
	Stream []byte     // one stream; After and UpTo are ids
	Select *Selection // or the streams that it selects; After and UpTo are positions

	After Optional // exclusive; none, like 0, is the beginning
	UpTo  Optional // inclusive; 0 selects nothing

	Since time.Time // events at or after it; zero is no bound. Microseconds count
	Until time.Time // events before it

	// Nearest has After and UpTo compared and not looked up: it is no error that
	// an event is not there, nor that the range is reversed, which selects nothing.
	Nearest bool

	Backward bool // the last event first
	Limit    int  // at most so many events; 0 is no limit
	Bytes    int  // end after the event that reaches this much data; 0 is no limit

	// Progress has Read of a selection yield from time to time an Event that has
	// nothing but a Position, while none is found: everything up to there has been
	// looked at, or with Backward everything after it.
	Progress bool
}

// A Stream is what Streams tells of a stream.
type Stream struct {
	Name []byte
	Last uint64 // id of its last event
}

// Info identifies a store.
type Info struct {
	ID           string // of this store, lower-case hex
	Generation   uint64 // raised by a restore
	Format       int    // version of what is on disk
	LastPosition uint64 // of the last commit
	Erasing      int    // events and ranges of events that were replaced or deleted and may still be in files
}

// A Store is safe for concurrent use. Bytes that are handed to a write belong
// to the store from then on and must not be written again; other calls borrow
// them until they return. Bytes that the store hands out must not be written
// either.
//
// Writes are Append, Replace, Delete and SetCursor. They queue requests, in order,
// and return. done is called once, when all requests of the call are settled: on
// a goroutine of the engine or, where little is asked and nothing waits, on the
// caller's before the write returns. It must not block. Calls of done come in the
// order of the calls of writes, save after Close, and after everything in them
// can be read.
//
// Each request is atomic. Requests take effect in order, each on what those
// before it left; those that wait at the same time share a commit, and with it
// the wait for the disk. The queue has no bound of its own: callers bound what
// they have under way. Await makes a write wait for its end.
//
// An error says whether the request is certainly absent, now and for ever (any
// error but one), or may have taken effect (ErrOutcomeUnknown).
type Store interface {
	// Append queues independent requests; done gets a Result for each. Errors are
	// ErrInvalid, ErrTooLarge, ErrConflict, ErrKeyReused and those of the disk:
	// ErrUnavailable, ErrOutcomeUnknown, ErrDamaged, ErrClosed.
	Append(reqs []Append, done func([]Result))

	// Replace puts other data in the place of an event's. Once done is called,
	// nothing reads the old bytes any more; soon after they are in no file
	// either (see Info.Erasing). Errors are ErrInvalid, ErrTooLarge, ErrUnknownID
	// for an event that the stream does not hold, and those of the disk.
	Replace(r Replace, done func(error))

	// Delete removes events, as Replace does old bytes. Deleting what is not
	// there, or no longer, is no error. Errors are ErrInvalid, ErrUnknownID for
	// an id that was never given, ErrConflict and those of the disk.
	Delete(d Delete, done func(error))

	// SetCursor moves a consumer's cursor. Errors are ErrInvalid, ErrTooLarge,
	// ErrUnknownID, ErrBehind and those of the disk.
	SetCursor(c Cursor, done func(error))

	// Cursor returns a consumer's cursor in a stream, or with an empty stream in
	// the whole store; 0 if there is none.
	Cursor(ctx context.Context, consumer, stream []byte) (uint64, error)

	// Resolve returns the range that selects what r selects at the moment, for
	// good: After and UpTo are given, Since and Until are not, and Nearest is set.
	// It selects nothing where UpTo is not beyond After. Errors are ErrUnknownID
	// for an After or an UpTo that the stream does not hold, or for a position
	// beyond the last, and ErrBadRange; none of these with Nearest. A stream that
	// does not exist is empty; After may also be the id up to which the stream
	// was deleted.
	Resolve(ctx context.Context, r Range) (Range, error)

	// Read yields the events that Resolve of r selects at the call, in order. Of
	// what is replaced or deleted meanwhile it yields what is there when it gets
	// there. Nothing is pinned while the caller handles an event, and memory is
	// bounded whatever the range. An error is the last thing that is yielded;
	// without one the answer is complete. Errors are those of Resolve, ErrDamaged
	// (a *Lost, if it is not Backward, after every event that comes before),
	// ErrUnavailable, ErrClosed and that of ctx.
	Read(ctx context.Context, r Range) iter.Seq2[Event, error]

	// Tail yields every event with a position greater than from, then each new
	// one once it is durable, in the order of their positions, in batches that
	// it must not keep. It ends only with an error, the last thing that is
	// yielded: that of ctx, or ErrClosed after Close, when who kept up has been
	// given everything and who is behind is cut short. A caller that is slow
	// costs no memory: it gets from the disk what it missed.
	Tail(ctx context.Context, from uint64) iter.Seq2[[]Event, error]

	// Streams yields the streams whose names begin with prefix and come after a
	// name, if it is not empty, in byte order. Streams that hold no event are left
	// out. Nothing is pinned while the caller handles one.
	Streams(ctx context.Context, prefix, after []byte) iter.Seq2[Stream, error]

	// Log yields what happened in the store: the commits after a position, up to
	// the last one at the call, in order. With the events that Read yields, that is
	// all of the store. A commit that holds the position itself is yielded too. An
	// error is the last thing that is yielded: ErrDamaged, ErrUnavailable,
	// ErrClosed and that of ctx. What is yielded must not be kept, nor written.
	Log(ctx context.Context, after uint64) iter.Seq2[Entry, error]

	// Identity is what a copy of this store needs to stand for it. Its secret is
	// for nobody who may not read everything.
	Identity() Identity

	// Info says which store this is.
	Info() Info

	// Close finishes what was queued, ends every Tail and releases the store.
	// Later calls return nil; other methods return ErrClosed.
	Close() error
}

// Await calls a write and returns what it hands to done:
//
//	err := store.Await(func(done func(error)) { s.Delete(d, done) })
func Await[T any](write func(done func(T))) T {
	result := make(chan T, 1)
	write(func(r T) { result <- r })
	return <-result
}
