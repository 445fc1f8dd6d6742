package server_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server"
	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/wire"
)

// maxWait is how long a test waits for a message that must come.
const maxWait = 5 * time.Second

// specification returns protocol.md.
func specification(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A fence is a fenced block of the document.
type fence struct {
	info  string
	at    int // line number of its first line
	lines []string
}

// fences returns the document's fenced blocks with an info string.
func fences(t *testing.T, doc, info string) (found []fence) {
	t.Helper()
	var open *fence
	for i, line := range strings.Split(doc, "\n") {
		mark, isMark := strings.CutPrefix(line, "```")
		switch {
		case isMark && open == nil:
			open = &fence{info: mark, at: i + 2}
		case isMark:
			if open.info == info {
				found = append(found, *open)
			}
			open = nil
		case open != nil:
			open.lines = append(open.lines, line)
		}
	}
	if open != nil {
		t.Fatalf("the block from line %d on does not end", open.at)
	}
	if len(found) == 0 {
		t.Fatalf("there is no block of the kind %s", info)
	}
	return found
}

func TestProtocolTranscripts(t *testing.T) {
	for _, block := range fences(t, specification(t), "transcript") {
		t.Run(fmt.Sprintf("line %d", block.at), func(t *testing.T) { newPlayer(t, block).play() })
	}
}

// A line of a transcript.
type line struct {
	at     int
	side   string // C, S or B
	name   string // which client, or which subscription
	frames []pattern
}

// A pattern is a frame or, if open, the beginning of one.
type pattern struct {
	text string
	open bool
}

func (p pattern) matches(frame []byte) bool {
	if p.open {
		return strings.HasPrefix(string(frame), p.text)
	}
	return string(frame) == p.text
}

func (p pattern) String() string {
	if p.open {
		return p.text + "…"
	}
	return p.text
}

func openPattern(text string) pattern {
	text, open := strings.CutSuffix(text, "…")
	return pattern{text, open}
}

var (
	lineForm  = regexp.MustCompile(`^([CS])(\d*): (.+)$|^(B)(?:\((\w+)\))?: (.+)$`)
	frameForm = regexp.MustCompile(`^(?:"(?:[^"\\]|\\.)*"|<\d+>|[^\s"<>]+)`)
)

// parseLine parses a line of a transcript, in the form that the document describes.
func parseLine(at int, text string) (line, error) {
	m := lineForm.FindStringSubmatch(text)
	if m == nil {
		return line{}, fmt.Errorf("line %d is not one of a transcript: %s", at, text)
	}
	l := line{at: at, side: m[1] + m[4], name: m[2] + m[5]}
	for rest := m[3] + m[6]; rest != ""; rest = strings.TrimPrefix(rest, " ") {
		if strings.HasPrefix(rest, "ERROR ") {
			l.frames = append(l.frames, openPattern(rest))
			break
		}
		token := frameForm.FindString(rest)
		p, err := parseFrame(token)
		if err != nil {
			return line{}, fmt.Errorf("line %d: at %s: %w", at, rest, err)
		}
		l.frames = append(l.frames, p)
		rest = rest[len(token):]
	}
	return l, nil
}

func parseFrame(token string) (pattern, error) {
	switch {
	case token == "":
		return pattern{}, fmt.Errorf("not a frame")
	case token[0] == '"':
		text, err := strconv.Unquote(token)
		return openPattern(text), err
	case token[0] == '<':
		n, err := strconv.ParseUint(token[1:len(token)-1], 10, 64)
		return pattern{text: string(wire.ID(n))}, err
	}
	return pattern{text: token}, nil
}

// A player plays a transcript against a server of its own.
type player struct {
	t           *testing.T
	lines       []line
	router, pub string // endpoints
	context     *zmq.Context
	clients     map[string]*zmq.Socket
	subscribers map[string]*zmq.Socket // by prefix
	probes      *zmq.Socket            // a client that is not in the transcript
}

func newPlayer(t *testing.T, block fence) *player {
	t.Helper()
	p := &player{t: t, clients: make(map[string]*zmq.Socket), subscribers: make(map[string]*zmq.Socket)}
	for i, text := range block.lines {
		l, err := parseLine(block.at+i, text)
		if err != nil {
			t.Fatal(err)
		}
		p.lines = append(p.lines, l)
	}
	p.router, p.pub = serveMemory(t)
	var err error
	if p.context, err = zmq.NewContext(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // runs after the sockets' own, as it must
		if err := p.context.Term(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// serveMemory runs a server on an empty store and returns its endpoints.
func serveMemory(t *testing.T) (router, pub string) {
	t.Helper()
	return serve(t, func(s store.Store) store.Store { return s })
}

// serve runs a server on the store that with makes of an empty one, and returns its
// endpoints.
func serve(t *testing.T, with func(store.Store) store.Store) (router, pub string) {
	t.Helper()
	events, err := leveldb.OpenMemory(leveldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { events.Close() })
	anyPort := []string{"tcp://127.0.0.1:*"}
	s, err := server.New(server.Options{Router: anyPort, Pub: anyPort, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, with(events)) }() // ends when ctx is done
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return s.RouterAddrs()[0], s.PubAddrs()[0]
}

func (p *player) socket(kind zmq.Type, endpoint string) *zmq.Socket {
	p.t.Helper()
	z, err := p.context.NewSocket(kind)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { z.Close() })
	p.must(z.SetLinger(0))
	p.must(z.SetSndtimeo(maxWait))
	p.must(z.SetRcvtimeo(maxWait))
	p.must(z.Connect(endpoint))
	return z
}

func (p *player) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) play() {
	p.t.Helper()
	p.subscribe()
	for _, l := range p.lines {
		switch l.side {
		case "C":
			p.send(l)
		case "S":
			p.receive(l, p.client(l.name))
		case "B":
			p.receive(l, p.subscribers[l.name])
		}
	}
	p.nothingMore()
}

func (p *player) client(name string) *zmq.Socket {
	if p.clients[name] == nil {
		p.clients[name] = p.socket(zmq.DEALER, p.router)
	}
	return p.clients[name]
}

func (p *player) send(l line) {
	p.t.Helper()
	var frames [][]byte
	for _, f := range l.frames {
		frames = append(frames, []byte(f.text))
	}
	if _, err := p.client(l.name).SendMessage(frames); err != nil {
		p.t.Fatalf("line %d: %v", l.at, err)
	}
}

// errorForm is the form of an ERROR: for programs, what happened, what to do.
var errorForm = regexp.MustCompile(`^ERROR [A-Z-]+( [a-z-]+=[!-:<-~]*)* ; [ -:<-~]+; [ -~]+$`)

func (p *player) receive(l line, z *zmq.Socket) {
	p.t.Helper()
	have, err := p.next(z)
	if err != nil {
		p.t.Fatalf("line %d: want %q, have %v", l.at, l.frames, err)
	}
	if !slices.EqualFunc(l.frames, have, pattern.matches) {
		p.t.Fatalf("line %d: want %q, have %q", l.at, l.frames, have)
	}
	if last := have[len(have)-1]; strings.HasPrefix(string(last), "ERROR ") && !errorForm.Match(last) {
		p.t.Errorf("line %d: want an ERROR of the form %v, have %q", l.at, errorForm, last)
	}
}

// probeStream is the stream of probes, which no transcript may use. A probe shows that
// a subscription has taken effect, and which broadcasts came before it.
const probeStream = "\x00probe"

// next returns the next message that is not a probe's.
func (p *player) next(z *zmq.Socket) ([][]byte, error) {
	for {
		frames, err := z.RecvMessageBytes(0)
		if err != nil || string(frames[0]) != probeStream || string(frames[2]) == "end" {
			return frames, err
		}
	}
}

// subscribe makes the subscribers of all B lines, and waits until their subscriptions
// have taken effect.
func (p *player) subscribe() {
	p.t.Helper()
	for _, l := range p.lines {
		if l.side != "B" || p.subscribers[l.name] != nil {
			continue
		}
		z := p.socket(zmq.SUB, p.pub)
		p.must(z.SetSubscribe(l.name))
		p.must(z.SetSubscribe(probeStream))
		p.subscribers[l.name] = z
		p.awaitProbe(z)
	}
}

func (p *player) awaitProbe(z *zmq.Socket) {
	p.t.Helper()
	const between = 10 * time.Millisecond // probes
	p.must(z.SetRcvtimeo(between))
	for until := time.Now().Add(maxWait); time.Now().Before(until); {
		p.probe("begin")
		if _, err := z.RecvMessageBytes(0); err == nil {
			p.must(z.SetRcvtimeo(maxWait))
			return
		}
	}
	p.t.Fatal("want a subscription that has taken effect, have none")
}

// probe stores an event that is not in the transcript.
func (p *player) probe(data string) {
	p.t.Helper()
	if p.probes == nil {
		p.probes = p.socket(zmq.DEALER, p.router)
	}
	_, err := p.probes.SendMessage(wire.PUBLISH, probeStream, data)
	p.must(err)
	have, err := p.probes.RecvMessage(0)
	if err != nil || have[0] != wire.PUBLISHED {
		p.t.Fatalf("want a probe to be stored, have %q, %v", have, err)
	}
}

// nothingMore checks that no more messages came than the transcript has: the answer to
// a PING, or a probe, must come next.
func (p *player) nothingMore() {
	p.t.Helper()
	for name, z := range p.clients {
		_, err := z.SendMessage(wire.PING, "end")
		p.must(err)
		if have, err := p.next(z); err != nil || len(have) != 2 || string(have[1]) != "end" {
			p.t.Errorf("want nothing more for client %q, have %q, %v", name, have, err)
		}
	}
	if len(p.subscribers) == 0 {
		return
	}
	p.probe("end")
	for name, z := range p.subscribers {
		if have, err := p.next(z); err != nil || string(have[0]) != probeStream {
			p.t.Errorf("want nothing more for the subscription to %q, have %q, %v", name, have, err)
		}
	}
}

var (
	ruleForm = regexp.MustCompile(`^([a-z-]+) *= *(.+)$`)
	// A string, a number, or a name; the first two are skipped.
	elementForm = regexp.MustCompile(`(?:%s)?"[^"]*"|%x[0-9A-F-]+|[A-Za-z][A-Za-z0-9-]*`)
	// Rules of RFC 5234, appendix B.1.
	coreRules = strings.Fields("ALPHA BIT CHAR CR CRLF CTL DIGIT DQUOTE HEXDIG HTAB LF LWSP OCTET SP VCHAR WSP")
)

// parseABNF returns the names that each rule uses, and the start rules.
func parseABNF(t *testing.T, block fence) (rules map[string][]string, start []string) {
	t.Helper()
	rules = make(map[string][]string)
	for i, text := range block.lines {
		if list, ok := strings.CutPrefix(text, "; start rules: "); ok {
			start = strings.Fields(list)
		}
		if text == "" || strings.HasPrefix(text, ";") {
			continue
		}
		m := ruleForm.FindStringSubmatch(withoutComment(text))
		if m == nil {
			t.Fatalf("line %d is no rule: %s", block.at+i, text)
		}
		if _, ok := rules[m[1]]; ok {
			t.Errorf("line %d: want the rule %s once, have it twice", block.at+i, m[1])
		}
		rules[m[1]] = names(m[2])
	}
	return rules, start
}

// withoutComment cuts off a comment. A semicolon in a string does not begin one.
func withoutComment(text string) string {
	quoted := false
	for i, c := range text {
		if c == '"' {
			quoted = !quoted
		}
		if c == ';' && !quoted {
			return text[:i]
		}
	}
	return text
}

func names(elements string) (found []string) {
	for _, e := range elementForm.FindAllString(elements, -1) {
		if !strings.ContainsAny(e, `"%`) {
			found = append(found, e)
		}
	}
	return found
}

func TestProtocolABNF(t *testing.T) {
	blocks := fences(t, specification(t), "abnf")
	if len(blocks) != 1 {
		t.Fatalf("want one set of rules, have %d", len(blocks))
	}
	rules, start := parseABNF(t, blocks[0])
	used := make(map[string]bool)
	for rule, uses := range rules {
		for _, name := range uses {
			used[name] = true
			if _, ok := rules[name]; !ok && !slices.Contains(coreRules, name) {
				t.Errorf("rule %s: want a rule %s, have none", rule, name)
			}
		}
	}
	for rule := range rules {
		if used[rule] == slices.Contains(start, rule) {
			t.Errorf("want %s used or a start rule, have used %v, start rules %v", rule, used[rule], start)
		}
	}
	for _, s := range start {
		if _, ok := rules[s]; !ok {
			t.Errorf("want a rule %s to start from, have none", s)
		}
	}
}

// constants returns the values of package wire's string constants by their type;
// untyped ones have the type "".
func constants(t *testing.T) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for _, file := range []string{"request.go", "reply.go", "error.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../wire/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				kind, value := stringConstant(spec)
				if value != "" {
					found[kind] = append(found[kind], value)
				}
			}
			return true
		})
	}
	return found
}

