// Package load measures an event store from outside. It publishes, replays and subscribes over
// ZeroMQ, checks every answer, and measures its latency. Next to the workloads it measures their
// floors: what the disk of this machine can do, and libzmq without a store.
//
// It knows the wire protocol, but neither the server nor the store. So it measures any daemon
// as clients see it, wherever it runs.
//
// Functions wait for all goroutines that they start. When a context is done, they return its
// cause within about 50 ms.
package load

import (
	"context"
	"crypto/rand"
	"time"
)

// A Target is the daemon to measure.
type Target struct {
	Router string // endpoint for requests
	Pub    string // endpoint for broadcasts; only fan-outs need it

	// Curve holds the keys for a daemon that requires CURVE. Default: none.
	Curve *Curve

	// Dir is a directory on the file system to measure. Default: the system's for
	// temporary files.
	Dir string

	// Timeout is how long the daemon may be silent before the run fails. Default: 10 s.
	Timeout time.Duration

	// Progress, if not nil, is called from time to time with the name of the workload
	// and the number of events done. Several goroutines call it, but never two at once.
	Progress func(name string, done, of int)

	pipelined float64 // events/s that `pipelined` reached, if it was measured
}

// Curve holds the keys for CURVE, in Z85: the client's pair and the daemon's public key.
type Curve struct{ Public, Secret, Server string }

func (t Target) timeout() time.Duration {
	if t.Timeout <= 0 {
		return 10 * time.Second
	}
	return t.Timeout
}

// progress returns the function that drive calls with the progress of a workload.
func (t Target) progress(name string, of int) func(int) {
	if t.Progress == nil {
		return nil
	}
	return func(done int) { t.Progress(name, done, of) }
}

// quietly returns a Target without progress, for the time before a measurement.
func (t Target) quietly() Target {
	t.Progress = nil
	return t
}

// newStream returns a unique name for a stream.
func newStream() string { return "bench/" + rand.Text() }

// A Workload is one way to use a daemon.
type Workload struct {
	Name        string
	Clients     int // clients that publish or replay
	Subscribers int // subscribers that receive every broadcast
	InFlight    int // maximum of unanswered requests of each client
	Size        int // bytes of an event
	Count       int // events in all, as published
	Streams     int // streams that one client publishes to; 0: one
	Batch       int // events of an APPEND; 0: PUBLISH each event

	run   func(context.Context, Target, Workload) (Result, error)
	floor floor
}

// Run runs the workload once, with streams of its own. It fails on any answer that violates the
// protocol.
func (w Workload) Run(ctx context.Context, t Target) (Result, error) {
	return w.run(ctx, t, w)
}

// Options of Workloads. Zero means the default.
type Options struct {
	Events   int // of the fast workloads; slow ones take a part of it. Default: 500,000
	Size     int // bytes of an event; -1: none. Default: 100
	Clients  int // of the workloads with many. Default: 16
	InFlight int // requests of a client that pipelines. Default: 10,000
	Streams  int // of the workload with many. Default: 100,000
}

const (
	defaultInFlight = 10_000
	// Bytes of an event of the workload `large`, and requests in flight of each client
	// if many clients pipeline.
	largeSize       = 1024
	clientsInFlight = 16

	// Events of an APPEND, and APPENDs in flight.
	batchSize     = 1000
	batchInFlight = 4
)

// Workloads returns all workloads, in the order in which they run.
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
