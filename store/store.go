// Package store is the contract between an event store's engine and its user, a
// daemon or an embedding program. Engines implement it (leveldb), and pass the
// conformance suite in storetest.
//
// A store holds streams. A stream is a sequence of events with the ids 1, 2, 3 and
// so on. Each event also has a position: its place in the whole store. An id or
// position that anyone has seen never names another event.
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
	// ErrInvalid: the request makes no sense: a name is missing, or a second group
	// of a stream has an expectation.
	ErrInvalid = errors.New("invalid")
	// ErrUnknownID: the stream does not hold the event, or, for a cursor and for
	// Delete, never did; or a position is beyond the last.
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
	// ErrDamaged: stored data is not what was written. It ends an answer, and
	// everything before it can be trusted.
	ErrDamaged = errors.New("damaged")
	// ErrAccepted is an ErrDamaged for data whose loss an earlier repair accepted.
	ErrAccepted = fmt.Errorf("%w: an accepted loss", ErrDamaged)
	// ErrUnavailable: the disk keeps the engine from working. The request has had
	// no effect and never will.
	ErrUnavailable = errors.New("store unavailable")
	// ErrFull is an ErrUnavailable: the disk has too little free space to write.
	// Reading goes on, and writing resumes when there is more space.
	ErrFull = errors.New("disk full")
	// ErrOutcomeUnknown: the write may or may not have been applied. The engine
	// failed in the middle and cannot find out.
	ErrOutcomeUnknown = errors.New("outcome unknown")
	// ErrClosed: Close was called. The request has had no effect.
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

// A Behind says where the cursor is that would move back. It is an ErrBehind.
type Behind struct{ Cursor uint64 }

func (b *Behind) Error() string { return fmt.Sprintf("the cursor is at %d already", b.Cursor) }

// Is makes a Behind an ErrBehind.
func (b *Behind) Is(err error) bool { return err == ErrBehind }

// A Lost is an ErrDamaged that ends a forward Read, and says where another Read can
// continue behind the damage.
type Lost struct {
	After uint64 // After of the next Read: an id, or a position if it selects streams
	Err   error
}

func (l *Lost) Error() string { return l.Err.Error() }

// Unwrap makes a Lost an ErrDamaged.
func (l *Lost) Unwrap() error { return l.Err }

// An Event is a stored event.
type Event struct {
	Stream   []byte
	ID       uint64 // in its stream, from 1, without a gap
	Position uint64 // in the whole store, rising, with gaps
	Time     time.Time
	Data     []byte
}

// An Optional is an id or a position, or nothing, which is the zero value.
type Optional struct {
	N     uint64
	Given bool
}

// Some returns an Optional that is given.
func Some(n uint64) Optional { return Optional{n, true} }

// An Append adds events to the ends of streams: all groups or none, in one commit,
// in order.
type Append struct {
	// Key, if not empty, makes the request safe to repeat for ever. Requests with
	// the same key and the same stream in their first group count as repetitions.
	// The first one that succeeds is stored. Later identical ones get its result,
	// whatever has become of the events; later different ones get ErrKeyReused. The
	// key is looked up before the expectations.
	Key    []byte
	Groups []Group // 1 to MaxGroups
}

// A Group is the events that an Append adds to a stream.
type Group struct {
	Stream []byte // 1 to MaxStream bytes
	// Expected is the id of the stream's last event before this request; 0 means
	// that the stream holds no event. If it is not given, the stream may hold
	// anything. Only the first group of a stream may have it.
	Expected Optional
	Events   [][]byte // at least one; see the limits
}

// A Result is the outcome of an Append. If Err is nil, the events are durable: they
// survive any crash of the process, the system or its power.
type Result struct {
	IDs []uint64 // of the last event of each group
	Err error
}

// A Replace gives an event new data. Its id, position and time stay.
type Replace struct {
	Stream []byte
	ID     uint64
	Data   []byte
}

// A Delete removes the first events of a stream. The next event still gets the next
// id.
type Delete struct {
	Stream   []byte
	UpTo     Optional // the last to be removed, any id ever given; not given: all
	Expected Optional // as in a Group
}

// A Cursor is how far a consumer has read in a stream, or without a stream in the
// whole store.
type Cursor struct {
	Consumer []byte // 1 to MaxConsumer bytes
	Stream   []byte // empty: the whole store
	ID       uint64 // any id ever given; in the whole store, any position up to the last; 0 with Rewind removes the cursor
	Rewind   bool   // it may move back
}

// A Range selects events of one stream in the order of ids, or of several streams
// in the order of positions.
type Range struct {
	Stream []byte     // one stream; After and UpTo are ids
	Select *Selection // or several streams; After and UpTo are positions

	After Optional // exclusive; not given, like 0, is the beginning
	UpTo  Optional // inclusive; 0 selects nothing

	Since time.Time // events at or after it, in microseconds; zero is no bound
	Until time.Time // events before it

	// Nearest compares After and UpTo without looking them up: they need not be
	// events of the stream, and a reversed range selects nothing.
	Nearest bool

	Backward bool // the last event first
	Limit    int  // most events; 0 is no limit
	Bytes    int  // end after the event that reaches this much data; 0 is no limit

	// Progress makes Read of a selection yield now and then an Event with nothing
	// but a Position while it finds no event. Everything up to there, or with
	// Backward after it, has been scanned.
	Progress bool
}

