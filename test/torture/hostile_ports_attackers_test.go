package torture

import (
	"bytes"
	"context"
	order "encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// An attacker is malicious or broken. All that it does follows from
// r, save when it is interrupted.
type attacker struct {
	*hostileRun
	ctx context.Context // ends with the round
	r   *rand.Rand
}

// chance is true once in n times.
func (x *attacker) chance(n int) bool { return x.r.IntN(n) == 0 }

// linger waits at most so long, or until the round is over.
func (x *attacker) linger(most time.Duration) {
	select {
	case <-time.After(time.Duration(x.r.Int64N(int64(most)))):
	case <-x.ctx.Done():
	}
}

func (x *attacker) noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(x.r.Uint32())
	}
	return b
}

// door returns one of the two endpoints, the ROUTER's more often.
func (x *attacker) door() string {
	if x.chance(3) {
		return x.d.Pub
	}
	return x.d.Router
}

// connect returns a TCP connection to a door, nil when it gets none.
func (x *attacker) connect(door string) *net.TCPConn {
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(door, "tcp://"), 5*time.Second)
	if err != nil {
		return nil // the daemon ends, or the kernel has enough of the floods
	}
	return c.(*net.TCPConn)
}

// flood opens many connections, some to hang up at once and some to stay.
func (x *attacker) flood() {
	x.floods.Add(1)
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
			<-x.room
		}
	}()
	for range 50 + x.r.IntN(floodedAtOnce) {
		select {
		case x.room <- struct{}{}:
		default: // other floods hold all that there may be
			return
		}
		c := x.connect(x.door())
		if c == nil || x.chance(3) {
			if c != nil {
				c.Close()
			}
			<-x.room
			continue
		}
		held = append(held, c)
		whole := slices.Concat(greeting(), ready("DEALER", nil))
		_, _ = c.Write(whole[:x.r.IntN(len(whole)+1)]) // the daemon may have ended
	}
	x.linger(time.Second)
}

// raw speaks ZMTP itself. What comes back must be whole, for as long as its own
// greeting was right.
func (x *attacker) raw() error {
	x.streams.Add(1)
	door := x.door()
	c := x.connect(door)
	if c == nil {
		return nil
	}
	defer c.Close()
	hello, rest, sound := x.stream(door == x.d.Pub)
	if x.chance(3) {
		_ = c.SetLinger(0) // it ends with a reset
	}
	e := &ear{answered: make(chan struct{})}
	deaf := make(chan struct{})
	go func() { // until the connection ends
		defer close(deaf)
		const most = 4 << 20
		_, _ = io.CopyN(e, c, most)
	}()
	x.utter(c, hello)
	if !x.chance(10) { // libzmq hangs up on who does not wait for its READY
		select {
		case <-e.answered:
		case <-deaf:
		case <-time.After(50 * time.Millisecond):
		}
	}
	x.utter(c, rest)
	if x.chance(2) {
		x.linger(300 * time.Millisecond)
	}
	if x.chance(4) {
		_ = c.CloseWrite()
		x.linger(100 * time.Millisecond)
	}
	c.Close()
	<-deaf
	if !sound {
		return nil
	}
	messages, err := unframe(e.heard)
	if err != nil {
		return fmt.Errorf("%w in %.200q", err, e.heard)
	}
	for _, m := range messages {
		if err := x.whole(m, door == x.d.Pub); err != nil {
			return err
		}
	}
	x.heard.Add(int64(len(messages)))
	return nil
}

// An ear keeps what was heard.
type ear struct {
	heard    []byte
	answered chan struct{} // closed when more than a greeting has come
}

func (e *ear) Write(b []byte) (int, error) {
	before := len(e.heard)
	e.heard = append(e.heard, b...)
	if before <= greetingSize && len(e.heard) > greetingSize {
		close(e.answered)
	}
	return len(b), nil
}

