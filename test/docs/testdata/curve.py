"""Talks to a daemon that asks for keys, with the files that gorewind keygen wrote.

usage: curve.py DIRECTORY ROUTER PUB
"""
import os
import sys
import time

import zmq
import zmq.auth
from zmq.utils.monitor import recv_monitor_message

directory, router, pub = sys.argv[1:]
context = zmq.Context()
monitors = {}


def certificate(name):
    return zmq.auth.load_certificate(os.path.join(directory, name))


def connect(kind, endpoint, key, server="server"):
    s = context.socket(kind)
    s.linger, s.rcvtimeo, s.sndtimeo = 0, 20_000, 20_000
    if key:
        s.curve_publickey, s.curve_secretkey = certificate(key + ".key_secret")
        s.curve_serverkey = certificate(server + ".key")[0]
    monitors[s] = s.get_monitor_socket()
    s.connect(endpoint)
    if kind == zmq.SUB:
        s.subscribe(b"")
    return s


def ask(s, *frames):
    s.send_multipart(frames)
    return s.recv_multipart()


def check(what, ok):
    if not ok:
        sys.exit("wrong: %r" % (what,))


def let_in(s):
    """Waits for the end of the first handshake."""
    while True:
        check("no handshake", monitors[s].poll(20_000))
        event = recv_monitor_message(monitors[s])["event"]
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return True
        if event in (zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
                     zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL):
            return False


writer = connect(zmq.DEALER, router, "writer")
answer = ask(writer, b"PUBLISH", b"account/17", b"opened")
check(answer, answer[0] == b"PUBLISHED")
answer = ask(writer, b"PUBLISH", b"order/1", b"x")
check(answer, answer[0].startswith(b"ERROR DENIED command=PUBLISH right=write stream=6f726465722f31 ; "))
answer = ask(writer, b"QUERY", b"**", b"", b"", b"match=glob")
check(answer, answer[0].startswith(b"ERROR DENIED command=QUERY right=read ; "))
answer = ask(writer, b"QUERY", b"account/*", b"", b"", b"match=glob", b"limit=1")
check(answer, answer[0] == b"EVENT")
check("END", writer.recv_multipart() == [b"END"])

reader = connect(zmq.DEALER, router, "reader")
answer = ask(reader, b"QUERY", b"account/17", b"", b"", b"limit=1")
check(answer, answer[0] == b"EVENT" and answer[2] == b"opened")
check("END", reader.recv_multipart() == [b"END"])
answer = ask(reader, b"PUBLISH", b"account/17", b"x")
check(answer, answer[0].startswith(b"ERROR DENIED "))

sub = connect(zmq.SUB, pub, "reader")
check("reader at PUB", let_in(sub))
deadline = time.time() + 20
heard = False
while not heard and time.time() < deadline:
    ask(writer, b"PUBLISH", b"account/17", b"again")
    heard = sub.poll(20) and sub.recv_multipart()[0] == b"account/17"
check("no broadcast", heard)

for kind, endpoint, key, server in [
        (zmq.SUB, pub, "writer", "server"),       # it may not read everything
        (zmq.DEALER, router, "outsider", "server"),
        (zmq.DEALER, router, "reader", "outsider"),  # another server's key
        (zmq.DEALER, router, None, None),
        (zmq.SUB, pub, None, None)]:
    s = connect(kind, endpoint, key, server)
    check((kind, key, server), not let_in(s))
    s.disable_monitor()
    s.close()
context.destroy(linger=0)
