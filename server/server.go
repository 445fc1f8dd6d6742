// Package server is the broker. A ROUTER socket takes requests and streams answers; a
// PUB socket broadcasts every stored event.
//
// Run owns these goroutines and waits for all of them:
//
//   - The loop runs on Run's own goroutine and is the only one that touches the
//     sockets. It ends when it was told to stop and has finished the requests it took.
//   - Readers read chunks of answers from the store. They end when jobs is closed,
//     after the loop.
//   - The ZAP handler authorizes connections. It ends with the ZeroMQ context.
//   - The relay turns commits into broadcasts and wakes followers. It ends when its
//     context is cancelled, after the loop.
//
// The store calls back with results, on its committer's goroutine or on the loop's. The
// callback only posts to the loop.
//
// The package builds on wire, on the contract in store and on pebbe/zmq4. The packages
// below it do not know the loop: internal/zsock holds what is specific to ZeroMQ,
// internal/auth decides who may do what, and internal/pack encodes outgoing messages.
//
// Each command of the protocol has a file of its name. The path of a PUBLISH: the loop
// (loop.go) receives it through zsock, the lane of its envelope (lane.go) gives it its
// turn, and publish.go adds it to a batch for the store. For an engine on disk that is
// the path of an Append in store/leveldb. The store's result comes back to the loop
// through outbox.go, and flush.go sends the answer to the peer, while relay.go
// broadcasts what is on disk.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/time/rate"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
	"gorewind/store"
	"gorewind/wire"
)

// Options configure New.
type Options struct {
	Router   []string     // ZeroMQ endpoints for requests; at least one
	Pub      []string     // ZeroMQ endpoints for broadcasts; at least one
	MaxFiles int          // file descriptors that connections may use, besides the store's. Default: no limit
	MaxEvent int          // bytes of an event, 1 to store.MaxEvent. Default: DefaultMaxEvent
	Version  string       // version of the program, for INFO
	Log      *slog.Logger // Default: log nothing

	// Curve is the server's key pair and requires CURVE of every peer. Access says what
	// each key may do. Set both or neither. Default: everybody may do everything.
	Curve  *Curve
	Access *Access
	Drop   bool // Allow closes all connections when it takes a right away from somebody

	MaxConnections int           // of both sockets together; more are refused. Default: no limit
	MaxRequests    int           // requests per second for each key or, without CURVE, each connection. Default: no limit
	Handshake      time.Duration // how long a handshake may take. Default: DefaultHandshake
	IPCMode        fs.FileMode   // file mode of ipc endpoints. Default: set by the umask

	// Names maps a field, such as "MaxEvent", to the name that users know it by, such
	// as "--max-event-bytes". Errors, log lines and answers use that name. Default: the
	// field's own name.
	Names map[string]string
}

// name returns the name that users know a field by.
func (o *Options) name(field string) string { return cmp.Or(o.Names[field], field) }

// DefaultHandshake is the default time limit of a handshake.
const DefaultHandshake = 10 * time.Second

// DefaultMaxEvent is the default limit of an event, in bytes.
const DefaultMaxEvent = 1 << 20

// High-water marks, in messages. They are set before the first connection and never
// changed: libzmq acknowledges what was read in steps of half a mark, so a pipe whose
// mark is lowered later can stay full for ever.
const (
	routerSend = 8000   // for each peer; maxUnsentBytes also limits large frames
	pubSend    = 50_000 // for each subscriber; zsock.MaxPinned also limits large frames

	routerReceiveBytes = 128 << 20 // for each peer, when all of its events have the largest size
	routerReceiveLeast = 64
	routerReceiveMost  = 1000
)

// routerReceive returns the high-water mark for requests of a peer that wait in libzmq.
// Nothing else limits their bytes.
func routerReceive(maxEvent int) int {
	return min(max(routerReceiveBytes/maxEvent, routerReceiveLeast), routerReceiveMost)
}

// sendMark returns the high-water mark for messages that wait for a peer. The fast
// transport counts bytes itself and takes the largest mark, most. The plain one cannot,
// so its mark keeps messages of the largest events within limit bytes.
func sendMark(most, limit, maxEvent int) int {
	if fast() {
		return most
	}
	return min(most, max(1, limit/maxEvent))
}

// fast is zsock.Fast. Tests replace it.
var fast = zsock.Fast

