// Package server is the broker: a ROUTER socket that takes requests and streams
// answers, and a PUB socket that broadcasts every persisted event.
//
// Goroutines, all owned and awaited by Run:
//
//   - Run's own runs the loop, the one owner of all sockets. It ends when it
//     was told to stop and has finished what it took.
//   - readers read chunks of answers that take time; they end when jobs is
//     closed, after the loop.
//   - the ZAP handler says who may connect; it ends with the ZeroMQ context.
//   - relay turns commits into broadcasts and wakes those who follow; it ends
//     when its context is cancelled, after the loop.
//
// The store calls back with results, on its committer or on the loop's own
// goroutine; that only posts to the loop.
//
// It stands on wire, the contract in store and pebbe/zmq4, and has packages below the
// loop, none of which knows it: internal/zsock is what is ZeroMQ's own, internal/auth
// decides who may do what, internal/pack writes what is sent.
//
// A word on the wire has a file of its name. The path of a PUBLISH: the loop (loop.go)
// receives it through zsock, its envelope's lane (lane.go) gives it its turn, and publish.go
// adds it to a batch that goes to the store, which for an engine on disk is the path of an
// Append in store/leveldb. The store's answer reaches the loop by way of outbox.go and the
// peer with flush.go, while relay.go broadcasts what is on disk.
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

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
	"gorewind/store"
	"gorewind/wire"
)

// Options of New.
type Options struct {
	Router   []string     // ZeroMQ endpoints to bind for requests; at least one
	Pub      []string     // endpoints to bind for broadcasts; at least one
	MaxFiles int          // descriptors that connections may take; the store's come on top. Default: no limit
	MaxEvent int          // octets, 1 to store.MaxEvent. Default: DefaultMaxEvent
	Version  string       // of the program, for INFO
	Log      *slog.Logger // Default: nowhere

	// Curve has every peer use CURVE with this key, and Access says who may do
	// what: neither goes without the other. Default: everybody may do everything.
	Curve  *Curve
	Access *Access
	Drop   bool // Allow ends all connections when a client loses something by it

	MaxConnections int           // of both sockets; further ones are refused. Default: no limit
	MaxRequests    int           // a second, of a key or, without CURVE, a connection. Default: no limit
	Handshake      time.Duration // how long one may take. Default: DefaultHandshake
	IPCMode        fs.FileMode   // of the files of ipc endpoints. Default: as the umask says

	// Names are what the program's users know these fields by, such as "--max-event-bytes"
	// for "MaxEvent": errors, the log and answers say so. Default: as they are called here.
	Names map[string]string
}

// name returns what users know a field by.
func (o *Options) name(field string) string { return cmp.Or(o.Names[field], field) }

// DefaultHandshake is how long a handshake may take unless told otherwise.
const DefaultHandshake = 10 * time.Second

// DefaultMaxEvent is how large an event may be unless told otherwise.
const DefaultMaxEvent = 1 << 20

// High-water marks, in messages. They are fixed before the first connection:
// libzmq's pipes acknowledge what was read in steps of half a mark, so that one
// that is lowered later may be full for ever.
const (
	routerSend = 8000   // for each peer; large frames are counted apart, see maxUnsentBytes
	pubSend    = 50_000 // for each subscriber; large frames are counted apart, see zsock.MaxPinned

	routerReceiveBytes = 128 << 20 // for each peer, at the largest events
	routerReceiveLeast = 64
	routerReceiveMost  = 1000
)

// routerReceive is the mark for requests of a peer that wait in libzmq. There is
// no other bound of their octets.
func routerReceive(maxEvent int) int {
	return min(max(routerReceiveBytes/maxEvent, routerReceiveLeast), routerReceiveMost)
}

// sendMark returns the high-water mark for messages that wait for a peer: most of
// them, or where their octets are not counted, so many that the largest events
// keep a bound of octets.
func sendMark(most, limit, maxEvent int) int {
	if fast() {
		return most
	}
	return min(most, max(1, limit/maxEvent))
}

