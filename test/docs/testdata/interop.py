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
TIMEOUT = 20_000  # milliseconds
context = zmq.Context()

NAMES = [b"\x00", b"\x00\x00", b"\xff", b"\xff\xff", b":", b"a", b"a:", b"a:b", b"ab", b"a\x00",
         b"a\x00b", bytes(range(256))[1:], b"x" * 255]


def check(name, want, have):
    if want != have:
        sys.exit(f"FAILED {name}\nwant {want!r:.500}\nhave {have!r:.500}")


def done(name):
    print("ok", name, flush=True)


def connect(kind, endpoint, rcvhwm=0):
    s = context.socket(kind)
    s.linger = 0
    s.rcvtimeo = s.sndtimeo = TIMEOUT
    s.rcvhwm = rcvhwm
    s.connect(endpoint)
    return s


def id(n):
    return n.to_bytes(8, "big")


class Peer:
    """A DEALER that puts an envelope before its requests and takes it off answers."""

    def __init__(self, endpoint, *envelope, rcvhwm=0):
        self.socket, self.envelope = connect(zmq.DEALER, endpoint, rcvhwm), list(envelope)

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

    def refused(self, code, *frames):
        """Asks for what is an ERROR, and returns its parameters."""
        answer = self.ask(*frames)
        head, _, texts = answer[0].partition(b" ; ")
        word, have, *parameters = head.split(b" ")
        check(f"an ERROR for {frames[0]}", [b"ERROR", code, True], [word, have, len(answer) == 1 and b"; " in texts])
        return dict(p.split(b"=", 1) for p in parameters)

    def query(self, stream, after=b"", upto=b"", *options):
        self.send(b"QUERY", stream, after, upto, *options)
        return self.events([b"END"])

    def events(self, end):
        """Takes EVENTs up to the message that has to come after them."""
        events = []
        while (frames := self.receive())[0] == b"EVENT":
            events.append(frames[1:])
        check("end of EVENTs", end, frames)
        return events

    def news(self):
        """Takes the next message of a follower that has had its first LIVE."""
        while (frames := self.receive()) == [b"LIVE"]:
            pass
        return frames


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
    done("streams of any bytes, one name the prefix of another, empty data")


