package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const natsServer = "github.com/nats-io/nats-server/v2"

// jetStream is NATS JetStream in a process of nats-server, built from the
// version in go.mod.
type jetStream struct {
	program string
	number  string
	events  payload
}

func newJetStream(ctx context.Context, dir string, events payload) (*jetStream, error) {
	program := filepath.Join(dir, "nats-server")
	if _, err := output(ctx, ".", "go", "build", "-o", program, natsServer); err != nil {
		return nil, fmt.Errorf("%w; run this in the directory bench, or leave it out with -peers", err)
	}
	text, err := output(ctx, ".", program, "--version")
	if err != nil {
		return nil, err
	}
	m := regexp.MustCompile(`v([0-9]\S*)`).FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("nats-server --version said %q", text)
	}
	return &jetStream{program: program, number: m[1], events: events}, nil
}

func (*jetStream) key() string       { return "jetstream" }
func (*jetStream) name() string      { return "NATS JetStream" }
func (j *jetStream) version() string { return "nats-server " + j.number }
func (*jetStream) settings() string {
	return "one node, file storage, ``sync_interval: always`` (not while the stream for the replay is filled); client nats.go " +
		moduleVersion("github.com/nats-io/nats.go") + " with its package jetstream"
}

func (j *jetStream) start(ctx context.Context, dir string, w workload) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	sync := "sync_interval: always"
	if w.replay {
		// Filling the stream would take minutes with it, and reading does not
		// depend on it.
		sync = ""
	}
	conf := filepath.Join(dir, "conf")
	text := fmt.Sprintf("host: %s\nport: %s\njetstream {\n store_dir: %q\n %s\n}\n", host, port, dir, sync)
	if err := os.WriteFile(conf, []byte(text), 0o666); err != nil {
		return nil, err
	}
	return startServer(ctx, dir, addr, j.program, "-c", conf)
}

func (j *jetStream) ways(w workload) []way {
	switch {
	case w.batch > 0:
		return []way{j.publishBatches(w)}
	case w.replay:
		return []way{
			j.replay(w, "ordered consumer, 5,000 ahead", j.ordered(5_000)),
			j.replay(w, "ordered consumer, 500 ahead", j.ordered(500)),
			j.replay(w, "ordered consumer, 50,000 ahead", j.ordered(50_000)),
			j.replay(w, "fetches of 5,000", j.fetched(5_000)),
			j.replay(w, "push consumer", j.pushed),
		}
	case w.inFlight == 1:
		return []way{j.publishSingle(w)}
	case w.inFlight > 1:
		return []way{j.publishAsync(w, w.inFlight)}
	}
	var ways []way
	for _, pending := range []int{1_000, 100, 4_000, 16_000, 64_000} {
		ways = append(ways, j.publishAsync(w, pending))
	}
	return ways
}

// connect returns a client. The caller closes its connection.
func (*jetStream) connect(s *server, o ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	nc, err := nats.Connect("nats://" + s.addr)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc, o...)
	if err != nil {
		nc.Close()
	}
	return js, err
}

// makeStream makes a stream whose only subject is its name.
func (j *jetStream) makeStream(ctx context.Context, s *server, w workload) (string, error) {
	js, err := j.connect(s)
	if err != nil {
		return "", err
	}
	defer js.Conn().Close()
	stream := s.stream()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{stream}, Storage: jetstream.FileStorage, AllowAtomicPublish: w.batch > 0})
	return stream, err
}

// verify fails unless the stream has n events.
func (j *jetStream) verify(ctx context.Context, s *server, stream string, n int) error {
	js, err := j.connect(s)
	if err != nil {
		return err
	}
	defer js.Conn().Close()
	st, err := js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	return whole(int(st.CachedInfo().State.Msgs), 0, n, 0)
}