// utter sends bytes in pieces.
func (x *attacker) utter(c *net.TCPConn, b []byte) {
	for len(b) > 0 && x.ctx.Err() == nil {
		n := len(b)
		if x.chance(2) {
			n = 1 + x.r.IntN(n)
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(b[:n]); err != nil {
			return // the daemon has hung up
		}
		b = b[n:]
		x.linger(5 * time.Millisecond)
	}
}

// whole checks a message that a attacker received: a broadcast, or one answer of
// the protocol, perhaps in an envelope.
func (x *attacker) whole(m [][]byte, broadcast bool) error {
	if broadcast {
		if b, ok := wire.ParseBroadcast(m); !ok || len(b.Frames()) != len(m) {
			return fmt.Errorf("not a broadcast: %.200q", m)
		}
		return nil
	}
	_, _, err := x.answer(m)
	return err
}

// answer parts a message into an envelope and an answer.
func (x *attacker) answer(m [][]byte) (envelope [][]byte, r wire.Reply, err error) {
	envelope, body, err := wire.Split(m)
	if errors.Is(err, wire.ErrNoDelimiter) { // an ERROR, which is no word
		envelope, body, err = nil, m, nil
	}
	if err == nil {
		r, err = wire.ParseReply(body)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("not an answer: %w: %.200q", err, m)
	}
	x.answers.Add(1)
	if e, ok := r.(*wire.Error); ok {
		x.refusals.Add(1)
		if !slices.Contains(blame, e.Code) && !(e.Code == wire.Stopping && x.stopping.Load()) || len(body) != 1 {
			return nil, nil, fmt.Errorf("not an ERROR that a attacker has earned: %.200q", m)
		}
	}
	return envelope, r, nil
}

// blame are the codes for what is a peer's fault. The others would be the daemon's.
var blame = []wire.Code{
	wire.Malformed, wire.UnknownCommand, wire.BadOption, wire.UnknownID, wire.BadRange, wire.TooLarge, wire.Conflict,
	wire.KeyReused, wire.Behind, wire.Timeout, wire.Cancelled, wire.OtherStore,
}

// hostileTypes are the socket types that a attacker may say to have.
var hostileTypes = []string{
	"DEALER", "REQ", "ROUTER", "SUB", "XSUB", "PUB", "XPUB", "PAIR", "REP", "PUSH", "PULL", "STREAM", "", "NONSENSE", "dealer",
}

// rightType returns the type of socket that a door expects.
func rightType(pub bool) string {
	if pub {
		return "SUB"
	}
	return "DEALER"
}

// stream returns what to send over a connection, the rest of it after an answer,
// and whether the greeting is such that the answer is in ZMTP 3.
func (x *attacker) stream(pub bool) (hello, rest []byte, sound bool) {
	hello = greeting()
	shaken := append(greeting(), ready(rightType(pub), nil)...)
	switch x.r.IntN(14) {
	case 0:
		return nil, nil, true
	case 1:
		return hello[:x.r.IntN(len(hello))], nil, true
	case 2:
		return x.mutate(hello, 3), x.session(pub), false
	case 3:
		return slices.Clone(oldGreetings[x.r.IntN(len(oldGreetings))]), x.mutate(x.session(pub), x.r.IntN(4)), false
	case 4:
		return nil, x.noise(x.r.IntN(4000)), false
	case 5: // half a handshake, or a wrong one
		return append(hello, x.handshake()...), x.session(pub), true
	case 6:
		hands := x.handshake()
		return append(hello, hands[:x.r.IntN(len(hands)+1)]...), nil, true
	case 7: // a length that nobody can mean, or that is a little too much
		size := []uint64{1<<63 - 1, 1 << 63, 1<<64 - 1, 1 << 32, 1<<31 - 1, hostileFrame + 1, hostileFrame}[x.r.IntN(7)]
		head := order.BigEndian.AppendUint64([]byte{flagLong | byte(x.r.IntN(8))}, size)
		return shaken, slices.Concat(x.session(pub), head, x.noise(x.r.IntN(2000))), true
	case 8: // a message that does not end
		more, n := frame(flagMore, x.noise(x.r.IntN(64))), 4000
		if x.chance(4) {
			more, n = frame(flagMore, make([]byte, hostileFrame-x.r.IntN(2))), 16
		}
		return shaken, bytes.Repeat(more, x.r.IntN(n)), true
	case 9, 10:
		if x.chance(3) {
			shaken = append(hello, ready(rightType(pub), x.routingID())...)
		}
		return shaken, x.session(pub), true
	}
	rest = x.mutate(x.session(pub), 1+x.r.IntN(20))
	return shaken, rest[:x.r.IntN(len(rest)+1)], true
}

// handshake returns a command that should be READY.
func (x *attacker) handshake() []byte {
	switch x.r.IntN(6) {
	case 0:
		return ready(hostileTypes[x.r.IntN(len(hostileTypes))], x.noise(x.r.IntN(300)))
	case 1:
		return frame(flagCommand, append([]byte("\x05ERROR"), append([]byte{byte(x.r.Uint32())}, x.noise(x.r.IntN(100))...)...))
	case 2:
		return x.command()
	case 3:
		return frame(byte(x.r.IntN(4)), x.noise(x.r.IntN(300))) // a message where a command is due
	}
	body := []byte("\x05READY")
	for range x.r.IntN(50) {
		body = append(body, property(string(x.noise(x.r.IntN(256))), x.noise(x.r.IntN(40)))...)
	}
	if x.chance(2) {
		body = append(body, property("Socket-Type", []byte("DEALER"))...)
	}
	return frame(flagCommand, x.mutate(body, x.r.IntN(4)))
}

// command returns a command of ZMTP, which a peer may send at any time.
func (x *attacker) command() []byte {
	name := []string{
		"\x04PING\x00\x0a", "\x04PONG", "\x09SUBSCRIBE", "\x06CANCEL", "\x05READY", "\x05ERROR\x03why", "\x05HELLO", "\x00", "\xff",
	}[x.r.IntN(9)]
	return frame(flagCommand|byte(x.r.IntN(2)*x.r.IntN(2)), append([]byte(name), x.noise(x.r.IntN(40)*x.r.IntN(20))...))
}

// session returns what a client sends after the handshake: each of the project's
// commands, or subscriptions, with commands of ZMTP among them.
func (x *attacker) session(pub bool) (b []byte) {
	for n := x.r.IntN(40); n >= 0; n-- {
		switch {
		case x.chance(12):
			b = append(b, x.command()...)
		case pub != x.chance(10):
			b = append(b, frame(byte(x.r.IntN(20)/19), x.subscription())...)
		default:
			b = append(b, framed(x.message())...)
		}
	}
	return b
}

// subscription returns the frame that begins or ends one.
func (x *attacker) subscription() []byte {
	size := x.r.IntN(4)
	if x.chance(10) {
		size = x.r.IntN(1000)
	}
	return append([]byte{byte(x.r.IntN(3))}, x.noise(size)...)
}

// mutate flips, inserts and deletes bytes, n times.
func (x *attacker) mutate(b []byte, n int) []byte {
	for range n {
		if len(b) == 0 {
			return b
		}
		at := x.r.IntN(len(b))
		switch x.r.IntN(5) {
		case 0:
			b[at] ^= 1 << x.r.IntN(8)
		case 1:
			b[at] = byte(x.r.Uint32())
		case 2:
			b = slices.Insert(b, at, x.noise(1+x.r.IntN(9))...)
		case 3:
			b = slices.Delete(b, at, min(at+1+x.r.IntN(9), len(b)))
		case 4: // once more
			b = slices.Insert(b, at, slices.Clone(b[at:min(at+x.r.IntN(200), len(b))])...)
		}
	}
	return b
}

// routingID returns one of a few, so that attackers steal them from each other, or
// one that looks like libzmq's own.
func (x *attacker) routingID() []byte {
	if x.chance(4) {
		return append([]byte{0}, x.noise(4)...)
	}
	return fmt.Appendf(nil, "attacker %d", x.r.IntN(4))
}

// farewell is how long a attacker's socket goes on to send after it was closed.
// With none, libzmq aborts this process where a connection ends in the middle of a
// message while its socket closes.
const farewell = 3 * time.Second

// socket returns a socket that is connected to a door.
func (x *attacker) socket(kind zmq.Type, door string, chosen bool) (*zmq.Socket, error) {
	z, err := zmq.NewSocket(kind)
	if err != nil {
		return nil, err
	}
	err = errors.Join(z.SetLinger(farewell), z.SetSndhwm(1000), z.SetRcvtimeo(100*time.Millisecond), z.SetSndtimeo(0))
	if chosen {
		err = errors.Join(err, z.SetIdentity(fmt.Sprintf("attacker %d", x.r.IntN(4)))) // libzmq refuses others like its own
	}
	if kind == zmq.ROUTER {
		err = errors.Join(err, z.SetConnectRid("daemon"), z.SetProbeRouter(x.r.IntN(2)))
	}
	if kind == zmq.SUB {
		err = errors.Join(err, z.SetSubscribe(""))
	}
	if err = errors.Join(err, z.Connect(door)); err != nil {
		z.Close()
		return nil, err
	}
	return z, nil
}

var misfits = []zmq.Type{zmq.REQ, zmq.REP, zmq.PUSH, zmq.PULL, zmq.SUB, zmq.XSUB, zmq.PUB, zmq.XPUB, zmq.PAIR, zmq.ROUTER, zmq.DEALER}

// misfit sends requests with a socket of any type to any door. Most go nowhere.
func (x *attacker) misfit() error {
	kind, door := misfits[x.r.IntN(len(misfits))], x.door()
	z, err := x.socket(kind, door, x.chance(4))
	if err != nil {
		return err
	}
	defer z.Close()
	for range x.r.IntN(60) {
		m := x.message()
		switch {
		case kind == zmq.ROUTER:
			m = slices.Insert(m, 0, []byte("daemon"))
		case kind == zmq.XSUB && x.chance(2):
			m = [][]byte{x.subscription()}
		}
		if _, err := z.SendMessageDontwait(m); err == nil {
			x.messages.Add(1)
		} else if kind == zmq.REQ || x.chance(8) { // not connected yet, or waiting for an answer
			x.linger(20 * time.Millisecond)
		}
		for n := x.r.IntN(20); n > 0; n-- {
			got, err := z.RecvMessageBytes(zmq.DONTWAIT)
			if err != nil {
				break
			}
			if kind == zmq.ROUTER {
				got = got[1:]
			}
			if err := x.whole(got, door == x.d.Pub); err != nil {
				return fmt.Errorf("%v: %w", kind, err)
			}
		}
		if x.ctx.Err() != nil {
			break
		}
	}
	return nil
}

// dealer sends requests, good and bad, and reads the answers now and then, at the
// end, or never. Each has to be one that is due.
func (x *attacker) dealer() error {
	z, err := x.socket(zmq.DEALER, x.d.Router, false)
	if err != nil {
		return err
	}
	defer z.Close()
	l := &owed{lanes: make(map[string][]due)}
	reads := !x.chance(4)
	budget := 1 << 20 // bytes; what libzmq holds of a peer's has a bound of messages only
	for n := x.r.IntN(300); n > 0 && budget > 0 && x.ctx.Err() == nil; n-- {
		m := x.message()
		for _, f := range m {
			budget -= len(f)
		}
		if _, err := z.SendMessageDontwait(m); err != nil {
			break // it does not take more
		}
		x.messages.Add(1)
		l.enter(m)
		if reads && x.chance(10) {
			if err := x.record(z, l, zmq.DONTWAIT, x.r.IntN(1000)); err != nil {
				return err
			}
		}
	}
	if !reads {
		x.linger(500 * time.Millisecond)
		return nil
	}
	return x.record(z, l, 0, 20_000)
}

// record receives up to so many answers and checks them against what is owed.
func (x *attacker) record(z *zmq.Socket, l *owed, flags zmq.Flag, most int) error {
	for ; most > 0 && x.ctx.Err() == nil; most-- {
		m, err := z.RecvMessageBytes(flags)
		if err != nil {
			return nil // nothing more has come
		}
		envelope, r, err := x.answer(m)
		if err != nil {
			return err
		}
		if err := l.record(envelope, r); err != nil {
			return err
		}
	}
	return nil
}

// An owed is what a DEALER is owed: in each envelope, answers to its requests in
// their order.
type owed struct {
	lanes map[string][]due
	lossy bool // the connection has ended, and answers with it
}

// A due is a request that was not answered to the end.
type due struct {
	command string
	refused wire.Code // it is malformed
	payload [][]byte
}

func (d due) String() string {
	return fmt.Sprintf("%s %.300q %s", d.command, fmt.Sprintf("%q", d.payload), d.refused)
}

func laneOf(envelope [][]byte) string { return fmt.Sprintf("%q", envelope) }

// enter takes note of a message that was sent.
func (l *owed) enter(m [][]byte) {
	if slices.ContainsFunc(m, func(f []byte) bool { return len(f) > hostileFrame }) {
		l.lossy = true
		return
	}
	cut := len(m) > hostileFrames
	envelope, body, err := wire.Split(m[:min(len(m), hostileFrames)])
	if errors.Is(err, wire.ErrEnvelope) {
		return
	}
	var d due
	switch {
	case cut:
		d.refused = wire.TooLarge
	case err != nil:
		d.refused = wire.Malformed
	default:
		r, refused := wire.ParseRequest(body)
		if _, cancel := r.(wire.Cancel); cancel && refused == nil {
			return // it has no answer of its own
		}
		if refused != nil {
			d.refused = refused.Code
		}
		if len(body) > 0 {
			d.command, d.payload = string(body[0]), body[1:]
		}
	}
	lane := laneOf(envelope)
	l.lanes[lane] = append(l.lanes[lane], d)
}

// record takes note of an answer, and returns an error if it is not due.
func (l *owed) record(envelope [][]byte, r wire.Reply) error {
	lane := laneOf(envelope)
	for len(l.lanes[lane]) > 0 {
		fits, final := l.lanes[lane][0].fits(r)
		if fits && !final {
			return nil
		}
		if !fits && !l.lossy {
			return fmt.Errorf("want an answer to %s, have %.200v", l.lanes[lane][0], r)
		}
		l.lanes[lane] = l.lanes[lane][1:]
		if fits {
			return nil
		}
	}
	return fmt.Errorf("nothing is due in the envelope %.200s, have %.200v", lane, r)
}

// fits reports whether r may answer the request, and whether that is all.
func (d due) fits(r wire.Reply) (fits, final bool) {
	is := func(commands ...string) bool { return d.refused == "" && slices.Contains(commands, d.command) }
	switch r := r.(type) {
	case *wire.Error:
		if d.refused != "" {
			return r.Code == d.refused || r.Code == wire.TooLarge, true
		}
		return r.Code != wire.Malformed && r.Code != wire.UnknownCommand, true
	case wire.Published:
		return is(wire.PUBLISH), true
	case wire.Appended:
		return is(wire.APPEND), true
	case wire.Event, wire.Live:
		return is(wire.QUERY), false
	case wire.StreamReply:
		return is(wire.STREAMS), false
	case wire.End:
		return is(wire.QUERY, wire.STREAMS), true
	case wire.Replaced:
		return is(wire.REPLACE), true
	case wire.Deleted:
		return is(wire.DELETE), true
	case wire.Committed:
		return is(wire.COMMIT), true
	case wire.CursorReply:
		return is(wire.CURSOR), true
	case wire.Reached:
		return is(wire.WAIT), true
	case wire.InfoReply:
		return is(wire.INFO), true
	case wire.Pong:
		return is(wire.PING) && slices.EqualFunc(r.Payload, d.payload, bytes.Equal), true
	}
	return false, false
}

// message returns a request of any command with an envelope or without, as it
// should be or not.
func (x *attacker) message() [][]byte {
	m := x.request()
	if x.chance(2) {
		for range 1 + x.r.IntN(3) {
			m = x.garble(m)
		}
	}
	switch x.r.IntN(6) {
	case 0:
		m = slices.Concat(x.envelope(), m)
	case 1, 2, 3: // one of a few, so that requests wait for each other
		m = slices.Concat([][]byte{fmt.Appendf(nil, "%d", x.r.IntN(5)), {}}, m)
	}
	if len(m) == 0 {
		m = [][]byte{{}}
	}
	if x.chance(500) {
		m = append(m, make([][]byte, hostileFrames+x.r.IntN(4000))...)
	}
	return m
}

// envelope returns 0 to 20 frames, of up to twice as many bytes as there may be.
func (x *attacker) envelope() (out [][]byte) {
	most := []int{4, 60, 100, 1100}[x.r.IntN(4)]
	for range x.r.IntN(21) {
		out = append(out, x.noise(x.r.IntN(most)))
	}
	return append(out, []byte{})
}

// garble returns frames with one of them gone, repeated, moved, changed or added.
func (x *attacker) garble(m [][]byte) [][]byte {
	if len(m) == 0 {
		return m
	}
	at, other := x.r.IntN(len(m)), x.r.IntN(len(m))
	switch x.r.IntN(10) {
	case 0:
		return slices.Delete(m, at, at+1)
	case 1:
		return slices.Insert(m, at, m[other])
	case 2:
		m[at], m[other] = m[other], m[at]
	case 3:
		m[at] = x.noise(x.r.IntN(600))
	case 4:
		m[at] = nil
	case 5:
		return slices.Insert(m, at, x.noise(x.r.IntN(20)))
	case 6:
		return append(m, x.option())
	case 7:
		return m[:at+1]
	case 8:
		if x.chance(20) {
			m[at] = make([]byte, hostileEvent+1+x.r.IntN(2*hostileEvent))
		}
	default:
		m[at] = x.mutate(slices.Clone(m[at]), 1+x.r.IntN(3))
	}
	return m
}

const hostileStreams = 10

// name returns that of a stream of the attackers.
func (x *attacker) name() []byte {
	if x.chance(20) {
		return x.noise([]int{1, 10, wire.MaxStream, wire.MaxStream + 1}[x.r.IntN(4)])
	}
	return fmt.Appendf(nil, "h/%d", x.r.IntN(hostileStreams))
}

func (x *attacker) consumer() []byte { return fmt.Appendf(nil, "c%d", x.r.IntN(5)) }

// id returns a small one, so that it is often there.
func (x *attacker) id() []byte {
	if x.chance(10) {
		return wire.ID(x.r.Uint64())
	}
	return wire.ID(uint64(x.r.IntN(20)))
}

// bound returns an id or none.
func (x *attacker) bound() []byte {
	if x.chance(2) {
		return []byte{}
	}
	return x.id()
}

func (x *attacker) data() []byte {
	switch x.r.IntN(60) {
	case 0:
		return make([]byte, x.r.IntN(hostileEvent+1))
	case 1:
		return make([]byte, hostileEvent+1)
	}
	return x.noise(x.r.IntN(200))
}

var hostileOptions = []string{
	"limit=1", "limit=5", "limit=0", "limit=99999999999999999999", "order=desc", "order=asc", "order=", "nearest", "nearest=1", "follow",
	"follow", "meta", "match=prefix", "match=prefix", "match=glob", "match=glob", "match=", "also=h/*", "also=**", "also=\\",
	"also=*a*a*a*a*a*a*a*a*", "separator=/", "separator=", "separator=\x00", "consumer=c1", "consumer=", "store=0.0", "store=x",
	"since=2001-01-01T00:00:00Z", "since=9999-12-31T23:59:59Z", "until=2001-01-01T00:00:00+23:59", "until=tomorrow", "rewind", "=", "", "x=y",
}

func (x *attacker) option() []byte { return []byte(hostileOptions[x.r.IntN(len(hostileOptions))]) }

// options returns some, with a weight on few.
func (x *attacker) options() (out [][]byte) {
	for range x.r.IntN(4) * x.r.IntN(3) {
		out = append(out, x.option())
	}
	return out
}

// request returns the frames of a request, which is mostly good.
func (x *attacker) request() [][]byte {
	word := func(w string, args ...[]byte) [][]byte { return slices.Insert(args, 0, []byte(w)) }
	switch x.r.IntN(14) {
	case 0, 1, 2:
		return word(wire.PUBLISH, x.name(), x.data())
	case 3:
		return x.append()
	case 4:
		return append(word(wire.QUERY, x.name(), x.bound(), x.bound()), x.options()...)
	case 5:
		m := word(wire.QUERY, []byte([]string{"", "h/", "*", "h/*", "**", "h/\\", "good *"}[x.r.IntN(7)]), x.bound(), []byte{},
			[]byte([]string{"match=glob", "match=prefix"}[x.r.IntN(2)]))
		return append(m, x.options()...)
	case 6:
		return append(word(wire.STREAMS, x.name()[:x.r.IntN(2)], x.name()), x.options()...)
	case 7:
		return word(wire.CANCEL)
	case 8:
		return word(wire.REPLACE, x.name(), x.id(), x.data())
	case 9:
		return word(wire.DELETE, x.name(), x.id(), x.bound())
	case 10:
		m := word(wire.COMMIT, x.consumer(), x.name(), x.id())
		if x.chance(2) {
			m = append(m, []byte("rewind"))
		}
		return m
	case 11:
		return word(wire.CURSOR, x.consumer(), x.name())
	case 12:
		ms := []string{"0", "10", "500", "86400000", "86400001", "-1"}[x.r.IntN(6)]
		return word(wire.WAIT, x.consumer(), x.name(), x.id(), []byte(ms))
	}
	if x.chance(2) {
		return word(wire.INFO)
	}
	return word(wire.PING, x.noise(x.r.IntN(30)), x.noise(x.r.IntN(300)))
}

// append returns an APPEND with a few groups.
func (x *attacker) append() [][]byte {
	m := [][]byte{[]byte(wire.APPEND), fmt.Appendf(nil, "%d", x.r.IntN(50))}
	if x.chance(2) {
		m[1] = nil
	}
	for range 1 + x.r.IntN(3) {
		n := 1 + x.r.IntN(4)
		expected := []byte{}
		if x.chance(4) {
			expected = x.id()
		}
		m = append(m, x.name(), expected, strconv.AppendInt(nil, int64(n), 10))
		for range n {
			m = append(m, x.noise(x.r.IntN(50)))
		}
	}
	return m
}