func stringConstant(spec *ast.ValueSpec) (kind, value string) {
	if id, ok := spec.Type.(*ast.Ident); ok {
		kind = id.Name
	}
	if len(spec.Values) != 1 {
		return "", ""
	}
	if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
		value, _ = strconv.Unquote(lit.Value)
	}
	return kind, value
}

// section returns the text under a heading, up to the next heading that is not below
// it.
func section(t *testing.T, doc, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut(doc, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("want a heading %q, have none", heading)
	}
	level := strings.Count(heading, "#")
	end := regexp.MustCompile(fmt.Sprintf(`(?m)^#{1,%d} `, level)).FindStringIndex(rest)
	if end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// rows returns the cells of the tables in a text, without the heads.
func rows(text string) (found [][]string) {
	head := true
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			head = true
		case strings.HasPrefix(line, "|---"):
			head = false
		case !head:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			found = append(found, cells)
		}
	}
	return found
}

func TestProtocolCommands(t *testing.T) {
	var want []string
	for _, word := range constants(t)[""] {
		if _, err := wire.ParseRequest([][]byte{[]byte(word)}); err == nil || err.Code != wire.UnknownCommand {
			want = append(want, word)
		}
	}
	commands := section(t, specification(t), "## Commands")
	var have, listed []string
	for _, m := range regexp.MustCompile(`(?m)^### (.+)$`).FindAllStringSubmatch(commands, -1) {
		have = append(have, m[1])
	}
	summary, _, _ := strings.Cut(commands, "\n### ")
	for _, row := range rows(summary) {
		word, _, _ := strings.Cut(strings.TrimPrefix(row[0], "["), "]")
		listed = append(listed, word)
	}
	if !slices.Equal(want, have) {
		t.Errorf("want headings %v, have %v", want, have)
	}
	if !slices.Equal(want, listed) {
		t.Errorf("want %v in the summary, have %v", want, listed)
	}
}

