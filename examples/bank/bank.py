"""A small bank: the program of docs/guide.md.

usage: bank.py open ACCOUNT AMOUNT
       bank.py transfer ID FROM TO AMOUNT
       bank.py project DATABASE
       bank.py balance ACCOUNT DATABASE [POSITION]

GOREWIND_CONNECT is the daemon's endpoint, tcp://127.0.0.1:9002 unless set.
"""
import json
import os
import sqlite3
import sys
import time

import zmq  # pip install pyzmq, or Debian's python3-zmq

ENDPOINT = os.environ.get("GOREWIND_CONNECT", "tcp://127.0.0.1:9002")
SILENCE = int(os.environ.get("SILENCE", "30"))  # seconds; a follower hears something every 10
CONSUMER = b"balances"
WHOLE_STORE = b""
EMPTY = bytes(8)  # the id before the first event


class Lost(Exception):
    """No answer comes over this connection any more."""


class Refused(Exception):
    """An ERROR of the daemon: ERROR CODE name=value … ; what happened; what to do."""

    def __init__(self, text):
        super().__init__(text)
        self.code = text.split(" ")[1]


class Connection:
    """A connection to the daemon, which ends with its with-block."""

    def __enter__(self):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger, self.socket.rcvtimeo = 0, SILENCE * 1000
        self.socket.connect(ENDPOINT)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, *frames):
        self.socket.send_multipart(frames)
        return self.receive()

    def receive(self):
        try:
            answer = self.socket.recv_multipart()
        except zmq.Again:
            raise Lost(f"no answer from {ENDPOINT} for {SILENCE} s")
        if answer[0].startswith(b"ERROR "):
            refused = Refused(answer[0].decode())
            raise Lost(refused) if refused.code in ("STOPPING", "OUTCOME-UNKNOWN") else refused
        return answer

    def waiting(self):
        """Says whether a message is there already."""
        return self.socket.poll(0) != 0


def number(frame):
    return int.from_bytes(frame, "big")


def frame(number):
    return number.to_bytes(8, "big")


def event(type, **fields):
    return json.dumps({"type": type, **fields}).encode()


def change(e):
    """Returns what an event does to the balance."""
    return -e["amount"] if e["type"] == "debited" else e["amount"]


def again(do):
    """Does what a new connection can do again, until it is done."""
    while True:
        try:
            with Connection() as daemon:
                return do(daemon)
        except Lost as why:
            print(why, file=sys.stderr)
            time.sleep(0.1)


class Account:
    """What the events of an account come to."""

    def __init__(self, daemon, name):
        self.stream = b"account/" + name.encode()
        self.last = EMPTY  # there is no such account
        self.balance = 0
        self.transfers = {}  # positions of those that left it, by their ids
        answer = daemon.ask(b"QUERY", self.stream, b"", b"", b"meta")
        while answer[0] == b"EVENT":
            _, self.last, data, _, _, position, _ = answer
            e = json.loads(data)
            self.balance += change(e)
            if e["type"] == "debited":
                self.transfers[e["transfer"]] = number(position)
            answer = daemon.receive()


def open_account(daemon, name, amount):
    """Opens an account, once."""
    daemon.ask(b"APPEND", b"open", b"account/" + name.encode(), EMPTY, b"1", event("opened", amount=amount))


def transfer(daemon, id, source, target, amount):
    """Moves money, once for each id, and returns the position of the event that says so."""
    while True:
        a, b = Account(daemon, source), Account(daemon, target)
        if id in a.transfers:
            return a.transfers[id]  # by this request, before a crash of ours, or by somebody else
        if b.last == EMPTY or a.balance < amount:
            raise SystemExit(f"{source} has {a.balance}: no transfer of {amount} to {target}")
        try:
            daemon.ask(
                b"APPEND", b"transfer/" + id.encode(),
                a.stream, a.last, b"1", event("debited", amount=amount, transfer=id),
                b.stream, b.last, b"1", event("credited", amount=amount, transfer=id))
        except Refused as refused:
            if refused.code not in ("CONFLICT", "KEY-REUSED"):
                raise
        # It is stored, or somebody was faster: read on.


def this_store(daemon):
    """Returns the store's id and generation, which a restore raises."""
    facts = dict(fact.decode().split("=", 1) for fact in daemon.ask(b"INFO")[1:])
    return facts["store"] + "." + facts["generation"]


class Projection:
    """The balances of all accounts in SQLite, beside the position that they are of."""

    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript("""
            CREATE TABLE IF NOT EXISTS balance (account TEXT PRIMARY KEY, amount INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS progress (store TEXT NOT NULL, position INTEGER NOT NULL);
        """)

    def progress(self):
        return self.db.execute("SELECT store, position FROM progress").fetchone()

    def apply(self, events):
        """Applies events, and notes the position of the last: both or neither."""
        self.db.execute("BEGIN IMMEDIATE")
        for place, data, stream in events:
            self.db.execute(
                "INSERT INTO balance VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET amount = amount + excluded.amount",
                (stream.decode().removeprefix("account/"), change(json.loads(data))))
            self.db.execute("UPDATE progress SET position = ?", (place,))
        self.db.execute("COMMIT")

    def start_over(self, daemon, store):
        """Forgets everything: its positions mean nothing in this store."""
        daemon.ask(b"COMMIT", CONSUMER, WHOLE_STORE, EMPTY, b"rewind")
        self.db.executescript("BEGIN IMMEDIATE; DELETE FROM balance; DELETE FROM progress")
        self.db.execute("INSERT INTO progress VALUES (?, 0)", (store,))
        self.db.execute("COMMIT")

    def follow(self, daemon):
        """Applies what is stored, and then what comes."""
        store = this_store(daemon)
        if not self.progress() or self.progress()[0] != store:
            self.start_over(daemon, store)
        _, last = self.progress()
        self.commit(daemon, last)  # a crash may have come before it
        with Connection() as follower:
            follower.socket.send_multipart([
                b"QUERY", b"account/*", frame(last), b"", b"match=glob", b"follow", b"store=" + store.encode()])
            while True:
                events = [follower.receive()]
                while len(events) < 1000 and follower.waiting():
                    events.append(follower.receive())
                events = [(number(e[1]), e[2], e[3]) for e in events if e[0] == b"EVENT"]  # and not LIVE
                if events:
                    self.apply(events)
                    self.commit(daemon, events[-1][0])

    def commit(self, daemon, position):
        """Tells those who WAIT how far the balances are."""
        if position > 0:
            daemon.ask(b"COMMIT", CONSUMER, WHOLE_STORE, frame(position))

    def run(self, daemon):
        try:
            self.follow(daemon)
        except Refused as refused:
            raise Lost(refused) if refused.code == "OTHER-STORE" else refused


def balance(daemon, name, database, position):
    """Returns a balance that has everything up to a position."""
    daemon.ask(b"WAIT", CONSUMER, WHOLE_STORE, frame(position), b"20000")
    row = sqlite3.connect(database).execute("SELECT amount FROM balance WHERE account = ?", (name,)).fetchone()
    return row[0] if row else 0


def main():
    match sys.argv[1:]:
        case "open", name, amount:
            again(lambda daemon: open_account(daemon, name, int(amount)))
        case "transfer", id, source, target, amount:
            print(again(lambda daemon: transfer(daemon, id, source, target, int(amount))))
        case "project", database:
            again(Projection(database).run)
        case "balance", name, database, *rest:
            print(again(lambda daemon: balance(daemon, name, database, int(rest[0]) if rest else 0)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(str(refused))
