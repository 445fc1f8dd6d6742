package torture

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gorewind/client"
	"gorewind/wire"
)

// An operation is a request, when it was under way, and what became of it.
type operation struct {
	request   wire.Request
	call, end time.Duration // since the run began
	after     *operation    // nil, or what was sent before it in its envelope without waiting
	outcome   outcome
	refusal   *wire.Error // also where an earlier try leaves the outcome open

	ids     []uint64        // of PUBLISH and APPEND: as they were answered
	events  []client.Event  // of QUERY, with their tokens as data; of an open one those that came
	streams []client.Stream // of STREAMS
	value   uint64          // of CURSOR and WAIT the cursor, of INFO the position

	// The checker's, of a write:
	first []uint64      // by group, the id of its first event; 0 if unknown
	seen  time.Duration // when the first read ended that saw what it wrote
}

const forever = time.Duration(math.MaxInt64)

func (o *operation) String() string {
	return fmt.Sprintf("[%.300q from %v to %v, outcome %d, %v, ids %d, value %d]", o.request.Frames(), o.call, o.end, o.outcome, o.refusal, o.ids, o.value)
}

// by returns when it had surely taken effect.
func (o *operation) by() time.Duration {
	if o.outcome == acknowledged {
		return min(o.end, o.seen)
	}
	return o.seen
}

// err returns the ERROR that it was answered, if it was.
func (o *operation) err() error {
	if o.refusal == nil {
		return nil
	}
	return o.refusal
}

// follows reports whether it was sent after another in the same envelope.
func (o *operation) follows(other *operation) bool {
	for before := o.after; before != nil; before = before.after {
		if before == other {
			return true
		}
	}
	return false
}

// groups returns what an operation appends.
func (o *operation) groups() []wire.Group {
	switch r := o.request.(type) {
	case wire.Publish:
		return []wire.Group{{Stream: r.Stream, Events: [][]byte{r.Data}}}
	case wire.Append:
		return r.Groups
	}
	return nil
}

// datum returns the data of an event that is named by a token without a colon.
func datum(token string, size int) []byte {
	return fmt.Appendf(nil, "%s.%d:%s", token, size, strings.Repeat("x", size))
}

// tokenOf returns what names an event's data, all of which it looks at.
func tokenOf(data []byte) (string, error) {
	token, rest, _ := strings.Cut(string(data), ":")
	size, _ := strconv.Atoi(token[strings.LastIndexByte(token, '.')+1:])
	if len(rest) != size || strings.Trim(rest, "x") != "" {
		return "", fmt.Errorf("%.100q is not what anybody wrote", data)
	}
	return token, nil
}

// A broadcast is an event that a subscriber heard of.
type broadcast struct {
	client.Event
	heard time.Duration
}

// A trace is what clients asked and were told, and when. As ids and positions tell
// the order of the writes, one pass over them shows whether that order explains
// every answer: a stream is a register of its last id, and the store of its last
// position.
type trace struct {
	kept       string     // the prefix of the streams that nobody erases from
	mu         sync.Mutex // protects operations while it is recorded
	operations []*operation
	broadcasts []broadcast
}

func (h *trace) add(o *operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, o)
}

// An entry is an event that is in the store, or was.
type entry struct {
	*operation // that appended it
	stream     *ledger
	id         uint64
	position   uint64    // 0 if nobody saw it with that
	time       time.Time // zero, too
}

// A ledger is what is known of a stream.
type ledger struct {
	name     string
	events   []*entry // by id, less 1; nil if unknown
	deletes  []*operation
	replaced map[uint64]bool // what nobody saw before that may be there
	adrift   int             // events of open operations that nobody saw
	may      reach           // how far deletes may have come, by when they were called
	must     reach           // how far they have surely come, by when they were answered
	items    []item          // of its last id
}

// lacks reports whether an id may have been used by an unknown event: it
// was erased before anybody saw it.
func (l *ledger) lacks(id uint64) bool {
	return l.adrift > 0 && (l.replaced[id] || l.may.before(forever) >= id)
}

// at returns the event with an id, nil if none is known.
func (l *ledger) at(id uint64) *entry {
	if id == 0 || id > uint64(len(l.events)) {
		return nil
	}
	return l.events[id-1]
}

// mayBeDeleted reports whether a DELETE that was called before a time can have
// met the event.
func (e *entry) mayBeDeleted(end time.Duration) bool { return e.stream.may.before(end) >= e.id }

// A reach is how far deletes have come, by time, and rises with it.
type reach []deletion

type deletion struct {
	at   time.Duration
	upTo uint64
}

// sort makes a reach of deletions in any order.
func (r reach) sort() {
	slices.SortFunc(r, func(a, b deletion) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(r); i++ {
		r[i].upTo = max(r[i].upTo, r[i-1].upTo)
	}
}

// before returns how far they have come before a time.
func (r reach) before(end time.Duration) (upTo uint64) {
	for _, d := range r {
		if d.at >= end {
			break
		}
		upTo = d.upTo
	}
	return upTo
}

// An item is a write or a read of a register whose values only rise.
type item struct {
	at        uint64 // twice the value, and one more for a read
	call, end time.Duration
	operation *operation
}

// readOf returns a read that saw exactly this value.
func readOf(value uint64, o *operation) item { return item{2*value + 1, o.call, o.end, o} }

// atLeast returns a read that shows that this value was there.
func atLeast(value uint64, o *operation, end time.Duration) item { return item{2*value + 1, 0, end, o} }

// linear checks that nothing ended before something began that comes before it.
func linear(items []item) error {
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.at, b.at) })
	var before item // of those that come before, the last to begin
	for rest := items; len(rest) > 0; {
		same := 1
		for same < len(rest) && rest[same].at == rest[0].at {
			same++
		}
		next := before
		for _, i := range rest[:same] {
			if i.end < before.call {
				return fmt.Errorf("not linearizable: %v is at %d/2 and had ended before %v began, at %d/2", i.operation, i.at, before.operation, before.at)
			}
			if i.call > next.call {
				next = i
			}
		}
		before, rest = next, rest[same:]
	}
	return nil
}

// A source is where data is from.
type source struct {
	*operation
	group, index int
}

// A datumRead is a read of an event's data.
type datumRead struct {
	*operation
	token string
}

type cursorName struct{ consumer, stream string }
