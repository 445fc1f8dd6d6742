"""Checks a Gorewind daemon from another language's ZeroMQ.

usage: interop.py first|again ROUTER PUB

Prints a line for each check; ends with a message at the first that fails.
"first" wants an empty store; "again" wants what "first" has left, after a restart.
"""
import os
import sys
import threading

import zmq

ROUTER, PUB = sys.argv[2], sys.argv[3]
PATIENCE = 20_000  # milliseconds
context = zmq.Context()

NAMES = [b"\x00", b"\x00\x00", b"\xff", b"\xff\xff", b":", b"a", b"a:", b"a:b", b"ab", b"a\x00",
         b"a\x00b", bytes(range(256))[1:], b"x" * 255]


def check(name, want, have):
    if want != have:
        sys.exit(f"FAILED {name}\nwant {want!r:.500}\nhave {have!r:.500}")


def done(name):
    print("ok", name, flush=True)


def connect(kind, endpoint):
    s = context.socket(kind)
    s.linger = 0
    s.rcvtimeo = s.sndtimeo = PATIENCE
    s.rcvhwm = 0
    s.connect(endpoint)
    return s


def id(n):
    return n.to_bytes(8, "big")


class Peer:
    """A DEALER that puts an envelope before its requests and takes it off answers."""

    def __init__(self, endpoint, *envelope):
        self.socket, self.envelope = connect(zmq.DEALER, endpoint), list(envelope)

    def send(self, *frames):
        self.socket.send_multipart(self.envelope + list(frames))

    def receive(self):
        frames = self.socket.recv_multipart()
        n = len(self.envelope)
        check("envelope", self.envelope, frames[:n])
        return frames[n:]

    def ask(self, *frames):
        self.send(*frames)
        return self.receive()

    def query(self, stream, after=b"", upto=b""):
        self.send(b"QUERY", stream, after, upto)
        events = []
        while (frames := self.receive())[0] == b"EVENT":
            events.append(frames[1:])
        check("end of a query", [b"END"], frames)
        return events


def conversation(name, endpoint, *envelope):
    """Writes and reads with an envelope, as the only one to use a stream."""
    stream = name.encode()
    p = Peer(endpoint, *envelope)
    check(name, [b"PONG", b"x", b""], p.ask(b"PING", b"x", b""))
    check(name, [], p.query(stream))
    for n in range(1, 301):
        check(name, [b"PUBLISHED", id(n)], p.ask(b"PUBLISH", stream, b"%d" % n))
    events = p.query(stream)
    check(name, [[id(n), b"%d" % n] for n in range(1, 301)], events)
    check(name + ": ids sort", sorted(events), events)
    check(name, events[3:7], p.query(stream, id(3), id(7)))
    check(name, b"ERROR UNKNOWN-ID", p.ask(b"QUERY", stream, id(301), b"")[0][:16])
    check(name, b"ERROR MALFORMED ", p.ask(b"PUBLISH", stream)[0][:16])
    check(name, [b"PUBLISHED", id(301)], p.ask(b"PUBLISH", stream, b""))
    check(name, [[id(301), b""]], p.query(stream, id(300)))
    done(name)


def request(name, endpoint):
    """REQ takes one frame list for each request, so it asks for nothing longer."""
    s = connect(zmq.REQ, endpoint)

    def ask(*frames):
        s.send_multipart(frames)
        return s.recv_multipart()

    for n in range(1, 51):
        check(name, [b"PUBLISHED", id(n)], ask(b"PUBLISH", name.encode(), b"data"))
    check(name, [b"END"], ask(b"QUERY", name.encode(), id(50), b""))
    check(name, b"INFO", ask(b"INFO")[0])
    check(name, b"ERROR UNKNOWN-COMMAND", ask(b"FROBNICATE")[0][:21])
    done(name)


def names():
    p = Peer(ROUTER)
    for i, name in enumerate(NAMES):
        for n, data in enumerate([name, b"", b"%d" % i], 1):
            check("names", [b"PUBLISHED", id(n)], p.ask(b"PUBLISH", name, data))
    for i, name in enumerate(NAMES):
        check("names", [[id(1), name], [id(2), b""], [id(3), b"%d" % i]], p.query(name))
    done("streams of any octets, one name the prefix of another, empty data")


def subscriptions():
    p = Peer(ROUTER)
    subs = {prefix: connect(zmq.SUB, PUB) for prefix in [b"", b"sub", b"sub:1", b"sub\x00", b"\xff"]}
    for prefix, s in subs.items():
        s.subscribe(prefix)
        if prefix:
            s.subscribe(b"hello")
    for s in subs.values():  # a subscription takes a moment to arrive
        for _ in range(PATIENCE // 10):
            p.ask(b"PUBLISH", b"hello", b"")
            if s.poll(10):
                break
        else:
            sys.exit("FAILED a subscriber hears nothing")
    sent = []
    for i in range(2000):
        stream = [b"sub", b"sub:1", b"sub:10", b"sub\x00x", b"\xff\xff", b"su"][i % 6]
        sent.append([stream, b"", b"%d" % i])
        p.send(b"PUBLISH", stream, b"%d" % i)
    for frames in sent:
        reply = p.receive()
        if reply[0] != b"PUBLISHED":
            sys.exit(f"FAILED subscriptions: {reply}")
        frames[1] = reply[1]  # names() has used some of the streams before
    for prefix, s in subs.items():
        for want in (f for f in sent if f[0].startswith(prefix)):
            while (have := s.recv_multipart())[0] == b"hello":
                pass
            check(f"prefix {prefix}", want, have)
    done("SUB with prefixes, everything in commit order")


def proxy():
    """Two of libzmq's own proxies, one behind the other."""
    endpoint = ROUTER
    for depth in 1, 2:
        front, back = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
        front.rcvhwm = front.sndhwm = back.rcvhwm = back.sndhwm = 0
        back.connect(endpoint)
        endpoint = f"tcp://127.0.0.1:{front.bind_to_random_port('tcp://127.0.0.1')}"
        threading.Thread(target=zmq.proxy, args=(front, back), daemon=True).start()
        request(f"REQ behind {depth} proxies", endpoint)
        conversation(f"DEALER with delimiter behind {depth} proxies", endpoint, b"")
        conversation(f"DEALER with its own frame behind {depth} proxies", endpoint, b"mine", b"")
    one, two = Peer(endpoint, b"one", b""), Peer(endpoint, b"two", b"")
    for p in one, two:
        for i in range(500):
            p.send(b"PING", p.envelope[0], b"%d" % i)
    for p in two, one:
        for i in range(500):
            check("proxy", [b"PONG", p.envelope[0], b"%d" % i], p.receive())
    done("two clients behind the same proxies get their own answers")


def first():
    conversation("DEALER without delimiter", ROUTER)
    conversation("DEALER with delimiter", ROUTER, b"")
    conversation("DEALER with its own frame", ROUTER, b"\x00\xff", b"")
    request("REQ", ROUTER)
    names()
    subscriptions()
    proxy()


def again():
    p = Peer(ROUTER)
    for name in "DEALER without delimiter", "DEALER with delimiter behind 2 proxies":
        want = [[id(n), b"%d" % n] for n in range(1, 301)] + [[id(301), b""]]
        check("after a restart", want, p.query(name.encode()))
        check("ids go on", [b"PUBLISHED", id(302)], p.ask(b"PUBLISH", name.encode(), b"more"))
    done("everything is there after a restart, and ids go on")


{"first": first, "again": again}[sys.argv[1]]()
sys.stdout.flush()
os._exit(0)  # the proxies' threads would have the context wait for ever