// A Server is a broker with bound sockets.
type Server struct {
	Stats Stats

	opts Options
	log  *slog.Logger
	zctx *zmq.Context
	loop *loop
	jobs chan *task

	access atomic.Pointer[auth.Rules] // nil rules: no CURVE
	zap    *auth.ZAPHandler           // nil: every connection is accepted
	closed chan struct{}

	routerAddrs, pubAddrs []string

	closing sync.Once
}

// New binds the sockets. Call Run or Close afterwards.
func New(o Options) (*Server, error) {
	if o.MaxEvent == 0 {
		o.MaxEvent = DefaultMaxEvent
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: o.Log, jobs: make(chan *task, maxChunkBytes/chunkBytes), closed: make(chan struct{})}
	s.access.Store(o.Access.ruleset())
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	zctx, err := zmq.NewContext()
	if err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	s.zctx = zctx
	s.loop = &loop{
		log: s.log, debug: s.log.Enabled(context.Background(), slog.LevelDebug), stats: &s.Stats, info: s.info, maxEvent: o.MaxEvent, name: s.opts.name,
		jobs: s.jobs, batch: new(batch),
		conns: make(map[string]*conn), byFD: make(map[int][]*conn),
		live: make(map[int]bool), departed: make(map[string]*conn),
		gate:           zsock.NewGate(o.MaxFiles),
		subs:           zsock.NewSubscribers(),
		hub:            hub{streams: make(map[string]*watch), selections: make(map[*watch]struct{}), followers: make(map[*query]struct{})},
		waits:          waits{byCursor: make(map[string]map[*wait]struct{})},
		erasures:       erasures{seed: maphash.MakeSeed()},
		keepaliveEvery: keepaliveEvery,
		complaints:     rate.Sometimes{Interval: time.Second},
		access:         &s.access, rates: auth.NewRates(o.MaxRequests),
		admissions: auth.NewAdmissions(o.MaxConnections, o.Handshake+time.Second),
	}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Check sets defaults and returns an error for options that are out of range or do
// nothing without another one. New calls it.
func (o *Options) Check() error {
	if o.Handshake == 0 {
		o.Handshake = DefaultHandshake
	}
	switch {
	case o.MaxEvent < 1 || o.MaxEvent > store.MaxEvent:
		return fmt.Errorf("%s is %d; it must be 1 to %d", o.name("MaxEvent"), o.MaxEvent, store.MaxEvent)
	case o.Curve != nil && o.Access == nil: // libzmq would accept everybody who knows the server's key
		return fmt.Errorf("%s needs %s, which says what each key may do", o.name("Curve"), o.name("Access"))
	case o.Curve == nil && o.Access != nil:
		return fmt.Errorf("%s needs %s: without CURVE, clients have no keys", o.name("Access"), o.name("Curve"))
	case o.MaxConnections < 0:
		return fmt.Errorf("%s is %d; give 1 or more, or 0 for no limit", o.name("MaxConnections"), o.MaxConnections)
	case o.MaxRequests < 0:
		return fmt.Errorf("%s is %d; give 1 or more, or 0 for no limit", o.name("MaxRequests"), o.MaxRequests)
	case o.Handshake < time.Millisecond:
		return fmt.Errorf("%s is %v; give 1ms or more", o.name("Handshake"), o.Handshake)
	}
	return nil
}

// open makes and binds the sockets.
func (s *Server) open() (err error) {
	l := s.loop
	// One I/O thread: only then does the monitor report ACCEPTED before the first
	// message of that connection can be received.
	if err := s.zctx.SetIoThreads(1); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	zsock.Seed()
	if !fast() {
		s.log.Warn("unexpected version of pebbe/zmq4: using the slow transport; build with the version in go.mod")
	}
	if l.out, err = newOutbox(); err != nil {
		return fmt.Errorf("wake-up: %w", err)
	}
	if l.router, err = s.zctx.NewSocket(zmq.ROUTER); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	if l.pub, err = s.zctx.NewSocket(zmq.PUB); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	if s.opts.Curve != nil || s.opts.MaxConnections > 0 {
		if s.zap, err = s.newZAPHandler(); err != nil {
			return fmt.Errorf("zeromq: %w", err)
		}
	}
	if err := errors.Join(zsock.Configure(l.router, s.opts.Handshake), zsock.Configure(l.pub, s.opts.Handshake),
		s.secure(l.router, auth.Requests), s.secure(l.pub, auth.Broadcasts),
		l.router.SetRouterMandatory(1),
		l.router.SetRcvhwm(routerReceive(s.opts.MaxEvent)),
		l.router.SetSndhwm(sendMark(routerSend, maxUnsentBytes, s.opts.MaxEvent)),
		l.router.SetMaxmsgsize(int64(max(2*s.opts.MaxEvent, 64<<10))),
		l.pub.SetSndhwm(sendMark(pubSend, zsock.MaxPinned, s.opts.MaxEvent)),
		l.pub.SetMaxmsgsize(2*wire.MaxStream), // subscriptions are the only messages that PUB receives
		s.openMonitors(),
	); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	const maxID = 255 // bytes of a routing id, which is a frame of its own
	l.transport = zsock.NewTransport(fast(), l.router, l.pub, l.monitor, zsock.Limits{
		Frames: 1 + maxRequestFrames, Bytes: maxID + maxRequestBytes, Unsent: maxUnsentBytes, Users: s.opts.Curve != nil,
	})
	if l.poller, err = zsock.NewPoller(l.router, l.out.wake, l.monitor, l.pubMonitor); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	if s.routerAddrs, err = s.bindAll(l.router, s.opts.name("Router"), s.opts.Router); err != nil {
		return err
	}
	s.pubAddrs, err = s.bindAll(l.pub, s.opts.name("Pub"), s.opts.Pub)
	return err
}

// openMonitors opens the monitors of both sockets.
func (s *Server) openMonitors() (err error) {
	l := s.loop
	if l.monitor, err = zsock.NewMonitor(s.zctx, l.router, "inproc://router"); err != nil {
		return err
	}
	l.pubMonitor, err = zsock.NewMonitor(s.zctx, l.pub, "inproc://pub")
	return err
}

// RouterAddrs returns the endpoints for requests with the ports that were bound.
func (s *Server) RouterAddrs() []string { return s.routerAddrs }

// PubAddrs returns the endpoints for broadcasts with the ports that were bound.
func (s *Server) PubAddrs() []string { return s.pubAddrs }

// Run serves a store until ctx is done, finishes the requests it took and closes the
// sockets. It does not close the store. The error is not nil if Run had to stop before
// ctx was done, or if closing failed.
func (s *Server) Run(ctx context.Context, events store.Store) error {
	l := s.loop
	from := events.Info().LastPosition
	l.store, l.broadcasts, l.hub.position = events, from, from
	work, cancel := context.WithCancel(context.Background())
	defer cancel()
	var wg sync.WaitGroup
	const readersCount = 2
	for range readersCount {
		wg.Go(func() { readers(work, events, s.jobs, l) })
	}
	wg.Go(func() { relay(work, events, from, l) })
	// 1. ctx is done. The loop takes no more requests and ends running tasks with ERROR
	// STOPPING. 2. The loop waits for the store's results, for PUB to have every event
	// and, for at most grace, for peers to read their answers.
	unstop := context.AfterFunc(ctx, func() { l.out.post(l.stop) })
	defer unstop()
	err := l.run()
	// 3. The readers and the relay end. Nobody needs their results any more.
	close(s.jobs)
	cancel()
	wg.Wait()
	// 4. The sockets close. libzmq has linger to send what it still holds.
	return errors.Join(err, s.Close())
}

// linger is how long Close waits for libzmq to send what it holds.
const linger = time.Second

// Close closes the sockets. Run calls it.
func (s *Server) Close() (err error) {
	s.closing.Do(func() {
		close(s.closed)
		l := s.loop
		var errs []error
		if l.transport != nil {
			for _, c := range l.conns {
				l.drop(c)
			}
			l.forgetDeparted()
			l.transport.Close()
		}
		l.subs.Pinned.Release()
		if l.out != nil {
			errs = append(errs, l.out.close())
		}
		for _, z := range []*zmq.Socket{l.router, l.pub} {
			if z != nil {
				// A lingering socket would report connections that end, and would block
				// for ever on a monitor that is closed.
				errs = append(errs, z.Monitor("", 0), z.SetLinger(linger), z.Close())
			}
		}
		for _, m := range []*zsock.Monitor{l.monitor, l.pubMonitor} {
			if m != nil {
				errs = append(errs, m.Close())
			}
		}
		err = errors.Join(append(errs, s.zctx.Term())...)
		if s.zap != nil {
			s.zap.Wait()
		}
	})
	return err
}
