package metrics

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"gorewind/server"
	"gorewind/store"
)

// A collector turns counts into metrics when Prometheus asks for them. The path of a
// request knows nothing of Prometheus: it only increments counters.
type collector struct {
	daemon *atomic.Pointer[Daemon]
	log    *slog.Logger

	mu     sync.Mutex // protects the field below
	failed string     // why the last read of consumers failed; empty if it did not
}

// A shape is a metric without its value.
type shape struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counter(name, help string, labels ...string) shape {
	return shape{prometheus.NewDesc("gorewind_"+name, help, labels, nil), prometheus.CounterValue}
}

func gauge(name, help string, labels ...string) shape {
	return shape{prometheus.NewDesc("gorewind_"+name, help, labels, nil), prometheus.GaugeValue}
}

// A sink receives metrics.
type sink chan<- prometheus.Metric

func (s sink) put(m shape, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

// buildInfo returns a gauge with the versions of the program and of Go.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gorewind_build_info", Help: "Always 1; the labels tell the version of the program and of Go.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

var (
	requests = counter("requests_total", "Requests received, by command. UNKNOWN counts requests without a known command.", "command")
	refused  = counter("request_errors_total", "Requests answered with ERROR, by error code.", "code")
	denied   = counter("denied_requests_total", "Requests answered with ERROR DENIED, by command. The command is empty for requests of keys that were removed.", "command")

	followers        = gauge("followers", "Queries that are following a stream or a selection now.")
	lagOfStreams     = gauge("follower_lag_events", "Events that the slowest follower of a single stream is behind the end of its stream.")
	lagOfSelections  = gauge("follower_lag_positions", "Positions that the slowest follower of a selection is behind the end of the store.")
	ofBroker         = brokerMetrics()
	describedMetrics = append([]shape{requests, refused, denied, followers, lagOfStreams, lagOfSelections}, storeShapes()...)
)

// A brokerMetric is a field of a broker's Stats.
type brokerMetric struct {
	shape
	value func(*server.Stats) float64
}

func brokerMetrics() []brokerMetric {
	total := func(name, help string, field func(*server.Stats) *atomic.Uint64) brokerMetric {
		return brokerMetric{counter(name, help), func(s *server.Stats) float64 { return float64(field(s).Load()) }}
	}
	now := func(name, help string, field func(*server.Stats) *atomic.Int64) brokerMetric {
		return brokerMetric{gauge(name, help), func(s *server.Stats) float64 { return float64(field(s).Load()) }}
	}
	type stats = *server.Stats
	return []brokerMetric{
		now("connections", "Open connections of clients, to the ROUTER and the PUB socket.", func(s stats) *atomic.Int64 { return &s.Connections }),
		now("subscribers", "Open connections of subscribers, to the PUB socket.", func(s stats) *atomic.Int64 { return &s.Subscribers }),
		now("blocked_connections", "Connections that accept no more answers now, because the client does not read.", func(s stats) *atomic.Int64 { return &s.Blocked }),
		total("given_up_connections_total", "Connections dropped because the client sent requests and did not read the answers.", func(s stats) *atomic.Uint64 { return &s.GivenUp }),
		total("cut_off_subscribers_total", "Subscribers disconnected because they did not read large broadcasts.", func(s stats) *atomic.Uint64 { return &s.CutOff }),
		total("refused_connections_total", "Connections refused because the limit of connections was reached.", func(s stats) *atomic.Uint64 { return &s.Full }),
		total("handshakes_refused_total", "Handshakes refused: unknown key, subscriber without the right to read all streams, or limit of connections reached.", func(s stats) *atomic.Uint64 { return &s.HandshakesRefused }),
		total("handshakes_broken_total", "Handshakes failed because the peer had a wrong server key, did not use CURVE, or did not speak ZeroMQ's protocol.", func(s stats) *atomic.Uint64 { return &s.HandshakesBroken }),
		total("handshakes_unfinished_total", "Handshakes not finished: they took too long, or the connection closed.", func(s stats) *atomic.Uint64 { return &s.HandshakesUnfinished }),
		total("received_messages_total", "Messages received from clients.", func(s stats) *atomic.Uint64 { return &s.Received }),
		total("dropped_messages_total", "Messages dropped without an answer: bad envelope, or the connection was dropped before.", func(s stats) *atomic.Uint64 { return &s.Dropped }),
		total("published_events_total", "Events stored and acknowledged by PUBLISH and APPEND.", func(s stats) *atomic.Uint64 { return &s.Published }),
		total("published_bytes_total", "Bytes of event data stored and acknowledged by PUBLISH and APPEND.", func(s stats) *atomic.Uint64 { return &s.PublishedBytes }),
		total("sent_events_total", "Events read for answers to QUERY, including events pushed to followers.", func(s stats) *atomic.Uint64 { return &s.EventsSent }),
		total("sent_bytes_total", "Bytes of event data read for answers to QUERY, including events pushed to followers.", func(s stats) *atomic.Uint64 { return &s.BytesSent }),
		total("broadcast_events_total", "Events handed to the PUB socket, with or without subscribers.", func(s stats) *atomic.Uint64 { return &s.Broadcast }),
		total("broadcast_bytes_total", "Bytes of event data handed to the PUB socket while at least one subscriber was connected.", func(s stats) *atomic.Uint64 { return &s.BroadcastBytes }),
		total("queries_total", "Requests begun whose answer takes time: QUERY, STREAMS, CURSOR, WAIT and LOG.", func(s stats) *atomic.Uint64 { return &s.Queries }),
		now("queries_running", "Requests running now whose answer takes time: QUERY, STREAMS, CURSOR, WAIT and LOG.", func(s stats) *atomic.Int64 { return &s.QueriesRunning }),
		total("receive_stalls_total", "Times that the server stopped receiving requests until the store caught up.", func(s stats) *atomic.Uint64 { return &s.Stalls }),
		now("queued_events", "Events and other changes that wait to be committed to the store.", func(s stats) *atomic.Int64 { return &s.Queued }),
		now("queued_bytes", "Bytes of requests that wait to be committed to the store.", func(s stats) *atomic.Int64 { return &s.QueuedBytes }),
		now("unsent_answer_bytes", "Bytes of answers in memory that clients have not read yet.", func(s stats) *atomic.Int64 { return &s.UnsentBytes }),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range ofBroker {
		descs <- m.desc
	}
	for _, m := range describedMetrics {
		descs <- m.desc
	}
}

// Collect implements prometheus.Collector. There are no metrics before there is a
// daemon.
func (c *collector) Collect(metrics chan<- prometheus.Metric) {
	d := c.daemon.Load()
	if d == nil {
		return
	}
	s := sink(metrics)
	for _, m := range ofBroker {
		s.put(m.shape, m.value(d.Stats))
	}
	for command, n := range d.Stats.Requests() {
		s.put(requests, float64(n), command)
	}
	for code, n := range d.Stats.Refused() {
		s.put(refused, float64(n), code)
	}
	for command, n := range d.Stats.Denied.All() {
		s.put(denied, float64(n), command)
	}
	f := d.Broker.Followers(d.Store.Info().LastPosition)
	s.put(followers, float64(f.Count))
	s.put(lagOfStreams, float64(f.Events))
	s.put(lagOfSelections, float64(f.Positions))
	s.store(d.Store)
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	c.complain(s.consumers(ctx, d.Store))
}

// complain logs why consumers cannot be read, once until the reason changes.
func (c *collector) complain(err error) {
	why := ""
	if err != nil && !errors.Is(err, store.ErrClosed) {
		why = err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if why != c.failed && why != "" {
		c.log.Warn("cannot read cursors: metrics lack the lag of consumers", "error", why)
	}
	c.failed = why
}
