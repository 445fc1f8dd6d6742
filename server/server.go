// Package server is the broker: a ROUTER socket that takes requests and streams
// answers, and a PUB socket that broadcasts every persisted event.
//
// Goroutines, all owned and awaited by Run:
//
//   - Run's own runs the loop, the one owner of all sockets. It ends when it
//     was told to stop and has finished what it took.
//   - readers read chunks of answers that take time; they end when jobs is
//     closed, after the loop.
//   - relay turns commits into broadcasts and wakes those who follow; it ends
//     when its context is cancelled, after the loop.
//
// The store calls back with results, on its committer or on the loop's own
// goroutine; that only posts to the loop.
package server

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"

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
}

// DefaultMaxEvent is how large an event may be unless told otherwise.
const DefaultMaxEvent = 1 << 20

// High-water marks, in messages. They are fixed before the first connection:
// libzmq's pipes acknowledge what was read in steps of half a mark, so that one
// that is lowered later may be full for ever.
const (
	routerSend = 8000   // for each peer; large frames are counted apart, see maxUnsentOctets
	pubSend    = 50_000 // for each subscriber; large frames are counted apart, see maxPinned

	routerReceiveOctets = 128 << 20 // for each peer, at the largest events
	routerReceiveLeast  = 64
	routerReceiveMost   = 1000
)

// routerReceive is the mark for requests of a peer that wait in libzmq. There is
// no other bound of their octets.
func routerReceive(maxEvent int) int {
	return min(max(routerReceiveOctets/maxEvent, routerReceiveLeast), routerReceiveMost)
}

// A Server is a broker on bound sockets.
type Server struct {
	Stats Stats

	opts Options
	log  *slog.Logger
	zctx *zmq.Context
	loop *loop
	jobs chan *task

	routerAddrs, pubAddrs []string

	closing sync.Once
}