// TestProtocolErrors compares the order too: codes are only ever added at the end.
func TestProtocolErrors(t *testing.T) {
	var have []string
	for _, row := range rows(section(t, specification(t), "## Errors")) {
		have = append(have, row[0])
	}
	if want := constants(t)["Code"]; !slices.Equal(want, have) {
		t.Errorf("want codes %v\nhave %v", want, have)
	}
}

// limits maps the rows of the table of limits to their values. Times are in
// milliseconds.
var limits = map[string]int{
	"octets of an id":               wire.IDSize,
	"octets of a stream's name":     wire.MaxStream,
	"octets of a consumer's name":   wire.MaxConsumer,
	"octets of a key":               wire.MaxKey,
	"groups of an APPEND":           wire.MaxGroups,
	"events of an APPEND":           wire.MaxAppendEvents,
	"octets of events of an APPEND": wire.MaxAppendBytes,
	"options `also` of a QUERY":     wire.MaxAlso,
	"octets of a glob":              wire.MaxGlob,
	"milliseconds of a WAIT":        int(wire.MaxWait.Milliseconds()),
	"time without an event after which a follower is sent LIVE, about":                                  int(server.KeepaliveEvery.Milliseconds()),
	"octets of an event, unless the server was told otherwise (INFO says)":                              server.DefaultMaxEvent,
	"octets of an event that a server can be told to take":                                              store.MaxEvent,
	"octets of a frame, unless the server was told otherwise: twice the largest event, at least 64 KiB": 2 * server.DefaultMaxEvent,
	"frames of a message, the envelope among them":                                                      server.MaxRequestFrames,
	"octets of a message, the envelope among them":                                                      server.MaxRequestBytes,
	"frames of an envelope with its delimiter":                                                          wire.MaxEnvelopeFrames,
	"octets of an envelope":                       wire.MaxEnvelopeBytes,
	"events that wait for the disk, of all peers": server.MaxQueued,
	"octets that wait for the disk, of all peers": server.MaxQueuedBytes,
	"requests of a peer that wait: behind an unfinished one with the same envelope, or for queries to end":                               server.MaxWaiting,
	"octets of these, each with its envelope and 512 added":                                                                              server.MaxWaitingBytes,
	"octets of answers that a full peer leaves unread at the server, EVENTs not counted":                                                 server.MaxUnreadBytes,
	"octets of such answers, of all full peers":                                                                                          server.MaxUnreadTotal,
	"octets in large frames, and in messages of many, to a peer that libzmq holds":                                                       server.MaxUnsentBytes,
	"messages of a peer that libzmq holds before the server takes them: as many events of the largest size as have 128 MiB, 64 to 1,000": server.RouterReceive(server.DefaultMaxEvent),
	"messages to a peer that libzmq holds":                                                                                               server.RouterSend,
	"queries of a peer that run at once":                                                                                                 server.MaxRunning,
	"octets that these keep of their requests":                                                                                           server.MaxRunningBytes,
	"queries of a peer that have events in memory at once":                                                                               server.MaxReadAhead,
	"octets of events that a query has in memory, about, and at least one event":                                                         server.ChunkBytes,
	"the same for a query of a selection, about":                                                                                         server.SelectionBytes,
	"octets of events that all queries have in memory":                                                                                   server.MaxChunkBytes,
	"messages that libzmq holds for a subscriber":                                                                                        server.PubSend,
	"octets in large frames that libzmq holds for subscribers, about":                                                                    server.MaxPinned,
	"time after which a full peer's queries give back what they have in memory":                                                          int(server.HoldChunks.Milliseconds()),
	"time that peers have to read their answers when the server stops":                                                                   int(server.Grace.Milliseconds()),
}

