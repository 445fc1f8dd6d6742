// Appends COUNT events to a stream and queries the stream; then follows it in the
// two ways that there are, while it appends COUNT more. See README.rst one up.
//
// usage: node client.mjs ROUTER PUB STREAM COUNT

import { randomBytes } from "node:crypto";
import { Dealer, Subscriber } from "zeromq";

if (process.argv.length !== 6) {
  console.error("usage: node client.mjs ROUTER PUB STREAM COUNT");
  process.exit(2);
}
const [ROUTER, PUB] = process.argv.slice(2);
const STREAM = Buffer.from(process.argv[4]);
const COUNT = Number(process.argv[5]);
const SILENCE = Number(process.env.SILENCE ?? 30); // seconds; a follower hears something every 10

/** No answer comes over this socket any more: the request goes over another. */
class Lost extends Error {}

/** An ERROR of the server: ERROR CODE name=value … ; what happened; what to do. */
class Refused extends Error {
  constructor(text) {
    super(text);
    const [, code, ...facts] = text.split(" ; ")[0].split(" ");
    this.code = code;
    this.facts = Object.fromEntries(facts.map((fact) => fact.split(/=(.*)/)));
  }
}

function connect(Kind, endpoint, options) {
  const socket = new Kind({ linger: 0, receiveTimeout: SILENCE * 1000, ...options });
  socket.connect(endpoint);
  return socket;
}

/** Returns the next message, or null when nothing comes. */
async function hear(socket) {
  try {
    return await socket.receive();
  } catch (error) {
    if (error.code === "EAGAIN") return null;
    throw error;
  }
}

/** Returns the next message of an answer. */
async function receive(socket) {
  const message = await hear(socket);
  if (!message) throw new Lost(`nothing from ${ROUTER} for ${SILENCE} s`);
  const word = message[0].toString();
  if (!word.startsWith("ERROR ")) return message;
  const refused = new Refused(word);
  throw ["STOPPING", "OUTCOME-UNKNOWN"].includes(refused.code) ? new Lost(word) : refused;
}

/** Complains of a socket that was lost; other errors are not ours to handle. */
function complain(error) {
  if (!(error instanceof Lost)) throw error;
  console.error(error.message);
}

function octets(id) {
  const frame = Buffer.alloc(8);
  frame.writeBigUInt64BE(id);
  return frame;
}

class Writer {
  socket = connect(Dealer, ROUTER);
  last = 0n;
  count = 0;

  /** Appends an event, on condition that it comes right behind the last that is known. */
  async append() {
    const data = `node ${++this.count}`;
    const key = randomBytes(16); // under it the event is stored once, however often it is sent
    for (;;) {
      try {
        await this.socket.send(["APPEND", key, STREAM, octets(this.last), "1", data]);
        const [, id] = await receive(this.socket);
        this.last = id.readBigUInt64BE();
        return console.log(`published ${this.last} ${data}`);
      } catch (error) {
        if (error.code === "CONFLICT") {
          this.last = BigInt(`0x${error.facts.last}`); // who decides by the events reads on to here first
          continue;
        }
        complain(error);
        this.socket.close();
        this.socket = connect(Dealer, ROUTER);
      }
    }
  }
}

/** Yields id and data of what is stored after an id; with "follow" of what comes, too. */
async function* query(last = 0n, ...options) {
  for (;;) {
    const socket = connect(Dealer, ROUTER);
    try {
      await socket.send(["QUERY", STREAM, octets(last), "", "nearest", ...options]);
      for (;;) {
        const [word, id, data] = await receive(socket);
        if (word.toString() === "END") return;
        if (word.toString() !== "EVENT") continue; // LIVE
        last = id.readBigUInt64BE();
        yield [last, data];
      }
    } catch (error) {
      complain(error);
    } finally {
      socket.close();
    }
  }
}

/** Yields the same as query(last, "follow"), from broadcasts, of which some may be lost. */
async function* subscribe(last = 0n) {
  const socket = connect(Subscriber, PUB, { receiveHighWaterMark: 100_000 });
  try {
    socket.subscribe(STREAM); // before the first QUERY, so that nothing is between them
    for (;;) {
      for await (const event of query(last)) {
        [last] = event;
        yield event;
      }
      for (;;) {
        const message = await hear(socket);
        if (!message) break; // the newest may be lost
        const [stream, octets, data] = message;
        const id = octets.readBigUInt64BE();
        if (!stream.equals(STREAM) || id <= last) continue;
        if (id > last + 1n) break; // some were lost: the QUERY has them, and this one
        last = id;
        yield [last, data];
      }
    }
  } finally {
    socket.close();
  }
}

const writer = new Writer();
for (let n = 0; n < COUNT; n++) await writer.append();
for await (const [id, data] of query()) console.log(`queried ${id} ${data}`);
for (const [verb, events] of [["followed", query(0n, "follow")], ["subscribed", subscribe()]]) {
  const end = writer.count + COUNT;
  for await (const [id, data] of events) {
    console.log(`${verb} ${id} ${data}`);
    if (id < writer.last) continue;
    if (writer.count === end) break;
    await writer.append(); // what we wrote last has come back
  }
}
writer.socket.close();
