package repair

import (
	"fmt"
	"slices"
	"strings"
)

// MaxDamage is the most pieces of damage that a Report lists, unless all are asked
// for.
const MaxDamage = 20

// A Report is what Verify found.
type Report struct {
	Streams uint64 // streams that hold an event
	Events  uint64 // events that are not deleted
	Bytes   uint64 // bytes of their data
	Commits uint64
	Lost    uint64 // events that an earlier repair gave up; they are not damage
	Gone    uint64 // positions whose contents are no longer known

	Damage  []Damage // what is wrong, at most MaxDamage pieces
	Damaged int      // the number of pieces
	Notes   []string // unusual, but harmless

	broken bool // commits are missing
	all    bool // Damage and Notes have no bound
}

// addDamage adds a piece of damage.
func (r *Report) addDamage(d Damage) {
	r.Damaged++
	if r.takes(len(r.Damage)) {
		r.Damage = append(r.Damage, d)
	}
}

// insertDamage adds a piece of damage in front.
func (r *Report) insertDamage(d Damage) {
	r.Damaged++
	r.Damage = slices.Insert(r.Damage, 0, d)
	if last := len(r.Damage) - 1; !r.takes(last) {
		r.Damage = r.Damage[:last]
	}
}

// takes reports whether a list of so many pieces may grow.
func (r *Report) takes(pieces int) bool { return r.all || pieces < MaxDamage }

// A Damage is one thing that is wrong with a store.
type Damage struct {
	Stream      []byte // nil: no single stream, or its name is lost
	First, Last uint64 // ids; 0 if no particular events are damaged
	From, UpTo  uint64 // positions of these events; 0 if no commit names them
	What        string

	number uint64 // of the stream
	differ bool   // some of these events differ from the commits
}

// String describes the damage in one line.
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