// parseLimit parses a number as people write it: 16,384 or 9 MiB or 2 s or 24 h.
func parseLimit(t *testing.T, text string) int {
	t.Helper()
	units := map[string]int{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "ms": 1, "s": 1000, "h": 3_600_000}
	digits, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(strings.ReplaceAll(digits, ",", ""))
	if err != nil || units[unit] == 0 {
		t.Fatalf("want a number, have %q", text)
	}
	return n * units[unit]
}

// largeFrame reads a constant from the server's C code.
func largeFrame(t *testing.T) int {
	t.Helper()
	source, err := os.ReadFile("internal/zsock/sender.c")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`GW_COUNTED = (\d+)`).FindSubmatch(source)
	if m == nil {
		t.Fatal("want GW_COUNTED in sender.c, have it not")
	}
	return parseLimit(t, string(m[1]))
}

func TestProtocolLimits(t *testing.T) {
	left := maps.Clone(limits)
	left["octets from which on a frame is large"] = largeFrame(t)
	text := specification(t)
	for _, row := range rows(section(t, text, "### Limits") + section(t, text, "## Appendix A: limits of this daemon")) {
		want, ok := left[row[0]]
		if !ok {
			t.Errorf("want a limit that this test knows, once, have %q", row[0])
			continue
		}
		delete(left, row[0])
		if have := parseLimit(t, row[1]); have != want {
			t.Errorf("%s: want %d, have %d", row[0], want, have)
		}
	}
	for missing := range left {
		t.Errorf("want %q in the table, have it not", missing)
	}
}
