package torture

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// A history is what writers were told and what readers saw: which event each id
// names, by stream.
type history struct {
	mu      sync.Mutex
	named   map[string]map[uint64]string
	checked map[string]int // events that check has seen
	rounds  int
}

// name takes note that an id names an event; it must never have named another.
func (h *history) name(t testing.TB, stream string, id uint64, data string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := h.named[stream]
	if ids == nil {
		ids = make(map[uint64]string)
		h.named[stream] = ids
	}
	if was, ok := ids[id]; ok && was != data {
		t.Errorf("%s: id %d named %q and names %q", stream, id, was, data)
	}
	ids[id] = data
}

// TestKill kills the daemon at random moments under four pipelining writers, 50
// times or for as long as TORTURE says, and checks P1, P2 and P3: every
// acknowledged event is there, once, in order, under its id.
func TestKill(t *testing.T) {
	r, seed := storetest.Rand(t)
	length := daemontest.Length(0)
	until := time.Now().Add(length)
	dir := t.TempDir()
	h := &history{named: make(map[string]map[uint64]string), checked: make(map[string]int)}
	t.Logf("SEED=%d", seed)
	for h.rounds < 50 || time.Now().Before(until) {
		d := daemontest.Start(t, "--data-dir", dir)
		h.check(t, d, 1000)
		if t.Failed() {
			t.Fatalf("after %d kills", h.rounds)
		}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() { h.write(t, d, w) })
		}
		<-time.After(time.Duration(r.IntN(150_000)) * time.Microsecond)
		d.Kill()
		wg.Wait()
		h.rounds++
	}
	h.check(t, daemontest.Start(t, "--data-dir", dir), 1<<62)
	total := 0
	for _, ids := range h.named {
		total += len(ids)
	}
	t.Logf("%d kills, %d events", h.rounds, total)
}

// write publishes, with up to 200 requests under way, until the daemon is gone.
func (h *history) write(t *testing.T, d *daemontest.Daemon, w int) {
	p := daemontest.Dial(t, d.Router)
	defer p.Close()
	p.SetRcvtimeo(300 * time.Millisecond)
	streams := []string{"shared", fmt.Sprint("writer ", w)}
	sent := 0
	data := func(n int) string { return fmt.Sprintf("%d.%d.%d", w, h.rounds, n) }
	for answered := 0; ; answered++ {
		for ; sent < answered+200; sent++ {
			p.Request(wire.Publish{Stream: []byte(streams[sent%2]), Data: []byte(data(sent))})
		}
		reply, err := p.Reply()
		if err != nil {
			if zmq.AsErrno(err) != zmq.Errno(11) {
				t.Error(err)
			}
			return
		}
		published, ok := reply.(wire.Published)
		if !ok {
			t.Errorf("%v", reply)
			return
		}
		h.name(t, streams[answered%2], published.ID, data(answered))
	}
}

// check compares what the daemon has with the history, from the event on that is
// overlap before what was checked last time.
func (h *history) check(t *testing.T, d *daemontest.Daemon, overlap int) {
	p := daemontest.Dial(t, d.Router)
	defer p.Close()
	for w := -1; w < 4; w++ {
		stream := "shared"
		if w >= 0 {
			stream = fmt.Sprint("writer ", w)
		}
		after := max(h.checked[stream]-overlap, 0)
		have := p.Events(stream, uint64(after))
		seen := make(map[string]bool)
		last := make(map[string][2]int)
		for i, data := range have {
			h.name(t, stream, uint64(after+i+1), data)
			if seen[data] {
				t.Errorf("%s: %q is there twice", stream, data)
			}
			seen[data] = true
			inOrder(t, stream, data, last)
		}
		h.checked[stream] = after + len(have)
		if known := len(h.named[stream]); known > h.checked[stream] {
			t.Errorf("%s: %d events were acknowledged or seen, %d are there", stream, known, h.checked[stream])
		}
	}
}

// inOrder checks that a writer's events come in the order in which it sent them.
func inOrder(t *testing.T, stream, data string, last map[string][2]int) {
	writer, _, _ := strings.Cut(data, ".")
	var w, round, n int
	if _, err := fmt.Sscanf(data, "%d.%d.%d", &w, &round, &n); err != nil {
		t.Fatal(data, err)
	}
	before := last[writer]
	if round < before[0] || round == before[0] && n <= before[1] && before[1] > 0 {
		t.Errorf("%s: %q comes after %v", stream, data, before)
	}
	last[writer] = [2]int{round, n}
}

// TestManyStreams: a store of a million streams serves within 2 s after kill -9.
func TestManyStreams(t *testing.T) {
	const streams, ahead = 1_000_000, 20_000
	dir := t.TempDir()
	d := daemontest.StartPlain(t, "--data-dir", dir)
	p := daemontest.Dial(t, d.Router)
	frames := [][]byte{[]byte(wire.PUBLISH), nil, []byte("small")}
	sent := 0
	for answered := range streams {
		for ; sent < min(answered+ahead, streams); sent++ {
			frames[1] = fmt.Appendf(nil, "stream %d", sent)
			if _, err := p.SendMessage(frames); err != nil {
				t.Fatal(err)
			}
		}
		reply, err := p.RecvMessageBytes(0)
		if err != nil || string(reply[0]) != wire.PUBLISHED {
			t.Fatalf("%q, %v", reply, err)
		}
	}
	d.Kill()
	began := time.Now()
	d = daemontest.StartPlain(t, "--data-dir", dir)
	p = daemontest.Dial(t, d.Router)
	if have := p.Events("stream 999999", 0); len(have) != 1 {
		t.Errorf("the last stream has %d events", len(have))
	}
	took := time.Since(began)
	if took > 2*time.Second {
		t.Errorf("serving again took %v", took)
	}
	if r := p.Ask(wire.Publish{Stream: []byte("stream 0"), Data: nil}); fmt.Sprint(r) != fmt.Sprint(wire.Published{ID: 2}) {
		t.Errorf("want id 2, have %v", r)
	}
	t.Logf("serving again took %v", took)
}
