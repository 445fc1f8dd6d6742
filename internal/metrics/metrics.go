// Package metrics serves the state of a daemon over HTTP: metrics for Prometheus,
// health and readiness, and profiles. It reads what the broker and the store count;
// neither knows of it.
//
// One goroutine serves, with those that net/http starts for connections. Close ends
// them and waits for the first.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gorewind/server"
	"gorewind/store"
	"gorewind/store/leveldb"
)

// Options of Listen.
type Options struct {
	Addr    string // host:port to listen on; empty for off
	Pprof   bool   // serve profiles too
	Version string // of the program
	Log     *slog.Logger
}

// A Store is what the metrics read of an engine.
type Store interface {
	Info() store.Info
	Stats() leveldb.Stats
	Writing() time.Duration
	Consumers(ctx context.Context, cursors int) (consumers []leveldb.Consumer, more bool, err error)
}

// A Broker is what the metrics read of a broker.
type Broker interface {
	// Alive returns nil once the broker's loop has answered.
	Alive(ctx context.Context) error
	// Followers returns figures about the followers of a store with the last position
	// last.
	Followers(last uint64) server.Followers
}

// A Daemon is what the metrics are about.
type Daemon struct {
	Broker Broker
	Stats  *server.Stats // the broker's
	Store  Store
}

// A Server serves HTTP. A nil Server is off.
type Server struct {
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	daemon   atomic.Pointer[Daemon] // nil until Watch
	stopping atomic.Bool
	ended    chan struct{} // closed when the goroutine has ended
}

// Limits for clients, whoever they are.
const (
	maxConnections = 32 // one more closes the oldest
	maxScrapes     = 4  // at once; more are refused
	headerTimeout  = 5 * time.Second
	idleTimeout    = 2 * time.Minute
	writeTimeout   = 5 * time.Minute // as long as a profile may take
	scrapeTimeout  = 10 * time.Second
	closeTimeout   = time.Second
)

// Listen serves on an address, even before there is a daemon: a start may take long,
// and /readyz says so meanwhile. Without an address it returns nil.
func Listen(o Options) (*Server, error) {
	if o.Addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot bind: %w; choose a free address of this machine", o.Addr, err)
	}
	if l.Addr().(*net.TCPAddr).IP.IsUnspecified() {
		o.Log.Warn("metrics are served on all addresses: everybody who can reach this machine can read them", "http", l.Addr().String())
	}
	s := &Server{log: o.Log, listener: limit(l, maxConnections), ended: make(chan struct{})}
	s.http = &http.Server{
		Handler: s.handler(o), ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 16 << 10,
	}
	go s.serve() // ends with Close
	return s, nil
}

func (s *Server) serve() {
	defer close(s.ended)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		s.log.Error("cannot serve metrics any more", "error", err)
	}
}

func (s *Server) handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry(o), promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout, ErrorHandling: promhttp.ContinueOnError,
	}))
	if o.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (s *Server) registry(o Options) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		buildInfo(o.Version), &collector{daemon: &s.daemon, log: o.Log})
	return r
}

// index lists the paths.
func index(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "gorewind: /metrics /healthz /readyz, and /debug/pprof/ with --pprof\n")
}

// Addr returns the address with the port that was bound; empty when it is off.
func (s *Server) Addr() string {
	if s == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Watch makes it serve the state of a daemon.
func (s *Server) Watch(d Daemon) {
	if s != nil {
		s.daemon.Store(&d)
	}
}

// Stopping makes /readyz say that the daemon is stopping.
func (s *Server) Stopping() {
	if s != nil {
		s.stopping.Store(true)
	}
}

// Close waits up to a second for requests under way, then closes their connections. It
// ends the goroutine.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // a profile, or a client that does not read
		err = s.http.Close()
	}
	<-s.ended
	return err
}
