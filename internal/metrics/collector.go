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

// A collector turns what is counted into metrics when somebody asks for them.
// Nothing on the way of a request knows of Prometheus: it only adds to numbers.
type collector struct {
	daemon *atomic.Pointer[Daemon]
	log    *slog.Logger

	mu     sync.Mutex // protects the field below
	failed string     // why consumers could not be read, when they were last
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

// A sink takes metrics.
type sink chan<- prometheus.Metric

func (s sink) put(m shape, value float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(m.desc, m.kind, value, labels...)
}

// buildInfo is 1, with what was built.
func buildInfo(version string) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gorewind_build_info", Help: "1; its labels say which program this is.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

var (
	requests = counter("requests_total", "Requests that were taken, by command; UNKNOWN are those without one.", "command")
	refused  = counter("request_errors_total", "Requests that were answered with ERROR, by its code.", "code")
	denied   = counter("denied_requests_total", "Requests that were answered with ERROR DENIED, by command; those of keys that are known no more have none.", "command")

	followers        = gauge("followers", "Queries that follow at the moment.")
	lagOfStreams     = gauge("follower_lag_events", "Events of its stream that the slowest follower of a stream has yet to be sent.")
	lagOfSelections  = gauge("follower_lag_positions", "Positions of the store that the slowest follower of a selection has yet to look at.")
	ofBroker         = brokerMetrics()
	describedMetrics = append([]shape{requests, refused, denied, followers, lagOfStreams, lagOfSelections}, storeShapes()...)
)

// A brokerMetric is one of a broker's Stats.
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
		now("connections", "Connections of both sockets.", func(s stats) *atomic.Int64 { return &s.Connections }),
		now("subscribers", "Connections of PUB.", func(s stats) *atomic.Int64 { return &s.Subscribers }),
		now("blocked_connections", "Connections that take no more answers at the moment.", func(s stats) *atomic.Int64 { return &s.Blocked }),
		total("given_up_connections_total", "Connections that asked without reading, and were given up.", func(s stats) *atomic.Uint64 { return &s.GivenUp }),
		total("cut_off_subscribers_total", "Subscribers that did not read large broadcasts, and were cut off.", func(s stats) *atomic.Uint64 { return &s.CutOff }),
		total("refused_connections_total", "Connections that were one too many.", func(s stats) *atomic.Uint64 { return &s.Full }),
		total("handshakes_refused_total", "Handshakes of unknown keys, of those who may not have what they connect to, and of connections that were one too many.", func(s stats) *atomic.Uint64 { return &s.HandshakesRefused }),
		total("handshakes_broken_total", "Handshakes of who has not this server's key, does not use CURVE, or talks nonsense.", func(s stats) *atomic.Uint64 { return &s.HandshakesBroken }),
		total("handshakes_unfinished_total", "Handshakes that took too long, or whose connection ended.", func(s stats) *atomic.Uint64 { return &s.HandshakesUnfinished }),
		total("received_messages_total", "Messages that came.", func(s stats) *atomic.Uint64 { return &s.Received }),
		total("dropped_messages_total", "Messages that were not answered: no envelope, or of a connection that was given up.", func(s stats) *atomic.Uint64 { return &s.Dropped }),
		total("published_events_total", "Events that were stored and acknowledged.", func(s stats) *atomic.Uint64 { return &s.Published }),
		total("published_bytes_total", "Octets of these events.", func(s stats) *atomic.Uint64 { return &s.PublishedBytes }),
		total("sent_events_total", "Events that were put into answers to queries.", func(s stats) *atomic.Uint64 { return &s.EventsSent }),
		total("sent_bytes_total", "Octets of these events.", func(s stats) *atomic.Uint64 { return &s.BytesSent }),
		total("broadcast_events_total", "Events that were handed to PUB, also while nobody subscribes.", func(s stats) *atomic.Uint64 { return &s.Broadcast }),
		total("broadcast_bytes_total", "Octets of those that there was a subscriber for.", func(s stats) *atomic.Uint64 { return &s.BroadcastBytes }),
		total("queries_total", "Queries and other requests whose answer takes time that were begun.", func(s stats) *atomic.Uint64 { return &s.Queries }),
		now("queries_running", "Such requests that are being answered.", func(s stats) *atomic.Int64 { return &s.QueriesRunning }),
		total("receive_stalls_total", "Times that no request was taken because the store had too many.", func(s stats) *atomic.Uint64 { return &s.Stalls }),
		now("queued_events", "Events that the store has yet to commit.", func(s stats) *atomic.Int64 { return &s.Queued }),
		now("queued_bytes", "Octets of these events.", func(s stats) *atomic.Int64 { return &s.QueuedBytes }),
		now("unsent_answer_bytes", "Octets of answers that peers have yet to take.", func(s stats) *atomic.Int64 { return &s.UnsentBytes }),
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

// Collect implements prometheus.Collector. It has no metrics before there is a
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

// complain logs why consumers cannot be read, once for each reason.
func (c *collector) complain(err error) {
	why := ""
	if err != nil && !errors.Is(err, store.ErrClosed) {
		why = err.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if why != c.failed && why != "" {
		c.log.Warn("metrics are without the lag of consumers", "error", why)
	}
	c.failed = why
}
