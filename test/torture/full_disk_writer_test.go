//go:build linux

package torture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

// A diskEvent is an event of the log, with a label that no other has in place of
// its data.
type diskEvent struct {
	stream       string
	id, position uint64
	label        string
}

// mayErase reports whether an event is of a stream that is changed.
func mayErase(e diskEvent) bool { return strings.HasPrefix(e.stream, erasedPrefix) }

// read returns everything that there is.
func (f *fullDisk) read(p *daemontest.Peer) (log []diskEvent) {
	p.Request(wire.Query{Match: wire.MatchPrefix})
	for {
		reply, err := p.Reply()
		if err != nil {
			f.t.Fatal(err)
		}
		e, ok := reply.(wire.Event)
		if !ok {
			if _, ended := reply.(wire.End); !ended {
				f.t.Fatal(reply)
			}
			return log
		}
		label, err := diskLabel(e.Data)
		if err != nil {
			f.t.Fatal(err)
		}
		log = append(log, diskEvent{string(e.Meta.Stream), e.Meta.ID, e.Meta.Position, label})
	}
}

const diskEventMost = 24 << 10

var diskFill = bytes.Repeat([]byte("x"), diskEventMost)

// diskData returns data that has a label and is large enough to fill disks.
func diskData(label string, size int) []byte {
	return append(fmt.Appendf(nil, "%s %d ", label, size), diskFill[:size]...)
}

// diskLabel returns the label of what diskData made.
func diskLabel(data []byte) (label string, err error) {
	var size int
	if _, err := fmt.Sscanf(string(data[:min(len(data), 50)]), "%s %d ", &label, &size); err != nil || size > diskEventMost || !bytes.Equal(data, diskData(label, size)) {
		return "", fmt.Errorf("%.50q, of %d bytes, was never written", data, len(data))
	}
	return label, nil
}

// diskStream returns one of the streams whose events stay as they are.
func diskStream(r *rand.Rand) string { return fmt.Sprint("kept ", r.IntN(diskKept)) }

// A ballast is a file that takes up space on the disk.
type ballast struct{ path string }