// A Stream is one result of Streams.
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
	Erasing      int    // replaced and deleted events, or ranges of them, that may still be in files
}

// A Store is safe for concurrent use. Bytes passed to a write belong to the store
// from then on and must not change; other calls borrow bytes until they return.
// Bytes that the store returns must not be changed either.
//
// The writes are Append, Replace, Delete and SetCursor. They queue requests in
// order, and return. done is called once, when all requests of the call have their
// outcome and everything in them can be read. It is called on a goroutine of the
// engine or, for small requests while nothing waits, on the caller's before the
// write returns. It must not block. done is called in the order of the writes,
// except after Close.
//
// Each request is atomic. Requests take effect in order, each on the state that the
// previous ones left. Requests that wait at the same time share a commit, and so a
// disk sync. The queue is unbounded: callers bound what they have in flight. Await
// makes a write synchronous.
//
// An error says whether the request is certainly not applied, now and for ever (all
// errors but one), or may have been applied (ErrOutcomeUnknown).
type Store interface {
	// Append queues independent requests; done gets a Result for each. Errors are
	// ErrInvalid, ErrTooLarge, ErrConflict, ErrKeyReused and those of the disk:
	// ErrUnavailable, ErrOutcomeUnknown, ErrDamaged, ErrClosed.
	Append(reqs []Append, done func([]Result))

	// Replace replaces the data of an event. After done is called, nothing reads
	// the old data any more; soon after, no file holds it either (see
	// Info.Erasing). Errors are ErrInvalid, ErrTooLarge, ErrUnknownID for an event
	// that the stream does not hold, and those of the disk.
	Replace(r Replace, done func(error))

	// Delete deletes events, and purges them like Replace. Deleting events that do
	// not exist is not an error. Errors are ErrInvalid, ErrUnknownID for an id that
	// was never given, ErrConflict and those of the disk.
	Delete(d Delete, done func(error))

	// SetCursor moves a consumer's cursor. Errors are ErrInvalid, ErrTooLarge,
	// ErrUnknownID, ErrBehind and those of the disk.
	SetCursor(c Cursor, done func(error))

	// Cursor returns a consumer's cursor in a stream, or with an empty stream in
	// the whole store; 0 if there is none.
	Cursor(ctx context.Context, consumer, stream []byte) (uint64, error)

	// Resolve returns a range that always selects what r selects at the moment:
	// After and UpTo are given, Since and Until are not, and Nearest is set. It
	// selects nothing if UpTo is not beyond After. Errors are ErrUnknownID for an
	// After or an UpTo that the stream does not hold, or for a position beyond the
	// last, and ErrBadRange; neither with Nearest. A stream that does not exist is
	// empty. After may also be the id up to which the stream was deleted.
	Resolve(ctx context.Context, r Range) (Range, error)

	// Read yields the events that Resolve of r selects at the call, in order. Of
	// events replaced or deleted meanwhile, it yields what exists when it gets
	// there. It holds no snapshot while the caller handles an event, and its memory
	// is bounded whatever the range. An error is the last thing yielded; without
	// one the answer is complete. Errors are those of Resolve, ErrDamaged (a *Lost
	// unless Backward, after all events before it), ErrUnavailable, ErrClosed and
	// that of ctx.
	Read(ctx context.Context, r Range) iter.Seq2[Event, error]

	// Tail yields every event with a position greater than from, then each new one
	// once it is durable, in the order of positions, in batches that the caller
	// must not keep. It ends only with an error, the last thing yielded: that of
	// ctx, or ErrClosed after Close. By then, callers that kept up have received
	// everything; others are cut short. A slow caller costs no memory: Tail reads
	// what it missed from the disk.
	Tail(ctx context.Context, from uint64) iter.Seq2[[]Event, error]

	// Streams yields the streams whose names begin with prefix and, if after is not
	// empty, come after it, in byte order. It leaves out streams that hold no
	// event. It holds no snapshot while the caller handles a stream.
	Streams(ctx context.Context, prefix, after []byte) iter.Seq2[Stream, error]

	// Log yields the commits after a position, up to the last one at the call, in
	// order. Together with the events that Read yields, that is everything in the
	// store. A commit that holds the position itself is yielded too. An error is
	// the last thing yielded: ErrDamaged, ErrUnavailable, ErrClosed and that of
	// ctx. Entries must be neither kept nor changed.
	Log(ctx context.Context, after uint64) iter.Seq2[Entry, error]

	// Identity returns what a copy of this store needs to take its place. Show its
	// secret only to those who may read everything.
	Identity() Identity

	// Info identifies the store.
	Info() Info

	// Close completes the queued writes, ends every Tail and releases the store.
	// Later calls return nil; other methods return ErrClosed.
	Close() error
}

// Await calls a write and returns the argument of done:
//
//	err := store.Await(func(done func(error)) { s.Delete(d, done) })
func Await[T any](write func(done func(T))) T {
	result := make(chan T, 1)
	write(func(r T) { result <- r })
	return <-result
}
