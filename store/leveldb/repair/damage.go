package repair

import (
	"fmt"
	"slices"
	"strings"
)

// MaxDamage is how many pieces of damage a Report has at most, unless all are asked
// for.
const MaxDamage = 20

// A Report is what Verify found.
type Report struct {
	Streams uint64 // that hold an event
	Events  uint64 // that are not deleted
	Bytes   uint64 // of their data
	Commits uint64
	Lost    uint64 // events that a repair went on without, which are not damage
	Gone    uint64 // positions of which nobody knows any more what was there

	Damage  []Damage // what is wrong, MaxDamage pieces at most
	Damaged int      // how many pieces there are
	Notes   []string // what is unusual and does no harm

	broken bool // commits are missing
	all    bool // Damage and Notes have no bound
}

// add adds damage.
func (r *Report) add(d Damage) {
	r.Damaged++
	if r.takes(len(r.Damage)) {
		r.Damage = append(r.Damage, d)
	}
}

// begin adds damage before all other.
func (r *Report) begin(d Damage) {
	r.Damaged++
	r.Damage = slices.Insert(r.Damage, 0, d)
	if last := len(r.Damage) - 1; !r.takes(last) {
		r.Damage = r.Damage[:last]
	}
}

// takes tells whether there may be one more beside so many pieces.
func (r *Report) takes(pieces int) bool { return r.all || pieces < MaxDamage }

// A Damage is something that is wrong with a store.
type Damage struct {
	Stream      []byte // nil: it is not that of one stream, or the stream's name is lost
	First, Last uint64 // ids; 0 where it is not that of some events
	From, UpTo  uint64 // positions of these; 0 where no commit tells
	What        string

	number uint64 // of the stream
	differ bool   // some of these events differ from what the commits say
}

// String tells it in one line.
func (d Damage) String() string {
	var b strings.Builder
	switch {
	case d.Stream != nil:
		fmt.Fprintf(&b, "stream %+q", d.Stream)
	case d.number > 0:
		fmt.Fprintf(&b, "stream number %d", d.number)
	}
	span := func(one, many string, from, upTo uint64) {
		switch {
		case from == 0:
			return
		case b.Len() > 0:
			b.WriteString(", ")
		}
		if from == upTo {
			fmt.Fprintf(&b, "%s %d", one, from)
		} else {
			fmt.Fprintf(&b, "%s %d to %d", many, from, upTo)
		}
	}
	span("event", "events", d.First, d.Last)
	span("position", "positions", d.From, d.UpTo)
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	b.WriteString(d.What)
	return b.String()
}
