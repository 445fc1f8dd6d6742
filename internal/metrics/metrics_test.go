package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"gorewind/server"
	"gorewind/store"
	"gorewind/store/leveldb"
)

// A fake is a broker and a store with the given state.
type fake struct {
	dead      bool
	stats     leveldb.Stats
	consumers []leveldb.Consumer
	more      bool
	err       error
}

func (f *fake) Alive(ctx context.Context) error {
	if f.dead {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (f *fake) Followers(uint64) server.Followers {
	return server.Followers{Count: 3, Events: 5, Positions: 7}
}

func (f *fake) Info() store.Info { return store.Info{ID: "aa", Generation: 1, LastPosition: 9} }

func (f *fake) Stats() leveldb.Stats { return f.stats }

func (f *fake) Writing() time.Duration { return f.stats.Writing }

func (f *fake) Consumers(context.Context, int) ([]leveldb.Consumer, bool, error) {
	return f.consumers, f.more, f.err
}

func (f *fake) daemon() Daemon { return Daemon{Broker: f, Stats: new(server.Stats), Store: f} }

func listen(t *testing.T, o Options) *Server {
	t.Helper()
	o.Addr, o.Version = "127.0.0.1:0", "test"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get requests a path.
func get(t *testing.T, s *Server, path string) (status int, body string) {
	t.Helper()
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + s.Addr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

func TestHealth(t *testing.T) {
	full := leveldb.Stats{Refusal: "disk full: 3 MiB are free"}
	hung := leveldb.Stats{Writing: hungAfter}
	for name, c := range map[string]struct {
		watch      *fake
		stopping   bool
		live, open bool
		says       string
	}{
		"before there is a store": {live: true, says: "starting"},
		"serving":                 {watch: &fake{}, live: true, open: true, says: "ready"},
		"a full disk":             {watch: &fake{stats: full}, live: true, says: "3 MiB"},
		"a hung disk":             {watch: &fake{stats: hung}, live: true, says: "10s"},
		"a loop that hangs":       {watch: &fake{dead: true}, says: "loop"},
		"a loop that commits":     {watch: &fake{dead: true, stats: leveldb.Stats{Writing: 1}}, live: true, says: "loop"},
		"stopping":                {watch: &fake{dead: true}, stopping: true, live: true, says: "stopping"},
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, Options{})
			if c.watch != nil {
				s.Watch(c.watch.daemon())
			}
			if c.stopping {
				s.Stopping()
			}
			if status, body := get(t, s, "/healthz"); (status == 200) != c.live {
				t.Errorf("healthz: %d %q", status, body)
			}
			status, body := get(t, s, "/readyz")
			if (status == 200) != c.open || !c.open && status != 503 || !strings.Contains(body, c.says) {
				t.Errorf("readyz: want %v and %q, have %d %q", c.open, c.says, status, body)
			}
		})
	}
}

// TestMetricsAreSound runs Prometheus' linter on names, kinds and helps. No series may
// occur twice, whatever consumers are called.
func TestMetricsAreSound(t *testing.T) {
	f := &fake{stats: leveldb.Stats{Free: 1, LevelDB: &leveldb.LevelDBStats{Levels: make([]leveldb.Level, 2), Compactions: map[string]uint64{"memory": 1}}}}
	for _, name := range []string{"plain", "\xff", `\xff`, "\"", "a\nb", "€", "\u202e", "\xe2\x82"} {
		f.consumers = append(f.consumers, leveldb.Consumer{Name: []byte(name), Streams: 1, Store: true})
	}
	s := listen(t, Options{})
	s.Watch(f.daemon())
	r := s.registry(Options{Version: "test", Log: s.log})
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "gorewind_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, m := range []string{"gorewind_consumer_lag_events", "gorewind_consumer_lag_positions"} {
		if have, err := testutil.GatherAndCount(r, m); err != nil || have != len(f.consumers) {
			t.Errorf("%s: want %d series, have %d, %v", m, len(f.consumers), have, err)
		}
	}
}

// TestConsumersAreBounded: the consumers that are farthest behind have series, and the
// others are counted.
func TestConsumersAreBounded(t *testing.T) {
	f := &fake{more: true}
	for i := range uint64(3 * maxConsumers) {
		f.consumers = append(f.consumers, leveldb.Consumer{Name: fmt.Append(nil, "c", i), Streams: 1, Events: i})
	}
	s := listen(t, Options{})
	s.Watch(f.daemon())
	_, body := get(t, s, "/metrics")
	if have := strings.Count(body, "\ngorewind_consumer_lag_events{"); have != maxConsumers {
		t.Errorf("want %d series, have %d", maxConsumers, have)
	}
	for _, want := range []string{
		`gorewind_consumer_lag_events{consumer="c299"} 299`, `gorewind_consumer_lag_events{consumer="c200"} 200`,
		"gorewind_consumers_left_out 200", "gorewind_consumer_cursors_left_out 1",
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("want %s", want)
		}
	}
}

// TestDamagedCursorsAreLogged once, and the other metrics are still served.
func TestDamagedCursorsAreLogged(t *testing.T) {
	var log bytes.Buffer
	s := listen(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	s.Watch((&fake{err: errors.New("cursor 7")}).daemon())
	for range 2 {
		if status, body := get(t, s, "/metrics"); status != 200 || !strings.Contains(body, "gorewind_followers 3") || strings.Contains(body, "consumer") {
			t.Errorf("%d\n%s", status, body)
		}
	}
	if strings.Count(log.String(), "cursor 7") != 1 {
		t.Errorf("want one line, have\n%s", &log)
	}
}

// TestWildcardWarns: an address that others can reach is logged.
func TestWildcardWarns(t *testing.T) {
	for addr, want := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true, ":0": true, "[::]:0": true} {
		var log bytes.Buffer
		s, err := Listen(Options{Addr: addr, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if strings.Contains(log.String(), "level=WARN") != want {
			t.Errorf("%s: want a warning: %v, have %q", addr, want, &log)
		}
	}
}

// TestConnectionsAreBounded: one connection too many closes the oldest, so that a
// client with many connections keeps nobody out, whether it sent requests or not.
func TestConnectionsAreBounded(t *testing.T) {
	s := listen(t, Options{})
	var held []net.Conn
	for i := range maxConnections + 2 {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if held = append(held, c); i%2 == 0 {
			continue
		}
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if status, _ := get(t, s, "/healthz"); status != 200 {
		t.Errorf("status %d", status)
	}
	for _, c := range held[:3] {
		if err := c.SetDeadline(time.Now().Add(headerTimeout / 2)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("one of the oldest is still open")
		}
	}
	last := held[len(held)-1]
	fmt.Fprint(last, "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	if b, err := io.ReadAll(last); err != nil || !strings.HasSuffix(string(b), "starting: the store is being opened\n") {
		t.Errorf("the newest was closed: %q, %v", b, err)
	}
}
