package torture

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

// goodClients are well-behaved. The attack must not affect them.
type goodClients struct {
	*hostileRun
	wg      sync.WaitGroup
	resting sync.Once
	writers []*goodClient
	gaps    atomic.Int64 // broadcasts that were missed, which is no fault
	pings   delays
}

// goodClient publishes to a stream of its own, which others read.
type goodClient struct {
	stream                    string
	last, broadcast, followed atomic.Uint64
}

const goodPrefix = "good "

// datum returns the event that has the id.
func (w *goodClient) datum(id uint64) []byte {
	d := fmt.Appendf(nil, "%s/%d/", w.stream, id)
	return append(d, bytes.Repeat([]byte{'.'}, int(id*id%1999))...)
}

// next checks that an event is the one after last.
func (w *goodClient) next(last *atomic.Uint64, id uint64, data []byte) error {
	if want := last.Load() + 1; id != want || !bytes.Equal(data, w.datum(id)) {
		return fmt.Errorf("%s: want event %d, have %d %.60q", w.stream, want, id, data)
	}
	last.Store(id)
	return nil
}

// goodClients starts the good clients; they run until calm.
func (s *hostileRun) goodClients() *goodClients {
	c := &goodClients{hostileRun: s}
	s.t.Cleanup(c.rest)
	for i := range 2 {
		w := &goodClient{stream: fmt.Sprint(goodPrefix, i)}
		c.writers = append(c.writers, w)
		c.client(zmq.DEALER, s.d.Router, func(z *zmq.Socket) error { return c.write(w, z) })
		c.client(zmq.DEALER, s.d.Router, func(z *zmq.Socket) error { return c.follow(w, z) })
	}
	c.client(zmq.SUB, s.d.Pub, c.subscribe)
	c.client(zmq.DEALER, s.d.Router, c.ping)
	for _, w := range c.writers { // all are connected and served
		s.within(20*time.Second, "no good client is served", func() bool { return w.broadcast.Load() > 0 && w.followed.Load() > 0 })
	}
	return c
}

