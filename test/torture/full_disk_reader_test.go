//go:build linux

package torture

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// A diskFollower follows everything, and keeps what it saw.
type diskFollower struct {
	*fullDisk
	position atomic.Uint64
	seen     []diskEvent
}

// run follows until the round is over, from where it was.
func (f *diskFollower) run() {
	p := f.connect(zmq.DEALER, f.d.Router)
	defer p.Close()
	q := wire.Query{Match: wire.MatchPrefix, Follow: true}
	if at := f.position.Load(); at > 0 {
		q.After = wire.Bound{ID: at, Given: true}
	}
	p.Request(q)
	for {
		reply, err := f.reply(p)
		if e, ok := reply.(wire.Event); ok {
			err = f.take(e)
		}
		if f.ends("follower", err) {
			return
		}
	}
}

// take takes an event.
func (f *diskFollower) take(e wire.Event) error {
	if at := f.position.Load(); e.ID <= at {
		return fmt.Errorf("%d comes after %d", e.ID, at)
	}
	label, err := diskLabel(e.Data)
	f.seen = append(f.seen, diskEvent{string(e.Meta.Stream), e.Meta.ID, e.Meta.Position, label})
	f.position.Store(e.ID)
	return err
}

// check compares what it saw with the log, but for what may be erased since.
func (f *diskFollower) check(log []diskEvent) error {
	kept := func(all []diskEvent) []diskEvent {
		return slices.DeleteFunc(slices.Clone(all), mayErase)
	}
	want, have := kept(log), kept(f.seen)
	for i := range want {
		if i == len(have) || want[i] != have[i] {
			return fmt.Errorf("the follower saw %d of %d events, and not %+v", i, len(want), want[i])
		}
	}
	if len(have) > len(want) {
		return fmt.Errorf("the follower saw %+v, which is not there", have[len(want)])
	}
	return nil
}

// A diskHeard is what a subscriber heard of one daemon.
type diskHeard struct {
	*fullDisk
	mu      sync.Mutex // protects the field below
	streams map[string][]diskEvent
}

// run hears until the round is over.
func (h *diskHeard) run() {
	p := h.connect(zmq.SUB, h.d.Pub)
	defer p.Close()
	p.SetSubscribe("")
	for {
		frames, err := h.receive(p)
		if err == nil {
			err = h.take(frames)
		}
		if h.ends("subscriber", err) {
			return
		}
	}
}

// take takes a broadcast: the next of its stream, but for what was deleted before it
// was broadcast.
func (h *diskHeard) take(frames [][]byte) error {
	b, ok := wire.ParseBroadcast(frames)
	if !ok {
		return fmt.Errorf("heard %.50q", frames)
	}
	label, err := diskLabel(b.Data)
	h.mu.Lock()
	defer h.mu.Unlock()
	e := diskEvent{stream: string(b.Stream), id: b.ID, label: label}
	heard := h.streams[e.stream]
	if n := len(heard); n > 0 && (e.id <= heard[n-1].id || e.id > heard[n-1].id+1 && !mayErase(e)) {
		return fmt.Errorf("%+v comes after %+v", e, heard[n-1])
	}
	h.streams[e.stream] = append(heard, e)
	return err
}

// has reports whether it has heard everything to the end of the log.
func (h *diskHeard) has(log []diskEvent) bool {
	last := make(map[string]uint64)
	for _, e := range log {
		last[e.stream] = e.id
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for stream, heard := range h.streams {
		if heard[len(heard)-1].id < last[stream] {
			return false
		}
	}
	return len(h.streams) > 0
}

// check compares what it heard with the log, but for what may be erased since.
func (h *diskHeard) check(log []diskEvent) error {
	there := make(map[string][]diskEvent)
	for _, e := range log {
		there[e.stream] = append(there[e.stream], e)
	}
	for stream, heard := range h.streams {
		if mayErase(heard[0]) {
			continue
		}
		for _, e := range heard {
			if e.id > uint64(len(there[stream])) || there[stream][e.id-1].label != e.label {
				return fmt.Errorf("the subscriber heard %+v, which is not there", e)
			}
		}
	}
	return nil
}
