package load

/*
#cgo CFLAGS: -D_GNU_SOURCE
#cgo pkg-config: libzmq
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

enum {
	LD_TURN = 256,     // messages that a socket receives before others get a turn
	LD_BUCKETS = 3776, // of a histogram; its largest value stands after them
	LD_TEXT = 1024     // octets kept of an answer that ends the run
};

// How a turn or a call ended. What is below 0 is an errno.
enum {
	LD_AGAIN,   // there may be more to do at once
	LD_IDLE,    // nothing to do until the descriptor is readable or an event is due
	LD_DONE,    // all of it
	LD_SLICE,   // time is up
	LD_REFUSED, // the answer is an ERROR
	LD_STRANGE, // the answer is none that was expected
	LD_ORDER,   // want and have are ids
	LD_SHORT,   // END came early or late; want and have are numbers of events
	LD_SIZE     // want and have are octets
};

// What a connection does.
enum { LD_GREET, LD_PUBLISH, LD_REPLAY, LD_SUBSCRIBE, LD_PROBE };

// An ld_conn is one socket and what it is to do. libzmq refers to stream and
// data, so both stay until the context has ended.
typedef struct {
	void *socket;
	int fd;    // readable when something happened that no call has looked at
	int ready; // it did, or may have
	int done;

	char stream[256];
	size_t stream_len;
	const char *data; // what events are cut from
	size_t data_len, size, offset, shift;

	uint64_t count;     // events to publish, or to get
	uint64_t in_flight; // events, at most
	uint64_t batch;     // events of an APPEND; 0: each is published for itself
	uint64_t interval;  // ns from one event to the next; 0: as answers come
	uint64_t sent, answered;
	uint64_t last; // id
	uint64_t started, ended; // ns of CLOCK_MONOTONIC
	uint64_t pause;          // ns, the longest between two answers
	uint64_t heard;          // when the last answer came
	uint64_t *due;           // ring: when those in flight were sent, or should have been

	// Where there are several streams, events go to random ones of them.
	uint32_t streams;
	uint32_t *to;       // ring: the streams of those in flight
	uint64_t *last_of;  // ids, by stream
	uint64_t random;

	zmq_msg_t frame[3]; // of the last message
	char text[LD_TEXT]; // its first frame, when it ended the run
	size_t text_len;
	uint64_t want, have;
} ld_conn;

static uint64_t ld_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

// ld_record counts v in a histogram with 64 buckets for each power of two.
static void ld_record(uint64_t *hist, uint64_t v) {
	int shift = v < 64 ? 0 : 57 - __builtin_clzll(v);
	hist[(uint64_t) shift * 64 + (v >> shift)]++;
	if (v > hist[LD_BUCKETS])
		hist[LD_BUCKETS] = v;
}

static void ld_close(ld_conn *c) {
	if (c->socket)
		zmq_close(c->socket);
	c->socket = NULL;
	for (int i = 0; i < 3; i++)
		zmq_msg_close(&c->frame[i]);
}

// The keys of CURVE, each with a zero octet at its end.
typedef struct {
	char own[41], secret[41], server[41];
} ld_curve;

static int ld_lock(void *socket, const ld_curve *curve) {
	return zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, curve->own, sizeof curve->own) == -1
	       || zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, curve->secret, sizeof curve->secret) == -1
	       || zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, curve->server, sizeof curve->server) == -1 ? -1 : 0;
}

// ld_open connects a DEALER, or a SUB to a prefix. NULL: see errno.
static ld_conn *ld_open(void *context, const char *endpoint, const char *prefix, size_t prefix_len, const ld_curve *curve) {
	int zero = 0, one = 1;
	size_t len = sizeof zero;
	ld_conn *c = calloc(1, sizeof *c);
	if (!c)
		return NULL;
	for (int i = 0; i < 3; i++)
		zmq_msg_init(&c->frame[i]);
	c->socket = zmq_socket(context, prefix ? ZMQ_SUB : ZMQ_DEALER);
	if (!c->socket
	    || zmq_setsockopt(c->socket, ZMQ_LINGER, &zero, sizeof zero) == -1
	    || zmq_setsockopt(c->socket, ZMQ_SNDHWM, &zero, sizeof zero) == -1
	    || zmq_setsockopt(c->socket, ZMQ_RCVHWM, &zero, sizeof zero) == -1
	    || (strchr(endpoint, '[') && zmq_setsockopt(c->socket, ZMQ_IPV6, &one, sizeof one) == -1)
	    || (prefix && zmq_setsockopt(c->socket, ZMQ_SUBSCRIBE, prefix, prefix_len) == -1)
	    || (curve && ld_lock(c->socket, curve) == -1)
	    || zmq_connect(c->socket, endpoint) == -1
	    || zmq_getsockopt(c->socket, ZMQ_FD, &c->fd, &len) == -1) {
		int err = errno;
		ld_close(c);
		free(c);
		errno = err;
		return NULL;
	}
	return c;
}

// ld_term ends a context, also when a signal comes meanwhile.
static void ld_term(void *context) {
	while (zmq_ctx_term(context) == -1 && zmq_errno() == EINTR)
		;
}

static void ld_free(ld_conn *c) {
	free(c->due);
	free(c->to);
	free(c->last_of);
	free(c);
}

// ld_message receives the first three frames of a message, without waiting. It
// returns how many there are, 0 if there is no message, or an errno below 0.
static int ld_message(ld_conn *c) {
	int n = 0, more = 1;
	while (more) {
		zmq_msg_t *m = &c->frame[n < 3 ? n : 2];
		if (zmq_msg_recv(m, c->socket, ZMQ_DONTWAIT) == -1) {
			int err = zmq_errno();
			if (err == EINTR)
				continue;
			return err == EAGAIN ? 0 : -err;
		}
		if (n < 3)
			n++;
		more = zmq_msg_more(m);
	}
	return n;
}

static int ld_is(ld_conn *c, int frame, const char *text, size_t len) {
	return zmq_msg_size(&c->frame[frame]) == len && memcmp(zmq_msg_data(&c->frame[frame]), text, len) == 0;
}

#define LD_WORD(c, word) ld_is(c, 0, word, sizeof word - 1)

// ld_strange keeps an answer that was not expected.
static int ld_strange(ld_conn *c) {
	const char *text = zmq_msg_data(&c->frame[0]);
	size_t len = zmq_msg_size(&c->frame[0]);
	c->text_len = len < LD_TEXT ? len : LD_TEXT;
	memcpy(c->text, text, c->text_len);
	return len >= 6 && memcmp(text, "ERROR ", 6) == 0 ? LD_REFUSED : LD_STRANGE;
}

static int ld_differ(ld_conn *c, int code, uint64_t want, uint64_t have) {
	c->want = want;
	c->have = have;
	return code;
}

// ld_id reads the id in the second frame. It returns 0 if there is none.
static int ld_id(ld_conn *c, uint64_t *id) {
	const unsigned char *p = zmq_msg_data(&c->frame[1]);
	if (zmq_msg_size(&c->frame[1]) != 8)
		return 0;
	*id = 0;
	for (int i = 0; i < 8; i++)
		*id = *id << 8 | p[i];
	return 1;
}

// ld_greet waits for the connection, so that no workload's time has it.
static int ld_greet(ld_conn *c) {
	if (!c->sent) {
		if (zmq_send_const(c->socket, "PING", 4, ZMQ_DONTWAIT) == -1)
			return -zmq_errno();
		c->sent = 1;
	}
	int n = ld_message(c);
	if (n <= 0)
		return n == 0 ? LD_IDLE : n;
	if (!LD_WORD(c, "PONG"))
		return ld_strange(c);
	c->answered = 1;
	return LD_DONE;
}

// ld_cut returns the data of the next event. When the block has been through
// it begins again a little further on: no event is like one before it.
static const char *ld_cut(ld_conn *c) {
	if (c->offset + c->size > c->data_len) {
		c->shift = (c->shift + 13) % 4096;
		c->offset = c->shift;
	}
	const char *p = c->data + c->offset;
	c->offset += c->size;
	return p;
}

// ld_name names the stream of the next event and returns how long that is.
static size_t ld_name(ld_conn *c, char *name) {
	c->random ^= c->random << 13; // xorshift64
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	uint32_t n = c->random % c->streams;
	c->to[c->sent % c->in_flight] = n;
	memcpy(name, c->stream, c->stream_len);
	return c->stream_len + sprintf(name + c->stream_len, "/%u", n);
}

// ld_last returns where the last id stands of the stream that was asked next.
static uint64_t *ld_last(ld_conn *c) {
	return c->streams > 1 ? &c->last_of[c->to[c->answered % c->in_flight]] : &c->last;
}

// ld_size returns how many events the request has that begins with event n.
static uint64_t ld_size(ld_conn *c, uint64_t n) {
	if (!c->batch)
		return 1;
	return c->count - n < c->batch ? c->count - n : c->batch;
}

// ld_send_head sends what stands before the data of a request. -1: nothing of it
// could be sent, or -2, not all.
static int ld_send_head(ld_conn *c, uint64_t events) {
	char text[sizeof c->stream + 16];
	if (zmq_send_const(c->socket, c->batch ? "APPEND" : "PUBLISH", c->batch ? 6 : 7, ZMQ_SNDMORE | ZMQ_DONTWAIT) == -1)
		return -1;
	if (c->batch) {
		if (zmq_send_const(c->socket, "", 0, ZMQ_SNDMORE) == -1 // no key
		    || zmq_send_const(c->socket, c->stream, c->stream_len, ZMQ_SNDMORE) == -1
		    || zmq_send_const(c->socket, "", 0, ZMQ_SNDMORE) == -1 // nothing is expected
		    || zmq_send(c->socket, text, sprintf(text, "%llu", (unsigned long long) events), ZMQ_SNDMORE) == -1)
			return -2;
		return 0;
	}
	int rc = c->streams > 1 ? zmq_send(c->socket, text, ld_name(c, text), ZMQ_SNDMORE)
	                        : zmq_send_const(c->socket, c->stream, c->stream_len, ZMQ_SNDMORE);
	return rc == -1 ? -2 : 0;
}

// ld_send_due sends what may be sent now, and returns how much that was.
static int ld_send_due(ld_conn *c) {
	int n = 0;
	while (c->sent < c->count && c->sent - c->answered < c->in_flight) {
		uint64_t now = ld_now();
		if (!c->sent)
			c->started = now;
		if (c->interval) {
			uint64_t due = c->started + c->sent * c->interval;
			if (due > now)
				break;
			now = due; // lateness of this client is not hidden
		}
		uint64_t events = ld_size(c, c->sent);
		int rc = ld_send_head(c, events);
		if (rc == -1 && (zmq_errno() == EAGAIN || zmq_errno() == EINTR))
			break;
		for (uint64_t left = events; rc == 0 && left > 0; left--)
			if (zmq_send_const(c->socket, ld_cut(c), c->size, left > 1 ? ZMQ_SNDMORE : 0) == -1)
				rc = -2;
		if (rc < 0)
			return -zmq_errno();
		c->due[c->sent % c->in_flight] = now;
		c->sent += events;
		n++;
	}
	return n;
}

static int ld_publish(ld_conn *c, uint64_t *hist) {
	int idle = 0;
	for (int i = 0; i < LD_TURN && c->answered < c->sent; i++) {
		uint64_t id, now;
		int n = ld_message(c);
		if (n < 0)
			return n;
		if (n == 0) {
			idle = 1;
			break;
		}
		if (n < 2 || !(c->batch ? LD_WORD(c, "APPENDED") : LD_WORD(c, "PUBLISHED")) || !ld_id(c, &id))
			return ld_strange(c);
		uint64_t *last = ld_last(c), events = ld_size(c, c->answered);
		if (id != *last + events)
			return ld_differ(c, LD_ORDER, *last + events, id);
		*last = id;
		now = ld_now();
		if (c->heard && now - c->heard > c->pause)
			c->pause = now - c->heard;
		c->heard = now;
		ld_record(hist, now - c->due[c->answered % c->in_flight]);
		if ((c->answered += events) == c->count) {
			c->ended = now;
			return LD_DONE;
		}
	}
	idle |= c->answered == c->sent;
	int sent = ld_send_due(c);
	if (sent < 0)
		return sent;
	// Sending may have taken the descriptor's news: look before waiting.
	return idle && !sent ? LD_IDLE : LD_AGAIN;
}

static int ld_replay(ld_conn *c) {
	if (!c->sent) {
		c->started = ld_now();
		if (zmq_send_const(c->socket, "QUERY", 5, ZMQ_SNDMORE | ZMQ_DONTWAIT) == -1
		    || zmq_send_const(c->socket, c->stream, c->stream_len, ZMQ_SNDMORE) == -1
		    || zmq_send_const(c->socket, "", 0, ZMQ_SNDMORE) == -1
		    || zmq_send_const(c->socket, "", 0, 0) == -1)
			return -zmq_errno();
		c->sent = 1;
	}
	for (int i = 0; i < LD_TURN; i++) {
		uint64_t id;
		int n = ld_message(c);
		if (n <= 0)
			return n == 0 ? LD_IDLE : n;
		if (LD_WORD(c, "END")) {
			c->ended = ld_now();
			return c->answered == c->count ? LD_DONE : ld_differ(c, LD_SHORT, c->count, c->answered);
		}
		if (n < 3 || !LD_WORD(c, "EVENT") || !ld_id(c, &id))
			return ld_strange(c);
		if (id != c->last + 1)
			return ld_differ(c, LD_ORDER, c->last + 1, id);
		if (zmq_msg_size(&c->frame[2]) != c->size)
			return ld_differ(c, LD_SIZE, c->size, zmq_msg_size(&c->frame[2]));
		c->last = id;
		c->answered++;
	}
	return LD_AGAIN;
}

// ld_subscribe takes broadcasts. It counts those of its stream; others are
// probes, of which one is enough when probing.
static int ld_subscribe(ld_conn *c, int probing) {
	for (int i = 0; i < LD_TURN; i++) {
		uint64_t id;
		int n = ld_message(c);
		if (n < 0)
			return n;
		if (n == 0)
			return LD_IDLE;
		if (n < 3 || !ld_id(c, &id))
			return ld_strange(c);
		if (!ld_is(c, 0, c->stream, c->stream_len)) {
			if (probing)
				return LD_DONE;
			continue;
		}
		if (id <= c->last)
			return ld_differ(c, LD_ORDER, c->last + 1, id);
		c->last = id;
		c->answered++;
		if (i % 16 == 0 || id >= c->count)
			c->ended = ld_now();
		if (id >= c->count)
			return LD_DONE;
	}
	return LD_AGAIN;
}

static int ld_turn(ld_conn *c, int what, uint64_t *hist) {
	switch (what) {
	case LD_GREET:
		return ld_greet(c);
	case LD_PUBLISH:
		return ld_publish(c, hist);
	case LD_REPLAY:
		return ld_replay(c);
	default:
		return ld_subscribe(c, what == LD_PROBE);
	}
}

// ld_due returns when a connection with a pace may send next.
static uint64_t ld_due(ld_conn *c) {
	if (!c->interval || c->sent == c->count || c->sent - c->answered >= c->in_flight)
		return UINT64_MAX;
	return c->started + c->sent * c->interval;
}

// ld_wait waits for descriptors and for what is due, or with again just looks.
static void ld_wait(ld_conn **c, int n, int again, uint64_t now, uint64_t until) {
	struct pollfd fds[n];
	for (int i = 0; i < n; i++) {
		uint64_t due = ld_due(c[i]);
		until = due < until ? due : until;
		fds[i].fd = c[i]->done || c[i]->ready ? -1 : c[i]->fd;
		fds[i].events = POLLIN;
		fds[i].revents = 0;
	}
	uint64_t ns = again || until <= now ? 0 : until - now;
#ifdef __linux__
	struct timespec t = {ns / 1000000000u, ns % 1000000000u};
	ppoll(fds, n, &t, NULL);
#else
	poll(fds, n, (ns + 999999) / 1000000);
#endif
	now = ld_now();
	for (int i = 0; i < n; i++)
		if (fds[i].revents || ld_due(c[i]) <= now)
			c[i]->ready = 1;
}

// ld_drive has n connections do what they are to do, until all have done it,
// until the time has come, or until one cannot go on: which one is in *which.
static int ld_drive(ld_conn **c, int n, int what, uint64_t *hist, uint64_t ns, int *which) {
	uint64_t until = ld_now() + ns;
	for (int i = 0; i < n; i++)
		c[i]->ready = !c[i]->done;
	for (;;) {
		int open = 0, again = 0;
		for (int i = 0; i < n; i++) {
			open += !c[i]->done;
			if (!c[i]->ready)
				continue;
			int rc = ld_turn(c[i], what, hist);
			*which = i;
			if (rc == LD_AGAIN) {
				again = 1;
			} else if (rc == LD_IDLE) {
				c[i]->ready = 0;
			} else if (rc == LD_DONE) {
				c[i]->ready = 0;
				c[i]->done = 1;
				open--;
			} else {
				return rc;
			}
		}
		if (!open)
			return LD_DONE;
		uint64_t now = ld_now();
		if (now >= until)
			return LD_SLICE;
		if (!again || n > 1)
			ld_wait(c, n, again, now, until);
	}
}

// ld_assign gives a connection its next work.
static int ld_assign(ld_conn *c, const char *stream, size_t stream_len, const char *data, size_t data_len,
                     size_t size, size_t offset, uint64_t count, uint64_t in_flight, uint64_t interval,
                     uint32_t streams, uint64_t batch) {
	if (batch)
		in_flight *= batch;
	uint64_t *due = realloc(c->due, (in_flight ? in_flight : 1) * sizeof *due);
	if (!due)
		return -ENOMEM;
	c->due = due;
	if (streams > 1) {
		free(c->to);
		free(c->last_of);
		c->to = calloc(in_flight, sizeof *c->to);
		c->last_of = calloc(streams, sizeof *c->last_of);
		if (!c->to || !c->last_of)
			return -ENOMEM;
	}
	c->streams = streams;
	c->random = 88172645463325252u; // as good as any but 0
	memcpy(c->stream, stream, stream_len);
	c->stream_len = stream_len;
	c->data = data;
	c->data_len = data_len;
	c->size = size;
	c->offset = offset;
	c->count = count;
	c->in_flight = in_flight;
	c->batch = batch;
	c->interval = interval;
	c->done = 0;
	c->sent = c->answered = c->last = c->started = c->ended = c->pause = c->heard = 0;
	return 0;
}

// ld_bind makes the ROUTER of a floor and writes where it is to endpoint. NULL:
// see errno. It lingers for a second at most, while nobody is connected any more: a
// socket that does not has libzmq abort the process (session_base.cpp, clean_pipes) when
// it is closed just as a client leaves to which half a message was sent.
static void *ld_bind(void *context, char *endpoint, size_t len) {
	int linger = 1000, one = 1, mark = 8000; // as much as the broker lets wait for a peer
	void *s = zmq_socket(context, ZMQ_ROUTER);
	if (!s)
		return NULL;
	if (zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger) == -1
	    || zmq_setsockopt(s, ZMQ_ROUTER_MANDATORY, &one, sizeof one) == -1
	    || zmq_setsockopt(s, ZMQ_SNDHWM, &mark, sizeof mark) == -1
	    || zmq_setsockopt(s, ZMQ_RCVHWM, &mark, sizeof mark) == -1
	    || zmq_bind(s, "tcp://127.0.0.1:*") == -1
	    || zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, endpoint, &len) == -1) {
		int err = errno;
		zmq_close(s);
		errno = err;
		return NULL;
	}
	return s;
}

static void ld_put_id(unsigned char *p, uint64_t id) {
	for (int i = 7; i >= 0; i--, id >>= 8)
		p[i] = id;
}

// ld_stream sends count events of size octets as fast as the peer takes them.
static int ld_stream(void *s, zmq_msg_t *peer, const char *data, size_t data_len, size_t size, uint64_t count) {
	const void *id = zmq_msg_data(peer);
	size_t id_len = zmq_msg_size(peer), at = 0;
	unsigned char number[8];
	for (uint64_t i = 1; i <= count; i++) {
		ld_put_id(number, i);
		if (at + size > data_len)
			at = 0;
		int rc;
		do { // it waits for room here, and only here
			rc = zmq_send(s, id, id_len, ZMQ_SNDMORE);
		} while (rc == -1 && zmq_errno() == EINTR);
		if (rc == -1
		    || zmq_send_const(s, "EVENT", 5, ZMQ_SNDMORE) == -1
		    || zmq_send(s, number, 8, ZMQ_SNDMORE) == -1
		    || zmq_send_const(s, data + at, size, 0) == -1)
			return -1;
		at += size;
	}
	return zmq_send(s, id, id_len, ZMQ_SNDMORE) == -1 ? -1 : zmq_send_const(s, "END", 3, 0);
}

// ld_answer answers one request of which id and word are the first frames.
static int ld_answer(void *s, zmq_msg_t *id, zmq_msg_t *word, const char *data, size_t data_len, size_t size,
                     uint64_t count, uint64_t *published) {
	unsigned char number[8];
	if (zmq_msg_size(word) == 5)
		return ld_stream(s, id, data, data_len, size, count);
	if (zmq_msg_send(id, s, ZMQ_SNDMORE) == -1)
		return -1;
	if (zmq_msg_size(word) == 4)
		return zmq_send_const(s, "PONG", 4, 0);
	ld_put_id(number, ++*published);
	return zmq_send_const(s, "PUBLISHED", 9, ZMQ_SNDMORE) == -1 ? -1 : zmq_send(s, number, 8, 0);
}

// ld_serve is the server of the floors: it answers at once, without a store,
// until its context is shut down. The length of a command tells which it is.
static int ld_serve(void *s, const char *data, size_t data_len, size_t size, uint64_t count) {
	uint64_t published = 0;
	zmq_msg_t id, word, rest;
	int rc = 0;
	zmq_msg_init(&id);
	zmq_msg_init(&word);
	zmq_msg_init(&rest);
	while (rc != -1) {
		rc = zmq_msg_recv(&id, s, 0);
		if (rc != -1)
			rc = zmq_msg_recv(&word, s, 0);
		int more = rc != -1 && zmq_msg_more(&word);
		while (more && (rc = zmq_msg_recv(&rest, s, 0)) != -1)
			more = zmq_msg_more(&rest);
		if (rc != -1)
			rc = ld_answer(s, &id, &word, data, data_len, size, count, &published);
		if (rc == -1 && (zmq_errno() == EINTR || zmq_errno() == EHOSTUNREACH))
			rc = 0;
	}
	int err = zmq_errno();
	zmq_msg_close(&id);
	zmq_msg_close(&word);
	zmq_msg_close(&rest);
	zmq_close(s);
	return err == ETERM ? 0 : -err;
}

// ld_sync appends 128 octets to a file and syncs it, n times, and returns the
// nanoseconds that it took, or an errno below 0.
static int64_t ld_sync(int fd, const char *data, int n) {
	uint64_t before = ld_now();
	for (int i = 0; i < n; i++) {
		if (write(fd, data, 128) != 128)
			return errno ? -errno : -ENOSPC;
#ifdef __linux__
		if (fdatasync(fd) == -1)
#else
		if (fsync(fd) == -1)
#endif
			return -errno;
	}
	return (int64_t) (ld_now() - before);
}
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"gorewind/wire"
)

// This file is where the package touches libzmq. One cgo call sends and
// receives many messages and takes the time of each: through an API with
// several calls for every frame the generator would be slower than what it
// measures.

// A task is what a connection does.
type task C.int

const (
	greet     task = C.LD_GREET     // wait until it is there
	publish   task = C.LD_PUBLISH   // events to its stream
	replay    task = C.LD_REPLAY    // its stream
	subscribe task = C.LD_SUBSCRIBE // to its stream, until the last event
	probe     task = C.LD_PROBE     // wait for a broadcast of another stream
)

const buckets = C.LD_BUCKETS

// A conn is a connection to the daemon.
type conn struct{ c *C.ld_conn }

// began returns when a connection sent its first request, by a clock of its own.
func (c conn) began() time.Duration { return time.Duration(c.c.started) }

// finished returns when it had its last answer.
func (c conn) finished() time.Duration { return time.Duration(c.c.ended) }

// pause returns the longest time between two answers to PUBLISH.
func (c conn) pause() time.Duration { return time.Duration(c.c.pause) }

// answered returns how many answers or events came.
func (c conn) answered() int { return int(c.c.answered) }

// again has a connection that has done its task do another.
func (c conn) again() { c.c.done = 0 }

// record counts one value.
func (h *Histogram) record(d time.Duration) {
	C.ld_record((*C.uint64_t)(unsafe.Pointer(&h.counts[0])), C.uint64_t(d))
}

// A session is the client's side of a measurement: a ZeroMQ context with one
// I/O thread, its connections, and what their events are cut from. One
// goroutine at a time uses it.
type session struct {
	context  unsafe.Pointer
	conns    []conn
	data     []byte // of C: libzmq reads it from threads of its own
	patience time.Duration
	curve    *C.ld_curve // nil: without
}

// block is how much random data events are cut from, besides the size of one.
const block = 1 << 20

func newSession(t Target, size int) (*session, error) {
	s := &session{context: C.zmq_ctx_new(), patience: t.patience()}
	if k := t.Curve; k != nil {
		s.curve = new(C.ld_curve)
		putKey(&s.curve.own, k.Public)
		putKey(&s.curve.secret, k.Secret)
		putKey(&s.curve.server, k.Server)
	}
	if s.context == nil {
		return nil, errors.New("zeromq: no context: out of memory or descriptors; close other programs")
	}
	n := block + size
	s.data = unsafe.Slice((*byte)(C.malloc(C.size_t(n))), n)
	random(s.data)
	return s, nil
}

// putKey leaves a zero octet after a key.
func putKey(to *[41]C.char, key string) {
	for i := range min(len(key), len(to)-1) {
		to[i] = C.char(key[i])
	}
}

// close ends the connections. libzmq lets go of the data when the context ends.
func (s *session) close() {
	for _, c := range s.conns {
		C.ld_close(c.c)
	}
	C.ld_term(s.context)
	for _, c := range s.conns {
		C.ld_free(c.c)
	}
	C.free(unsafe.Pointer(&s.data[0]))
}

// connect begins a session with n connections to a ROUTER.
func connect(ctx context.Context, t Target, size, n int) (*session, []conn, error) {
	s, err := newSession(t, size)
	if err != nil {
		return nil, nil, err
	}
	conns, err := s.dial(ctx, t.Router, n)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, conns, nil
}

// dial connects to the ROUTER and waits until it answers.
func (s *session) dial(ctx context.Context, endpoint string, n int) ([]conn, error) {
	var made []conn
	for range n {
		c, err := s.open(endpoint, "")
		if err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, s.drive(ctx, made, greet, nil, nil, nil)
}

// CheckEndpoint returns an error if libzmq cannot so much as try to connect to an
// endpoint.
func CheckEndpoint(endpoint string) error {
	s, err := newSession(Target{}, 0)
	if err != nil {
		return err
	}
	defer s.close()
	_, err = s.open(endpoint, "")
	return err
}

// open makes a DEALER, or with a prefix a SUB.
func (s *session) open(endpoint, prefix string) (conn, error) {
	e := C.CString(endpoint)
	defer C.free(unsafe.Pointer(e))
	var p *C.char
	if prefix != "" {
		p = C.CString(prefix)
		defer C.free(unsafe.Pointer(p))
	}
	c, err := C.ld_open(s.context, e, p, C.size_t(len(prefix)), s.curve)
	if c == nil {
		return conn{}, fmt.Errorf("cannot connect to %q: %s; give an endpoint such as tcp://127.0.0.1:9002", endpoint, reason(err))
	}
	s.conns = append(s.conns, conn{c})
	return conn{c}, nil
}

// A job is what assign gives a connection to do.
type job struct {
	stream   string
	size     int // octets of an event
	count    int
	inFlight int           // requests
	interval time.Duration // from one event to the next; 0: as answers come
	streams  int           // if there are several, that begin with stream: events go to random ones
	batch    int           // events of an APPEND; 0: each is published for itself
}

func (s *session) assign(c conn, j job) error {
	if len(j.stream)+len("/4294967295") > wire.MaxStream {
		return fmt.Errorf("the stream %q is longer than %d octets with a number; choose a shorter prefix", j.stream, wire.MaxStream)
	}
	const apart = 65537 // so that clients do not send the same
	at := len(s.conns) * apart % block
	rc := C.ld_assign(c.c, (*C.char)(unsafe.Pointer(unsafe.StringData(j.stream))), C.size_t(len(j.stream)),
		(*C.char)(unsafe.Pointer(&s.data[0])), C.size_t(len(s.data)), C.size_t(j.size), C.size_t(at),
		C.uint64_t(j.count), C.uint64_t(j.inFlight), C.uint64_t(j.interval.Nanoseconds()),
		C.uint32_t(j.streams), C.uint64_t(j.batch))
	if rc < 0 {
		return fmt.Errorf("no memory for %d requests in flight; take fewer", j.inFlight)
	}
	return nil
}

// slice is how long a cgo call lasts at most: so long does a cancelled context
// wait.
const slice = 50 * time.Millisecond

// drive has connections do a task until all have done it, ctx is done, or one
// cannot go on. progress, unless nil, is told what has been done. quiet, unless
// nil, is asked now and then, with how long nothing has come, whether that was
// all; otherwise the session's patience ends the wait with an error.
func (s *session) drive(ctx context.Context, conns []conn, what task, h *Histogram, progress func(int), quiet func(time.Duration) bool) error {
	if h == nil {
		h = new(Histogram)
	}
	raw := make([]*C.ld_conn, len(conns))
	for i, c := range conns {
		raw[i] = c.c
	}
	done, last := 0, time.Now()
	for {
		var which C.int
		rc := C.ld_drive(&raw[0], C.int(len(raw)), C.int(what), (*C.uint64_t)(unsafe.Pointer(&h.counts[0])),
			C.uint64_t(min(slice, s.patience).Nanoseconds()), &which)
		if rc != C.LD_SLICE && rc != C.LD_DONE {
			return conns[which].failure(rc)
		}
		was := done
		done = 0
		for _, c := range conns {
			done += c.answered()
		}
		if progress != nil {
			progress(done)
		}
		if rc == C.LD_DONE {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if done != was {
			last = time.Now()
		}
		if idle := time.Since(last); quiet != nil {
			if quiet(idle) {
				return nil
			}
		} else if idle >= s.patience {
			return fmt.Errorf("nothing came from the daemon for %v (%d answered); see whether it still runs and its log", s.patience, done)
		}
	}
}

// failure says why a connection cannot go on.
func (c conn) failure(rc C.int) error {
	text := C.GoBytes(unsafe.Pointer(&c.c.text[0]), C.int(c.c.text_len))
	switch rc {
	case C.LD_REFUSED:
		if r, err := wire.ParseReply([][]byte{text}); err == nil {
			if e, ok := r.(*wire.Error); ok {
				return fmt.Errorf("the daemon refused: %w", e)
			}
		}
	case C.LD_ORDER:
		return fmt.Errorf("wrong id: want %d, have %d; the daemon broke its promise or another program writes to this stream", c.c.want, c.c.have)
	case C.LD_SHORT:
		return fmt.Errorf("wrong number of events at the END of a replay: want %d, have %d; the daemon broke its promise", c.c.want, c.c.have)
	case C.LD_SIZE:
		return fmt.Errorf("wrong size of event %d: want %d octets, have %d; the daemon broke its promise", c.c.last+1, c.c.want, c.c.have)
	}
	if rc < 0 {
		return fmt.Errorf("zeromq: %s; see the log of the daemon", C.GoString(C.zmq_strerror(-rc)))
	}
	return fmt.Errorf("answer not understood: %.100q; see whether the endpoint is that of a gorewind daemon", text)
}

// A ceiling is the server of the floors, in a thread of this process.
type ceiling struct {
	endpoint string
	context  unsafe.Pointer
	data     []byte // of C, as a session's
	ended    chan error
}

// newCeiling starts a server whose stream has count events of size octets.
func newCeiling(size, count int) (*ceiling, error) {
	c := &ceiling{context: C.zmq_ctx_new(), ended: make(chan error, 1)}
	if c.context == nil {
		return nil, errors.New("zeromq: no context: out of memory or descriptors; close other programs")
	}
	var endpoint [256]C.char
	socket, err := C.ld_bind(c.context, &endpoint[0], C.size_t(len(endpoint)))
	if socket == nil {
		C.ld_term(c.context)
		return nil, fmt.Errorf("cannot bind a port of 127.0.0.1 for the floors: %s; free some", reason(err))
	}
	c.endpoint = C.GoString(&endpoint[0])
	n := block + size
	c.data = unsafe.Slice((*byte)(C.malloc(C.size_t(n))), n)
	random(c.data)
	go func() { // ends when close shuts the context down
		rc := C.ld_serve(socket, (*C.char)(unsafe.Pointer(&c.data[0])), C.size_t(n), C.size_t(size), C.uint64_t(count))
		if rc < 0 {
			c.ended <- fmt.Errorf("zeromq: the server of the floors: %s", C.GoString(C.zmq_strerror(-rc)))
		}
		close(c.ended)
	}()
	return c, nil
}

func (c *ceiling) close() error {
	C.zmq_ctx_shutdown(c.context)
	err := <-c.ended
	C.ld_term(c.context)
	C.free(unsafe.Pointer(&c.data[0]))
	return err
}

// syncs appends 128 octets to f and syncs it, n times, and returns how long one
// took on average.
func syncs(f *os.File, n int) (time.Duration, error) {
	data := make([]byte, 128)
	random(data)
	ns := C.ld_sync(C.int(f.Fd()), (*C.char)(unsafe.Pointer(&data[0])), C.int(n))
	if ns < 0 {
		return 0, fmt.Errorf("cannot write to %s: %s", f.Name(), C.GoString(C.zmq_strerror(C.int(-ns))))
	}
	return time.Duration(int64(ns) / int64(n)), nil
}

// reason returns libzmq's words for the errno of a call.
func reason(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return "unknown error"
	}
	return C.GoString(C.zmq_strerror(C.int(errno)))
}
