// Package load measures an event store from outside: it publishes, replays and
// subscribes over ZeroMQ, checks every answer, and takes the time of each. Beside
// the workloads it measures their floors: what this machine's disk, and libzmq
// without a store, can do.
//
// It knows the wire and neither the server nor the store, so that it measures any
// daemon, wherever it runs, as its clients find it.
//
// Every goroutine that it starts has ended when the function that started it
// returns. When a context is done, functions return its cause within about 50 ms.
package load

import (
	"context"
	"crypto/rand"
	"time"
)

// A Target is the daemon to be measured.
type Target struct {
	Router string // endpoint for requests
	Pub    string // endpoint for broadcasts; only fan-outs need it

	// Curve is for a daemon that asks for keys. Default: none.
	Curve *Curve

	// Dir is a directory on the file system whose syncs are a floor. Default:
	// the system's for temporary files.
	Dir string

	// Timeout is how long nothing may come from the daemon until the run fails.
	// Default: 10 s.
	Timeout time.Duration

	// Progress, unless nil, is called now and then with the name of what is
	// being measured, and how many of its events are done. It is called by
	// several goroutines, but not by two at a time.
	Progress func(name string, done, of int)

	pipelined float64 // events/s that `pipelined` reached, if it was measured
}

// Curve is the keys of CURVE, in Z85: one's own pair, and the daemon's public key.
type Curve struct{ Public, Secret, Server string }

func (t Target) timeout() time.Duration {
	if t.Timeout <= 0 {
		return 10 * time.Second
	}
	return t.Timeout
}

// progress returns what drive tells of one workload's progress.
func (t Target) progress(name string, of int) func(int) {
	if t.Progress == nil {
		return nil
	}
	return func(done int) { t.Progress(name, done, of) }
}

// quietly returns a Target for what is done before a measurement begins.
func (t Target) quietly() Target {
	t.Progress = nil
	return t
}

// newStream returns the name of a stream that nobody else has.
func newStream() string { return "bench/" + rand.Text() }

// A Workload is one way to use a daemon.
type Workload struct {
	Name        string
	Clients     int // that publish, or replay
	Subscribers int // that take every broadcast
	InFlight    int // requests of each client that are not answered yet, at most
	Size        int // octets of an event
	Count       int // events in all, as published
	Streams     int // that one client publishes to; 0: one
	Batch       int // events of an APPEND; 0: each is published for itself

	run   func(context.Context, Target, Workload) (Result, error)
	floor floor
}

// Run runs the workload once, with streams of its own. Any answer that is not
// what the protocol promises ends it with an error.
func (w Workload) Run(ctx context.Context, t Target) (Result, error) {
	return w.run(ctx, t, w)
}

// Options of Workloads. Zero means the default.
type Options struct {
	Events   int // of the fast workloads; slow ones take a part of it. Default: 500,000
	Size     int // octets of an event; -1: none. Default: 100
	Clients  int // of the workloads with many. Default: 16
	InFlight int // requests of a client that pipelines. Default: 10,000
	Streams  int // of the workload with many. Default: 100,000
}

const (
	defaultInFlight = 10_000
	// Octets of the workload `large`, and how many requests of a client are in
	// flight where many clients pipeline.
	largeSize       = 1024
	clientsInFlight = 16

	// Events of an APPEND, and how many of these are in flight.
	batchSize     = 1000
	batchInFlight = 4
)

// Workloads returns all of them, in the order in which they run.
func Workloads(o Options) []Workload {
	or := func(n, otherwise int) int {
		if n == 0 {
			return otherwise
		}
		return max(0, n)
	}
	events, size := or(o.Events, 500_000), or(o.Size, 100)
	clients, inFlight := or(o.Clients, 16), or(o.InFlight, defaultInFlight)
	part := func(n int) int { return max(events/n, min(events, 100)) }
	return []Workload{
		{Name: "pipelined", Clients: 1, InFlight: inFlight, Size: size, Count: events, run: publishing, floor: toEcho},
		{Name: "single", Clients: 1, InFlight: 1, Size: size, Count: part(200), run: publishing, floor: toSyncedRoundTrip},
		{Name: "clients", Clients: clients, InFlight: clientsInFlight, Size: size, Count: part(2), run: publishing, floor: toEcho},
		{Name: "clients-single", Clients: clients, InFlight: 1, Size: size, Count: part(20), run: publishing},
		{Name: "streams", Clients: 1, InFlight: inFlight, Size: size, Count: events, Streams: or(o.Streams, 100_000), run: publishingAlone, floor: toPipelined},
		{Name: "batches", Clients: 1, InFlight: batchInFlight, Size: size, Count: events, Batch: batchSize, run: publishingAlone, floor: toPipelined},
		{Name: "large", Clients: 1, InFlight: max(1, inFlight/10), Size: largeSize, Count: part(5), run: publishing, floor: toEcho},
		{Name: "replay", Clients: 1, InFlight: inFlight, Size: size, Count: events, run: replaying, floor: toStream},
		{Name: "fanout-1", Clients: 1, Subscribers: 1, InFlight: inFlight, Size: size, Count: part(2), run: fanningOut},
		{Name: "fanout-10", Clients: 1, Subscribers: 10, InFlight: inFlight, Size: size, Count: part(5), run: fanningOut, floor: toOneSubscriber},
		{Name: "mixed", Clients: 1, InFlight: inFlight, Size: size, Count: part(2), run: mixing, floor: toAlone},
	}
}