// client runs a good client that waits up to 10 s for an answer.
func (c *goodClients) client(kind zmq.Type, endpoint string, run func(*zmq.Socket) error) {
	c.t.Helper()
	z, err := zmq.NewSocket(kind)
	if err == nil {
		err = errors.Join(z.SetLinger(0), z.SetRcvhwm(0), z.SetSndhwm(0), z.SetRcvtimeo(10*time.Second), z.Connect(endpoint))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.wg.Go(func() {
		defer z.Close()
		if err := run(z); err != nil {
			c.t.Errorf("a good client: %v", err)
		}
	})
}

// rest ends the good clients.
func (c *goodClients) rest() {
	c.resting.Do(func() { close(c.calm) })
	c.wg.Wait()
}

// calmed reports whether the good clients are to end.
func (c *goodClients) calmed() bool {
	select {
	case <-c.calm:
		return true
	default:
		return false
	}
}

// ask sends a request and returns the next answer.
func ask(z *zmq.Socket, r wire.Request) (wire.Reply, error) {
	if _, err := z.SendMessage(r.Frames()); err != nil {
		return nil, err
	}
	return answerOf(z)
}

func answerOf(z *zmq.Socket) (wire.Reply, error) {
	frames, err := z.RecvMessageBytes(0)
	if err != nil {
		return nil, err
	}
	return wire.ParseReply(frames)
}

// write publishes and appends in small windows, and reads back what it wrote.
func (c *goodClients) write(w *goodClient, z *zmq.Socket) error {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for n := 0; !c.calmed(); n++ {
		last := w.last.Load()
		var want []wire.Reply
		for i := range uint64(5) {
			id, data := last+i+1, w.datum(last+i+1)
			var r wire.Request = wire.Publish{Stream: []byte(w.stream), Data: data}
			want = append(want, wire.Published{ID: id})
			if i == 4 {
				expected := wire.Bound{ID: id - 1, Given: true}
				r = wire.Append{Key: wire.ID(id), Groups: []wire.Group{{Stream: []byte(w.stream), Expected: expected, Events: [][]byte{data}}}}
				want[i] = wire.Appended{IDs: []uint64{id}}
			}
			if _, err := z.SendMessage(r.Frames()); err != nil {
				return err
			}
		}
		for _, want := range want {
			if r, err := answerOf(z); err != nil || fmt.Sprint(r) != fmt.Sprint(want) {
				return fmt.Errorf("%s: want %v, have %v, %v", w.stream, want, r, err)
			}
		}
		w.last.Store(last + 5)
		if n%20 == 19 {
			if err := w.readBack(z, w.last.Load()-min(200, w.last.Load())); err != nil {
				return err
			}
		}
		<-pace.C
	}
	return nil
}

// readBack checks the events after an id, to the last.
func (w *goodClient) readBack(z *zmq.Socket, after uint64) error {
	var at atomic.Uint64
	at.Store(after)
	r, err := ask(z, wire.Query{Stream: []byte(w.stream), After: wire.Bound{ID: after, Given: true}})
	for ; err == nil; r, err = answerOf(z) {
		e, ok := r.(wire.Event)
		if !ok {
			break
		}
		if err := w.next(&at, e.ID, e.Data); err != nil {
			return err
		}
	}
	if err != nil || r != any(wire.End{}) || at.Load() != w.last.Load() {
		return fmt.Errorf("%s: want END after %d, have %v after %d, %v", w.stream, w.last.Load(), r, at.Load(), err)
	}
	return nil
}

// follow has each event of a stream once, in order (P8).
func (c *goodClients) follow(w *goodClient, z *zmq.Socket) error {
	follow := wire.Query{Stream: []byte(w.stream), Follow: true}
	if _, err := z.SendMessage(follow.Frames()); err != nil {
		return err
	}
	return c.hear(z, func(frames [][]byte) error {
		r, err := wire.ParseReply(frames)
		if err != nil || r == any(wire.Live{}) {
			return err
		}
		e, ok := r.(wire.Event)
		if !ok {
			return fmt.Errorf("want EVENT, have %v", r)
		}
		return w.next(&w.followed, e.ID, e.Data)
	})
}

// hear receives until it is calm. That what is expected does come, aftermath checks.
func (c *goodClients) hear(z *zmq.Socket, take func(frames [][]byte) error) error {
	err := z.SetRcvtimeo(100 * time.Millisecond)
	for err == nil && !c.calmed() {
		frames, failed := z.RecvMessageBytes(0)
		if zmq.AsErrno(failed) == zmq.Errno(syscall.EAGAIN) {
			continue
		}
		if err = failed; err == nil {
			err = take(frames)
		}
	}
	return err
}

// subscribe has broadcasts of the good clients, each at most once, in order.
func (c *goodClients) subscribe(z *zmq.Socket) error {
	if err := z.SetSubscribe(goodPrefix); err != nil {
		return err
	}
	return c.hear(z, func(frames [][]byte) error {
		b, ok := wire.ParseBroadcast(frames)
		if !ok {
			return fmt.Errorf("want a broadcast, have %.60q", frames)
		}
		i := slices.IndexFunc(c.writers, func(w *goodClient) bool { return w.stream == string(b.Stream) })
		if i < 0 {
			return fmt.Errorf("nobody publishes to %.60q", b.Stream)
		}
		w := c.writers[i]
		last := w.broadcast.Load()
		if b.ID <= last || !bytes.Equal(b.Data, w.datum(b.ID)) {
			return fmt.Errorf("%s: event %d after %d: %.60q", w.stream, b.ID, last, b.Data)
		}
		if last > 0 {
			c.gaps.Add(int64(b.ID - last - 1))
		}
		w.broadcast.Store(b.ID)
		return nil
	})
}

// ping is answered within 10 s, however loud the attackers are.
func (c *goodClients) ping(z *zmq.Socket) error {
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for n := uint64(0); !c.calmed(); n++ {
		began := time.Now()
		r, err := ask(z, wire.Ping{Payload: [][]byte{wire.ID(n)}})
		if pong, ok := r.(wire.Pong); err != nil || !ok || len(pong.Payload) != 1 || !bytes.Equal(pong.Payload[0], wire.ID(n)) {
			return fmt.Errorf("want PONG %d, have %v after %v, %v", n, r, time.Since(began), err)
		}
		c.pings.add(time.Since(began))
		<-pace.C
	}
	return nil
}

// check reads all that the good clients wrote.
func (c *goodClients) check() {
	c.t.Helper()
	z := daemontest.Dial(c.t, c.d.Router)
	for _, w := range c.writers {
		if err := w.readBack(z.Socket, 0); err != nil {
			c.t.Error(err)
		}
	}
}

func (c *goodClients) events() (n uint64) {
	for _, w := range c.writers {
		n += w.last.Load()
	}
	return n
}

// Delays counts durations by powers of two of microseconds.
type delays [40]int

func (h *delays) add(d time.Duration) { h[bits.Len64(uint64(d.Microseconds()))]++ }

func (h *delays) String() string {
	var b strings.Builder
	for i, n := range h {
		if n > 0 {
			fmt.Fprintf(&b, "%d below %v, ", n, time.Duration(1<<i)*time.Microsecond)
		}
	}
	return strings.TrimSuffix(b.String(), ", ")
}