// New binds the sockets. Run must follow, or Close.
func New(o Options) (*Server, error) {
	if o.MaxEvent == 0 {
		o.MaxEvent = DefaultMaxEvent
	}
	if o.MaxEvent < 1 || o.MaxEvent > store.MaxEvent {
		return nil, fmt.Errorf("--max-event-bytes is %d; it must be 1 to %d", o.MaxEvent, store.MaxEvent)
	}
	s := &Server{opts: o, log: o.Log, jobs: make(chan *task, maxChunkOctets/chunkOctets)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	zctx, err := zmq.NewContext()
	if err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	s.zctx = zctx
	s.loop = &loop{
		log: s.log, stats: &s.Stats, info: s.info, maxEvent: o.MaxEvent,
		jobs: s.jobs, batch: new(batch),
		conns: make(map[string]*conn), byFD: make(map[int][]*conn),
		live: make(map[int]bool), ghosts: make(map[string]*conn),
		gate:      gate{files: o.MaxFiles, filter: dropAll},
		subs:      subscribers{stalled: make(map[int]int), pinned: newPeer()},
		hub:       hub{streams: make(map[string]*watch), selections: make(map[*watch]struct{})},
		waits:     waits{byCursor: make(map[string]map[*wait]struct{})},
		erasures:  erasures{seed: maphash.MakeSeed()},
		liveEvery: liveEvery,
	}
	if err := s.open(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// open makes and binds the sockets.
func (s *Server) open() (err error) {
	l := s.loop
	// One I/O thread, also because the monitor's ACCEPTED comes before the first
	// message of a connection only if one thread does both.
	if err := s.zctx.SetIoThreads(1); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	seed()
	if !layout() {
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
	if err := errors.Join(configure(l.router), configure(l.pub),
		l.router.SetRouterMandatory(1),
		l.router.SetRcvhwm(routerReceive(s.opts.MaxEvent)),
		l.router.SetSndhwm(sendMark(routerSend, maxUnsentOctets, s.opts.MaxEvent)),
		l.router.SetMaxmsgsize(int64(max(2*s.opts.MaxEvent, 64<<10))),
		l.pub.SetSndhwm(sendMark(pubSend, maxPinned, s.opts.MaxEvent)),
		l.pub.SetMaxmsgsize(2*wire.MaxStream), // a subscription
		s.eyes(),
	); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	const maxID = 255 // octets of a routing id, a frame of its own
	l.transport = newTransport(l.router, l.pub, l.monitor, 1+maxRequestFrames, maxID+maxRequestOctets)
	if l.poller, err = newPoller(l.router, l.out.wake, l.monitor, l.pubEyes); err != nil {
		return fmt.Errorf("zeromq: %w", err)
	}
	if s.routerAddrs, err = bindAll(l.router, "--router", s.opts.Router); err != nil {
		return err
	}
	s.pubAddrs, err = bindAll(l.pub, "--pub", s.opts.Pub)
	return err
}

// configure sets what both doors share.
func configure(z *zmq.Socket) error {
	return errors.Join(
		z.SetLinger(0),
		z.SetBacklog(backlog),
		z.SetHandshakeIvl(10*time.Second),
		z.SetTcpKeepalive(1), // so that a peer that vanished without a word is noticed
		z.SetTcpKeepaliveIdle(60),
		z.SetTcpKeepaliveIntvl(10),
		z.SetTcpKeepaliveCnt(6),
	)
}

// eyes makes the monitors.
func (s *Server) eyes() (err error) {
	l := s.loop
	if l.monitor, err = s.watch(l.router, "inproc://router"); err != nil {
		return err
	}
	l.pubEyes, err = s.watch(l.pub, "inproc://pub")
	return err
}

// watch returns a socket that tells of another one's connections.
func (s *Server) watch(z *zmq.Socket, name string) (*zmq.Socket, error) {
	eyes, err := s.zctx.NewSocket(zmq.PAIR)
	if err != nil {
		return nil, err
	}
	return eyes, errors.Join(
		// Without a bound: libzmq's I/O thread waits for room here, and no peer
		// may have it wait.
		eyes.SetRcvhwm(0),
		z.Monitor(name, zmq.EVENT_LISTENING|zmq.EVENT_ACCEPTED|zmq.EVENT_DISCONNECTED),
		eyes.Connect(name),
	)
}

// vacant returns an error if there is something at the path of a unix socket that
// libzmq would take away: a socket that somebody serves, or another kind of file.
func vacant(path string) error {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return errors.New("another process serves it; stop it or choose another endpoint")
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is not a socket; choose another path")
	}
	return nil
}

// otherEndpoint says which endpoint to choose after one that cannot be bound.
func otherEndpoint(err error) string {
	if zmq.AsErrno(err) == zmq.Errno(syscall.EADDRINUSE) {
		return "choose an endpoint that is free"
	}
	return "choose an endpoint of this machine"
}

// bindAll binds endpoints and returns them with their real ports.
func bindAll(z *zmq.Socket, flag string, endpoints []string) (addrs []string, err error) {
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("%s is empty; give an endpoint such as tcp://127.0.0.1:9002", flag)
	}
	for _, e := range endpoints {
		if path, ok := strings.CutPrefix(e, "ipc://"); ok {
			if err := vacant(path); err != nil {
				return nil, fmt.Errorf("%s %s: cannot bind: %w", flag, e, err)
			}
		}
		if strings.Contains(e, "[") { // only there: with it on, 127.0.0.1 is logged as an address of IPv6
			if err := z.SetIpv6(true); err != nil {
				return nil, fmt.Errorf("%s %s: %w", flag, e, err)
			}
		}
		if err := z.Bind(e); err != nil {
			return nil, fmt.Errorf("%s %s: cannot bind: %w; %s, such as tcp://127.0.0.1:9002 or ipc:///tmp/gorewind", flag, e, err, otherEndpoint(err))
		}
		addr, err := z.GetLastEndpoint()
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", flag, e, err)
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
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
		l := s.loop
		var errs []error
		if l.transport != nil {
			for _, c := range l.conns {
				l.drop(c)
			}
			l.forgetGhosts()
			l.transport.close()
		}
		l.subs.pinned.release()
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
		for _, z := range []*zmq.Socket{l.monitor, l.pubEyes} {
			if z != nil {
				errs = append(errs, z.SetLinger(0), z.Close())
			}
		}
		err = errors.Join(append(errs, s.zctx.Term())...)
	})
	return err
}