// fast is zsock.Fast, save in a test.
var fast = zsock.Fast

// A Server is a broker on bound sockets.
type Server struct {
	Stats Stats

	opts Options
	log  *slog.Logger
	zctx *zmq.Context
	loop *loop
	jobs chan *task

	access atomic.Pointer[auth.Rules] // nil in it: no CURVE
	zap    *auth.ZAPHandler           // nil: everybody is let in
	closed chan struct{}

	routerAddrs, pubAddrs []string

	closing sync.Once
}

// New binds the sockets. Run must follow, or Close.
func New(o Options) (*Server, error) {
	if o.MaxEvent == 0 {
		o.MaxEvent = DefaultMaxEvent
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	s := &Server{opts: o, log: o.Log, jobs: make(chan *task, maxChunkBytes/chunkBytes), closed: make(chan struct{})}
	s.access.Store(o.Access.decides())
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
		access:         &s.access, rates: auth.NewRates(o.MaxRequests),
		admissions: auth.NewAdmissions(o.MaxConnections, o.Handshake+time.Second),
	}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Check refuses options that mean nothing, or less than they seem to, as New does.
func (o *Options) Check() error {
	if o.Handshake == 0 {
		o.Handshake = DefaultHandshake
	}
	switch {
	case o.MaxEvent < 1 || o.MaxEvent > store.MaxEvent:
		return fmt.Errorf("%s is %d; it must be 1 to %d", o.name("MaxEvent"), o.MaxEvent, store.MaxEvent)
	case o.Curve != nil && o.Access == nil: // libzmq would let everybody in who knows the server's key
		return fmt.Errorf("%s needs %s, which says which keys may do what", o.name("Curve"), o.name("Access"))
	case o.Curve == nil && o.Access != nil:
		return fmt.Errorf("%s needs %s; without it nobody has a key", o.name("Access"), o.name("Curve"))
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
	// One I/O thread, also because the monitor's ACCEPTED comes before the first
	// message of a connection only if one thread does both.
	if err := s.zctx.SetIoThreads(1); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	zsock.Seed()
	if !fast() {
		s.log.Warn("pebbe/zmq4 is not as this program knows it; messages go one by one, which is slow: build with the version in go.mod")
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
		l.pub.SetMaxmsgsize(2*wire.MaxStream), // a subscription
		s.openMonitors(),
	); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	const maxID = 255 // octets of a routing id, a frame of its own
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

// openMonitors makes the monitors of both sockets.
func (s *Server) openMonitors() (err error) {
	l := s.loop
	if l.monitor, err = zsock.NewMonitor(s.zctx, l.router, "inproc://router"); err != nil {
		return err
	}
	l.pubMonitor, err = zsock.NewMonitor(s.zctx, l.pub, "inproc://pub")
	return err
}

// RouterAddrs returns the endpoints for requests, with their real ports.
func (s *Server) RouterAddrs() []string { return s.routerAddrs }

// PubAddrs returns the endpoints for broadcasts, with their real ports.
func (s *Server) PubAddrs() []string { return s.pubAddrs }

// Run serves a store until ctx is done, finishes what it took, and closes the
// sockets. It returns an error if it had to stop by itself. The store stays open.
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
	// 1. ctx is done: the loop takes no more requests, ends what takes time with
	//    ERROR STOPPING, and 2. waits for the store's answers, for PUB to have every
	//    event, and a little for peers to take what is theirs.
	unstop := context.AfterFunc(ctx, func() { l.out.post(l.stop) })
	defer unstop()
	err := l.run()
	// 3. The readers and the relay end: nobody waits for them any more.
	close(s.jobs)
	cancel()
	wg.Wait()
	// 4. The sockets close, with a short time for what libzmq has yet to send.
	return errors.Join(err, s.Close())
}

// linger is how long closing waits for libzmq to send what it has.
const linger = time.Second

// Close closes the sockets. Run does it by itself.
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
				// While it lingers, it would tell of connections that end, and wait for
				// ever for a monitor that is closed.
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
