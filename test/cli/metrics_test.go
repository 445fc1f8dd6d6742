package cli

import (
	"encoding/json"
	"errors"
	"net"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/internal/exit"
	"gorewind/internal/version"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestMetrics: after known requests, each number is what it has to be.
func TestMetrics(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--http", "127.0.0.1:0", "--max-event-bytes", "1000")
	p := daemontest.Dial(t, d.Router)
	sub, err := zmq.NewSocket(zmq.SUB)
	if err == nil {
		defer sub.Close()
		err = errors.Join(sub.SetLinger(0), sub.SetSubscribe(""), sub.Connect(d.Pub))
	}
	if err != nil {
		t.Fatal(err)
	}
	p.Ask(wire.Ping{})
	for began := time.Now(); d.Metrics(t)["gorewind_subscribers"] == 0; { // else nobody counts the bytes
		if time.Since(began) > 20*time.Second {
			t.Fatal("PUB has no subscriber")
		}
	}
	before := d.Metrics(t)
	const events, size = 50, 100
	for range events {
		p.Ask(wire.Publish{Stream: []byte("s"), Data: make([]byte, size)})
	}
	p.Ask(wire.Append{Groups: []wire.Group{{Stream: []byte("t"), Events: [][]byte{[]byte("12345"), []byte("67890")}}}})
	p.Ask(wire.Publish{Stream: []byte("s"), Data: make([]byte, 1001)})
	p.Events("s", 0)
	p.Ask(wire.Commit{Consumer: []byte("worker"), Stream: []byte("s"), ID: 20})
	p.Ask(wire.Commit{Consumer: []byte("worker"), ID: 30})
	p.Ask(wire.Ping{})
	follower := daemontest.Dial(t, d.Router)
	follower.Request(wire.Query{Stream: []byte("none"), Follow: true})
	if r, err := follower.Reply(); err != nil || r != any(wire.Live{}) {
		t.Fatal(r, err)
	}
	after := d.Metrics(t)
	for name, want := range map[string]float64{
		`requests_total{command="PUBLISH"}`:      events + 1,
		`requests_total{command="APPEND"}`:       1,
		`requests_total{command="QUERY"}`:        2,
		`requests_total{command="COMMIT"}`:       2,
		`requests_total{command="PING"}`:         1,
		`request_errors_total{code="TOO-LARGE"}`: 1,
		`request_errors_total{code="CONFLICT"}`:  0,
		`received_messages_total`:                events + 7,
		`published_events_total`:                 events + 2,
		`published_bytes_total`:                  events*size + 10,
		`sent_events_total`:                      events,
		`sent_bytes_total`:                       events * size,
		`broadcast_events_total`:                 events + 2,
		`broadcast_bytes_total`:                  events*size + 10,
		`queries_total`:                          2,
		`commit_events_sum`:                      events + 2,
		`commit_events_count`:                    events + 3, // one for each request that waited for its answer
		`commit_duration_seconds_count`:          events + 3,
		`fsync_duration_seconds_count`:           events + 3,
		`commit_events_bucket{le="1"}`:           events + 2,
		`store_position`:                         events + 4,
		`write_delays_total`:                     0,
	} {
		name = "gorewind_" + name
		have, ok := after[name]
		if have -= before[name]; !ok || have != want {
			t.Errorf("%s: want %v more, have %v, %v", name, want, have, ok)
		}
	}
	for name, want := range map[string]float64{
		`connections`:                               3,
		`queries_running`:                           1,
		`followers`:                                 1,
		`follower_lag_events`:                       0,
		`store_writable`:                            1,
		`consumer_lag_events{consumer="worker"}`:    events - 20,
		`consumer_lag_positions{consumer="worker"}`: events + 2 - 30,
		`consumer_cursors_left_out`:                 0,
		`leveldb_tables{level="0"}`:                 0,
		`build_info{goversion="` + runtime.Version() + `",version="` + version.Number + `"}`: 1,
	} {
		if have, ok := after["gorewind_"+name]; !ok || have != want {
			t.Errorf("%s: want %v, have %v, %v", name, want, have, ok)
		}
	}
	for name, least := range map[string]float64{
		"gorewind_disk_free_bytes": 1, "go_goroutines": 1, "process_resident_memory_bytes": 1,
		"gorewind_fsync_duration_seconds_sum": 1e-9, "gorewind_leveldb_written_bytes_total": events * size,
	} {
		if have := after[name]; have < least {
			t.Errorf("%s: want at least %v, have %v", name, least, have)
		}
	}
}

// TestHTTPIsOff: nothing listens unless it was asked for.
func TestHTTPIsOff(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	if m := daemontest.ServingHTTP.FindStringSubmatch(d.Log()); m == nil || m[1] != "none" {
		t.Errorf("want no address, have %q", m)
	}
	_, errs, status := daemontest.Run(t.TempDir(), "serve", "--pprof")
	if status != exit.Usage || !strings.Contains(errs, "--pprof needs --http") {
		t.Errorf("status %d\n%s", status, errs)
	}
}

// TestProbes: it is alive and ready, shows profiles if it is to, and ends in time
// with somebody connected who asks for nothing.
func TestProbes(t *testing.T) {
	t.Parallel()
	for _, pprof := range []bool{false, true} {
		args := []string{"--in-memory", "--http", "127.0.0.1:0"}
		if pprof {
			args = append(args, "--pprof")
		}
		d := daemontest.Start(t, args...)
		for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 200, "/nothing": 404} {
			if status, body := d.Web(t, path); status != want {
				t.Errorf("%s: want %d, have %d %q", path, want, status, body)
			}
		}
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline"} {
			if status, _ := d.Web(t, path); (status == 200) != pprof {
				t.Errorf("%s: with --pprof %v, have %d", path, pprof, status)
			}
		}
		idle, err := net.Dial("tcp", daemontest.ServingHTTP.FindStringSubmatch(d.Log())[1])
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		d.Stop(t, syscall.SIGTERM)
	}
}

// TestStartAndStopAreLogged: each with what matters, as one event of the log.
func TestStartAndStopAreLogged(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--log-format", "json", "--log-level", "debug")
	p := daemontest.Dial(t, d.Router)
	p.Ask(wire.Publish{Stream: []byte("secret"), Data: []byte("hidden")})
	log := d.Stop(t, syscall.SIGTERM)
	lines := make(map[string]map[string]any)
	for line := range strings.Lines(log) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines[l["msg"].(string)] = l
	}
	for msg, want := range map[string]map[string]any{
		"opening the store": {"directory": "data"},
		"store opened":      {"position": 0.0},
		"serving":           {"router": d.Router, "version": version.Number, "http": "none"},
		"request":           {"level": "DEBUG", "command": "PUBLISH", "stream_bytes": 6.0, "bytes": 19.0},
		"stopping":          {"reason": "signal"},
		"stopped":           {"reason": "signal", "published": 1.0, "position": 1.0},
	} {
		for key, value := range want {
			if have := lines[msg][key]; have != value {
				t.Errorf("%s: want %s=%v, have %v", msg, key, value, have)
			}
		}
	}
	if strings.Contains(log, "secret") || strings.Contains(log, "hidden") {
		t.Errorf("want nothing of what requests hold, have\n%s", log)
	}
}