// fill makes the file take all space but left at once, or to the last block if none is
// to be left.
func (h *ballast) fill(t testing.TB, left int64) {
	file, err := os.OpenFile(h.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var disk syscall.Statfs_t
	if err := syscall.Fstatfs(int(file.Fd()), &disk); err != nil {
		t.Fatal(err)
	}
	const little = 1 << 20 // others may take some meanwhile
	if most := int64(disk.Bavail)*disk.Bsize - max(left, little); most > 0 {
		at, _ := file.Seek(0, io.SeekEnd)
		if err := syscall.Fallocate(int(file.Fd()), 0, at, most); err != nil && err != syscall.ENOSPC {
			t.Fatal(err)
		}
	}
	for left == 0 {
		if _, err := file.Write(make([]byte, 1<<10)); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A diskWriter writes, and keeps what became of it.
type diskWriter struct {
	*fullDisk
	number   int
	r        *rand.Rand
	writes   []*diskWrite
	inFlight []*diskWrite

	erased  string // the stream that it changes
	last    uint64 // acknowledged event of that
	deleted uint64 // up to where it was asked to delete that

	acknowledgedWrites, refusedWrites, unknownWrites atomic.Int64
}

func (w *diskWriter) acknowledgedSoFar() int64 { return w.acknowledgedWrites.Load() }
func (w *diskWriter) refusedSoFar() int64      { return w.refusedWrites.Load() }

// A diskWrite is one request of a diskWriter.
type diskWrite struct {
	request wire.Request // until it is known what became of it
	outcome outcome
	events  []written // of REPLACE too
	upTo    uint64    // of DELETE, else 0
}

// run writes, with several requests under way, until the round is over.
func (w *diskWriter) run() {
	p := w.connect(zmq.DEALER, w.d.Router)
	defer p.Close()
	for w.inFlight = nil; !w.over.Load(); {
		for len(w.inFlight) < diskWrites && !w.calm.Load() {
			write := w.next()
			w.writes, w.inFlight = append(w.writes, write), append(w.inFlight, write)
			p.Request(write.request)
		}
		if len(w.inFlight) == 0 {
			return
		}
		reply, err := w.reply(p)
		if reply != nil {
			err = w.record(w.inFlight[0], reply)
			w.inFlight = w.inFlight[1:]
		}
		if w.ends(fmt.Sprint("writer ", w.number), err) {
			return
		}
	}
}

// next returns a write.
func (w *diskWriter) next() *diskWrite {
	write := new(diskWrite)
	data := func(stream string) []byte {
		label := fmt.Sprintf("%d.%d.%d", w.number, len(w.writes), len(write.events))
		write.events = append(write.events, written{stream: stream})
		return diskData(label, w.r.IntN(diskEventMost))
	}
	publish := func(stream string) wire.Request {
		return wire.Publish{Stream: []byte(stream), Data: data(stream)}
	}
	switch n := w.r.IntN(20); {
	case n < 8:
		write.request = publish(diskStream(w.r))
	case n < 14:
		a := wire.Append{Key: fmt.Append(nil, w.number, ".", len(w.writes))}
		for range 1 + w.r.IntN(2) {
			g := wire.Group{Stream: []byte(diskStream(w.r))}
			for range 1 + w.r.IntN(3) {
				g.Events = append(g.Events, data(string(g.Stream)))
			}
			a.Groups = append(a.Groups, g)
		}
		write.request = a
	case n < 17 || w.last < w.deleted+10:
		write.request = publish(w.erased)
	case n < 19:
		id := w.deleted + 1 + w.r.Uint64N(w.last-w.deleted)
		write.request = wire.Replace{Stream: []byte(w.erased), ID: id, Data: data(w.erased)}
		write.events[0].id = id
	default:
		w.deleted += 1 + w.r.Uint64N(5)
		write.upTo = w.deleted
		write.request = wire.Delete{Stream: []byte(w.erased), UpTo: wire.Bound{ID: w.deleted, Given: true}}
	}
	return write
}

// record takes note of an answer.
func (w *diskWriter) record(write *diskWrite, reply wire.Reply) error {
	if refusal, ok := reply.(*wire.Error); ok {
		return w.refuse(write, refusal)
	}
	ids, err := resultOf(write.request, reply)
	if err != nil {
		return err
	}
	switch r := write.request.(type) {
	case wire.Publish:
		write.events[0].id = ids[0]
	case wire.Append:
		events := write.events
		for i, g := range r.Groups {
			for k := range g.Events {
				events[k].id = ids[i] - uint64(len(g.Events)-1-k)
			}
			events = events[len(g.Events):]
		}
	}
	for _, e := range write.events {
		w.fullDisk.acknowledged(e.stream, e.id)
		if e.stream == w.erased {
			w.last = max(w.last, e.id)
		}
	}
	write.outcome, write.request = acknowledged, nil
	w.acknowledgedWrites.Add(1)
	return nil
}

// refuse takes note of a refusal, which must have a good reason.
func (w *diskWriter) refuse(write *diskWrite, refusal *wire.Error) error {
	if refusal.Code == wire.Stopping && w.over.Load() {
		write.outcome, write.request = refused, nil
		return nil
	}
	switch refusal.Code {
	case wire.ReadOnly:
		if !saysFull.MatchString(refusal.Error()) {
			return fmt.Errorf("refused without a word about space: %w", refusal)
		}
		write.outcome, write.request = refused, nil
		w.refusedWrites.Add(1)
		<-time.After(time.Millisecond) // it would refuse very many
		return nil
	case wire.OutcomeUnknown:
		w.unknownWrites.Add(1)
		return nil
	}
	return refusal
}

// sendAgain sends the writes whose outcome is unknown again, if they have a key.
func (w *diskWriter) sendAgain(p *daemontest.Peer) {
	for n, write := range w.writes {
		if a, ok := write.request.(wire.Append); ok {
			if err := w.record(write, p.Ask(a)); err != nil {
				w.t.Errorf("writer %d: request %d, again: %v", w.number, n, err)
			}
		}
	}
}

func (f *fullDisk) counts() (c diskCounts) {
	for _, w := range f.writers {
		c.add(diskCounts{w.acknowledgedWrites.Load(), w.refusedWrites.Load(), w.unknownWrites.Load(), 0})
	}
	c.queries = f.queries.Load()
	return c
}

// check compares the log with what the writers were told.
func (f *fullDisk) check(log []diskEvent) error {
	first, last, position := make(map[string]uint64), make(map[string]uint64), uint64(0)
	for _, e := range log {
		if first[e.stream] == 0 {
			first[e.stream], last[e.stream] = e.id, e.id-1
		}
		if last[e.stream]++; e.id != last[e.stream] || e.position <= position {
			return fmt.Errorf("%+v comes after %d, position %d", e, last[e.stream]-1, position)
		}
		position = e.position
		if err := f.find(e); err != nil {
			return err
		}
	}
	for n := range diskKept {
		if stream := fmt.Sprint("kept ", n); first[stream] > 1 {
			return fmt.Errorf("%q begins with %d", stream, first[stream])
		}
	}
	for _, w := range f.writers {
		if err := w.checkKept(); err != nil {
			return err
		}
		if err := w.checkErased(log); err != nil {
			return err
		}
	}
	return nil
}

// find takes note that an event is there, and checks that it may be.
func (f *fullDisk) find(e diskEvent) error {
	var w, n, i int
	if _, err := fmt.Sscanf(e.label, "%d.%d.%d", &w, &n, &i); err != nil {
		return fmt.Errorf("%+v: %w", e, err)
	}
	write := f.writers[w].writes[n]
	event := &write.events[i]
	if event.found || event.stream != e.stream || write.outcome == refused || event.id != 0 && event.id != e.id {
		return fmt.Errorf("%+v: of outcome %d, %+v", e, write.outcome, event)
	}
	event.found = true
	return nil
}

// checkKept checks that every request is there as a whole if it is there, and that
// it is if it was acknowledged.
func (w *diskWriter) checkKept() error {
	for n, write := range w.writes {
		found := 0
		for _, event := range write.events {
			if event.found || event.stream == w.erased {
				found++
			}
		}
		if found < len(write.events) && (found > 0 || write.outcome == acknowledged) {
			return fmt.Errorf("request %d of writer %d, outcome %d, %d of its events are there: %+v", n, w.number, write.outcome, found, write.events)
		}
	}
	return nil
}

// checkErased checks that its own stream is as it was told to be.
func (w *diskWriter) checkErased(log []diskEvent) error {
	may := make(map[uint64][]string) // labels, by id
	deleted := []uint64{0}           // up to one of these
	for n, write := range w.writes {
		switch label := fmt.Sprintf("%d.%d.0", w.number, n); {
		case write.outcome == refused:
		case write.upTo > 0 && write.outcome == acknowledged:
			deleted = []uint64{write.upTo}
		case write.upTo > 0:
			deleted = append(deleted, write.upTo)
		case write.events[0].stream != w.erased || write.events[0].id == 0: // an event under no known id is another's business
		case write.outcome == acknowledged:
			may[write.events[0].id] = []string{label}
		default:
			may[write.events[0].id] = append(may[write.events[0].id], label)
		}
	}
	last, begun := uint64(0), false
	for _, e := range log {
		if e.stream != w.erased {
			continue
		}
		if !begun && !slices.Contains(deleted, e.id-1) {
			return fmt.Errorf("%q was deleted up to one of %d and begins with %d", w.erased, deleted, e.id)
		}
		if labels := may[e.id]; labels != nil && !slices.Contains(labels, e.label) {
			return fmt.Errorf("want one of %q, have %+v", labels, e)
		}
		last, begun = e.id, true
	}
	if last < w.last {
		return fmt.Errorf("%d of %q was acknowledged, %d is the last", w.last, w.erased, last)
	}
	return nil
}