def subscriptions():
    p = Peer(ROUTER)
    subs = {prefix: connect(zmq.SUB, PUB) for prefix in [b"", b"sub", b"sub:1", b"sub\x00", b"\xff"]}
    for prefix, s in subs.items():
        s.subscribe(prefix)
        if prefix:
            s.subscribe(b"hello")
    for s in subs.values():  # a subscription takes a while to arrive
        for _ in range(TIMEOUT // 10):
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


def append():
    """Several streams at once, expectations, and a key."""
    p = Peer(ROUTER)
    request = [b"APPEND", b"append-1", b"append:1", id(0), b"2", b"one", b"", b"append:2", b"", b"1", b"two",
               b"append:1", b"", b"1", b"three"]
    for _ in range(2):  # again gets the same answer
        check("APPEND", [b"APPENDED", id(2), id(1), id(3)], p.ask(*request))
    p.refused(b"KEY-REUSED", *request[:-1], b"four")
    other = p.ask(b"APPEND", b"append-1", b"append:2", id(1), b"1", b"four")
    check("the key is the first stream's", [b"APPENDED", id(2)], other)
    conflict = p.refused(b"CONFLICT", b"APPEND", b"", b"append:1", id(3), b"1", b"x", b"append:2", id(0), b"1", b"x")
    check("CONFLICT", {b"group": b"1", b"stream": b"append:2".hex().encode(), b"last": id(2).hex().encode()}, conflict)
    check("all or none", [[id(1), b"one"], [id(2), b""], [id(3), b"three"]], p.query(b"append:1"))
    many = [b"%d" % n for n in range(10_000)]
    appended = p.ask(b"APPEND", b"", b"append:many", id(0), b"10000", *many, b"")
    check("10,000 events", [b"APPENDED", id(10_000)], appended)
    check("10,000 events", [[id(n), data] for n, data in enumerate(many, 1)], p.query(b"append:many"))
    p.refused(b"TOO-LARGE", b"APPEND", b"", b"append:many", b"", b"10001", *many, b"x")
    done("APPEND: groups, expectations, a key, as many events as it takes")


def options():
    """Each option of QUERY."""
    p, stream = Peer(ROUTER), b"options/1"
    for n in range(1, 10):
        check("options", [b"PUBLISHED", id(n)], p.ask(b"PUBLISH", stream, b"%d" % n))
    check("options", [b"PUBLISHED", id(1)], p.ask(b"PUBLISH", b"options/1/x", b"inner"))
    check("options", [b"PUBLISHED", id(1)], p.ask(b"PUBLISH", b"options", b"outer"))
    all = p.query(stream)
    check("limit", all[:4], p.query(stream, b"", b"", b"limit=4"))
    check("order=desc", all[:1:-1], p.query(stream, id(2), b"", b"order=desc"))
    check("order=desc and limit", all[-1:], p.query(stream, b"", b"", b"order=desc", b"limit=1"))
    check("nearest", all[6:], p.query(stream, id(6), id(99), b"nearest"))
    check("nearest, reversed", [], p.query(stream, id(6), id(5), b"nearest"))

    meta = p.query(stream, b"", b"", b"meta")
    check("meta", [[i, data, stream, i] for i, data in all], [m[:4] for m in meta])
    positions, times = [m[4] for m in meta], [m[5] for m in meta]
    check("positions rise", sorted(set(positions)), positions)
    check("times do not fall", sorted(times), times)
    check("times have one form", {27}, set(map(len, times)))
    since, until = b"since=" + times[4], b"until=" + times[4]
    check("since", [m for m in meta if m[5] >= times[4]], p.query(stream, b"", b"", since, b"meta"))
    check("until", [m for m in meta if m[5] < times[4]], p.query(stream, b"", b"", b"meta", until))
    check("since and after", meta[6:], p.query(stream, id(6), b"", since, b"meta"))

    selected = [[m[4]] + m[1:] for m in meta]  # to go on from a position
    inner = p.query(b"options/", b"", b"", b"match=prefix")
    check("match=prefix", selected, inner[:-1])
    check("match=prefix", [b"inner", b"options/1/x", id(1)], inner[-1][1:4])
    check("match=prefix after a position", inner[3:], p.query(b"options/", positions[2], b"", b"match=prefix"))
    check("match=glob", selected, p.query(b"options/*", b"", b"", b"match=glob"))
    check("match=glob backward", selected[::-1], p.query(b"options/*", b"", b"", b"match=glob", b"order=desc"))
    both = p.query(b"options/*", b"", b"", b"match=glob", b"also=options/**/x", b"also=nothing")
    check("also", inner, both)
    check("separator", inner, p.query(b"options/*", b"", b"", b"match=glob", b"separator=:"))
    check("everything", inner[-1], p.query(b"", positions[-1], b"", b"match=prefix", b"limit=1")[0])

    facts = dict(f.split(b"=", 1) for f in p.ask(b"INFO")[1:])
    check("store", all, p.query(stream, b"", b"", b"store=" + facts[b"store"] + b"." + facts[b"generation"]))
    p.refused(b"OTHER-STORE", b"QUERY", stream, b"", b"", b"store=0.1")
    for wrong in b"nonsense", b"limit=0", b"limit=1 limit=1", b"follow order=desc", b"also=x", b"since=now":
        p.refused(b"BAD-OPTION", b"QUERY", stream, b"", b"", *wrong.split())
    done("QUERY: limit, order, nearest, meta, since, until, match, also, separator, store")


def streams():
    p, want = Peer(ROUTER), []
    for i in range(25):
        want.append([b"STREAM", b"streams:\xff%02d" % i, id(i + 1)])
    for _, name, last in reversed(want):
        n = int.from_bytes(last, "big")
        check("streams", [b"APPENDED", last], p.ask(b"APPEND", b"", name, b"", b"%d" % n, *[b""] * n))
    have, after = [], b""
    while True:  # pages
        p.send(b"STREAMS", b"streams:\xff", after, b"limit=10")
        page = []
        while (frames := p.receive()) != [b"END"]:
            page.append(frames)
        if not page:
            break
        have, after = have + page, page[-1][1]
    check("STREAMS", want, have)
    done("STREAMS: by prefix, in pages, in byte order")


def follow():
    """History, LIVE and new events, across a stall of the reader."""
    writer, stream, sent = Peer(ROUTER), b"follow/1", 0

    def write(n, size):
        nonlocal sent
        for first in range(sent, sent + n, 500):
            events = [b"%d" % i + b"." * size for i in range(first + 1, first + 501)]
            writer.send(b"APPEND", b"", stream, id(first), b"500", *events)
        for last in range(sent + 500, sent + n + 500, 500):
            check("follow", [b"APPENDED", id(last)], writer.receive())
        sent += n

    write(1000, 0)
    one, many = Peer(ROUTER, b"one", b""), Peer(ROUTER, b"many", b"", rcvhwm=10)
    one.send(b"QUERY", stream, id(500), b"", b"follow")
    many.send(b"QUERY", b"follow/*", b"", b"", b"match=glob", b"follow")
    for p, n in (one, 500), (many, 1000):
        check("stored events of a follower", n, len(p.events([b"LIVE"])))
    write(500, 0)
    for p in one, many:
        for n in range(1001, 1501):
            check("new events of a follower", b"%d" % n, p.news()[2])
    write(20_000, 2000)  # more than libzmq and TCP hold: many stalls
    for n in range(1501, 21_501):
        frames = one.news()
        check("a follower that reads", [id(n), b"%d" % n], [frames[1], frames[2].rstrip(b".")])
    for n in range(1501, 21_501):
        frames = many.news()
        check("a follower that stalled", [b"%d" % n, id(n)], [frames[2].rstrip(b"."), frames[4]])
    for p in one, many:
        p.send(b"CANCEL")
        check("a follower is cancelled", [b"END"], p.news())
    one.send(b"QUERY", stream, id(21_500), b"", b"follow", b"limit=1")
    check("LIVE", [b"LIVE"], one.receive())
    writer.ask(b"PUBLISH", stream, b"last")
    check("follow and limit", [[id(21_501), b"last"]], one.events([b"END"]))
    done("follow: history, LIVE, new events, a stall, CANCEL, limit")


def consumers():
    p, waiting, stream = Peer(ROUTER), Peer(ROUTER, b"w", b""), b"consumers/1"
    for n in range(1, 6):
        p.ask(b"PUBLISH", stream, b"%d" % n)
    check("CURSOR", [b"CURSOR", id(0)], p.ask(b"CURSOR", b"reader", stream))
    waiting.send(b"WAIT", b"reader", stream, id(2), b"%d" % TIMEOUT)
    check("COMMIT", [b"COMMITTED", id(3)], p.ask(b"COMMIT", b"reader", stream, id(3)))
    check("WAIT", [b"REACHED", id(3)], waiting.receive())
    check("CURSOR", [b"CURSOR", id(3)], p.ask(b"CURSOR", b"reader", stream))
    check("consumer", [[id(4), b"4"], [id(5), b"5"]], p.query(stream, b"", b"", b"consumer=reader"))
    check("BEHIND", {b"cursor": id(3).hex().encode()}, p.refused(b"BEHIND", b"COMMIT", b"reader", stream, id(2)))
    check("rewind", [b"COMMITTED", id(2)], p.ask(b"COMMIT", b"reader", stream, id(2), b"rewind"))
    p.refused(b"UNKNOWN-ID", b"COMMIT", b"reader", stream, id(6))
    p.refused(b"BAD-OPTION", b"QUERY", stream, id(1), b"", b"consumer=reader")

    [[last, *_]] = p.query(b"consumers/", b"", b"", b"match=prefix", b"order=desc", b"limit=1")
    check("whole store", [b"COMMITTED", last], p.ask(b"COMMIT", b"reader", b"", last))
    check("whole store", [b"CURSOR", last], p.ask(b"CURSOR", b"reader", b""))
    check("whole store", [], p.query(b"consumers/", b"", b"", b"match=prefix", b"consumer=reader"))
    check("another consumer", [b"COMMITTED", id(1)], p.ask(b"COMMIT", b"gone", stream, id(1)))
    check("another consumer", [b"COMMITTED", id(0)], p.ask(b"COMMIT", b"gone", stream, id(0), b"rewind"))

    p.refused(b"TIMEOUT", b"WAIT", b"reader", stream, id(5), b"1")
    waiting.send(b"WAIT", b"nobody", b"", id(1), b"%d" % TIMEOUT)
    waiting.send(b"CANCEL")
    check("CANCELLED", b"ERROR CANCELLED ;", waiting.receive()[0][:17])
    done("COMMIT, CURSOR, WAIT, CANCEL, consumer")


def erasure():
    p = Peer(ROUTER)
    p.ask(b"APPEND", b"erasure", b"erase", id(0), b"5", b"1", b"2", b"3", b"4", b"5")
    before = p.query(b"erase", b"", b"", b"meta")
    check("REPLACE", [b"REPLACED", id(4)], p.ask(b"REPLACE", b"erase", id(4), b"four"))
    before[3][1] = b"four"
    check("only the data are others", before, p.query(b"erase", b"", b"", b"meta"))
    p.refused(b"UNKNOWN-ID", b"REPLACE", b"erase", id(6), b"")
    p.refused(b"CONFLICT", b"DELETE", b"erase", id(2), id(4))
    for _ in range(2):
        check("DELETE", [b"DELETED"], p.ask(b"DELETE", b"erase", id(2), id(5)))
    check("DELETE", before[2:], p.query(b"erase", b"", b"", b"meta"))
    check("after the deleted", before[2:], p.query(b"erase", id(2), b"", b"meta"))
    unknown = p.refused(b"UNKNOWN-ID", b"QUERY", b"erase", id(1), b"")
    check("UNKNOWN-ID", {b"stream": b"erase".hex().encode(), b"id": id(1).hex().encode()}, unknown)
    p.ask(b"APPEND", b"", b"erase all", id(0), b"2", b"1", b"2")
    check("DELETE", [b"DELETED"], p.ask(b"DELETE", b"erase all", b"", b""))
    check("an emptied stream", [], p.query(b"erase all"))
    check("an emptied stream", [b"END"], p.ask(b"STREAMS", b"erase all", b""))
    check("an emptied stream", [b"APPENDED", id(3)], p.ask(b"APPEND", b"", b"erase all", id(0), b"1", b"3"))
    check("an emptied stream", [b"DELETED"], p.ask(b"DELETE", b"erase all", b"", id(3)))
    done("REPLACE and DELETE, and QUERY after them")


def first():
    conversation("DEALER without delimiter", ROUTER)
    conversation("DEALER with delimiter", ROUTER, b"")
    conversation("DEALER with its own frame", ROUTER, b"\x00\xff", b"")
    request("REQ", ROUTER)
    names()
    subscriptions()
    proxy()
    append()
    options()
    streams()
    follow()
    consumers()
    erasure()


def again():
    p = Peer(ROUTER)
    for name in "DEALER without delimiter", "DEALER with delimiter behind 2 proxies":
        want = [[id(n), b"%d" % n] for n in range(1, 301)] + [[id(301), b""]]
        check("after a restart", want, p.query(name.encode()))
        check("ids go on", [b"PUBLISHED", id(302)], p.ask(b"PUBLISH", name.encode(), b"more"))
    done("everything is there after a restart, and ids go on")

    check("a cursor", [b"CURSOR", id(2)], p.ask(b"CURSOR", b"reader", b"consumers/1"))
    check("a removed cursor", [b"CURSOR", id(0)], p.ask(b"CURSOR", b"gone", b"consumers/1"))
    check("a cursor", [[id(n), b"%d" % n] for n in (3, 4, 5)], p.query(b"consumers/1", b"", b"", b"consumer=reader"))
    check("a cursor of the store", [], p.query(b"consumers/", b"", b"", b"match=prefix", b"consumer=reader"))
    check("WAIT", [b"REACHED", id(2)], p.ask(b"WAIT", b"reader", b"consumers/1", id(2), b"0"))
    keyed = [b"APPEND", b"erasure", b"erase", id(0), b"5", b"1", b"2", b"3", b"4"]
    check("a key, of deleted events too", [b"APPENDED", id(5)], p.ask(*keyed, b"5"))
    p.refused(b"KEY-REUSED", *keyed, b"6")
    check("REPLACE and DELETE", [[id(3), b"3"], [id(4), b"four"], [id(5), b"5"]], p.query(b"erase"))
    check("an emptied stream", [], p.query(b"erase all"))
    check("an emptied stream", [b"APPENDED", id(4)], p.ask(b"APPEND", b"", b"erase all", id(0), b"1", b"4"))
    done("cursors, keys, replaced and deleted events are as they were")


{"first": first, "again": again}[sys.argv[1]]()
sys.stdout.flush()
os._exit(0)  # the proxies' threads would have the context wait for ever
