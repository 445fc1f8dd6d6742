"""Appends COUNT events to a stream and queries the stream; then follows it in the
two ways that there are, while it appends COUNT more. See README.rst one up.

usage: client.py ROUTER PUB STREAM COUNT
"""
import os
import sys

import zmq

if len(sys.argv) != 5:
    sys.exit(__doc__)
ROUTER, PUB, STREAM, COUNT = sys.argv[1], sys.argv[2], os.fsencode(sys.argv[3]), int(sys.argv[4])
SILENCE = int(os.environ.get("SILENCE", "30"))  # seconds; a follower hears something every 10


class Lost(Exception):
    """No answer comes over this socket any more: the request goes over another."""


class Refused(Exception):
    """An ERROR of the server, ERROR CODE name=value … ; what happened; what to do."""

    def __init__(self, text):
        super().__init__(text)
        _, self.code, *facts = text.split(" ; ")[0].split(" ")
        self.facts = dict(fact.split("=", 1) for fact in facts)


def connect(kind, endpoint):
    socket = zmq.Context.instance().socket(kind)
    socket.linger, socket.rcvtimeo = 0, SILENCE * 1000
    if kind == zmq.SUB:
        socket.rcvhwm = 100_000
        socket.subscribe(STREAM)
    socket.connect(endpoint)
    return socket


def receive(socket):
    """Returns the next message of an answer."""
    try:
        message = socket.recv_multipart()
    except zmq.Again:
        raise Lost(f"nothing from {ROUTER} for {SILENCE} s")
    if message[0].startswith(b"ERROR "):
        refused = Refused(message[0].decode())
        raise Lost(refused) if refused.code in ("STOPPING", "OUTCOME-UNKNOWN") else refused
    return message


def show(verb, id, data):
    print(verb, id, data.decode(errors="replace"), flush=True)


class Writer:
    def __init__(self):
        self.socket, self.last, self.count = connect(zmq.DEALER, ROUTER), 0, 0

    def append(self):
        """Appends an event, on condition that it comes right behind the last that is known."""
        self.count += 1
        data = b"python %d" % self.count
        key = os.urandom(16)  # under it the event is stored once, however often it is sent
        while True:
            self.socket.send_multipart([b"APPEND", key, STREAM, self.last.to_bytes(8, "big"), b"1", data])
            try:
                self.last = int.from_bytes(receive(self.socket)[1], "big")
                return show("published", self.last, data)
            except Refused as refused:
                if refused.code != "CONFLICT":
                    raise
                self.last = int(refused.facts["last"], 16)  # who decides by the events reads on to here first
            except Lost as why:
                print(why, file=sys.stderr)
                self.socket.close()
                self.socket = connect(zmq.DEALER, ROUTER)


def query(last=0, *options):
    """Yields id and data of what is stored after an id; with b"follow" of what comes, too."""
    while True:
        try:
            with connect(zmq.DEALER, ROUTER) as socket:
                socket.send_multipart([b"QUERY", STREAM, last.to_bytes(8, "big"), b"", b"nearest", *options])
                while (answer := receive(socket))[0] != b"END":
                    if answer[0] == b"EVENT":  # and not LIVE
                        last = int.from_bytes(answer[1], "big")
                        yield last, answer[2]
                return
        except Lost as why:
            print(why, file=sys.stderr)


def subscribe(last=0):
    """Yields the same as query(last, b"follow"), from broadcasts, of which some may be lost."""
    with connect(zmq.SUB, PUB) as socket:  # before the first QUERY, so that nothing is between them
        while True:
            for last, data in query(last):
                yield last, data
            try:
                while True:
                    stream, id, data, *_ = socket.recv_multipart()
                    id = int.from_bytes(id, "big")
                    if stream == STREAM and id == last + 1:
                        last = id
                        yield last, data
                    elif stream == STREAM and id > last:
                        break  # some were lost: the QUERY has them, and this one
            except zmq.Again:
                pass  # the newest may be lost


writer = Writer()
for _ in range(COUNT):
    writer.append()
for id, data in query():
    show("queried", id, data)
for verb, events in ("followed", query(0, b"follow")), ("subscribed", subscribe()):
    end = writer.count + COUNT
    for id, data in events:
        show(verb, id, data)
        if id >= writer.last:  # what we wrote last has come back
            if writer.count == end:
                break
            writer.append()
