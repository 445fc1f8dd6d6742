#include "conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LD_TURN = 256 }; // messages that a socket receives before others get a turn

uint64_t ld_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

void ld_record(uint64_t *hist, uint64_t v) {
	int shift = v < 64 ? 0 : 57 - __builtin_clzll(v);
	hist[(uint64_t) shift * 64 + (v >> shift)]++;
	if (v > hist[LD_BUCKETS])
		hist[LD_BUCKETS] = v;
}

void ld_close(ld_conn *c) {
	if (c->socket)
		zmq_close(c->socket);
	c->socket = NULL;
	for (int i = 0; i < 3; i++)
		zmq_msg_close(&c->frame[i]);
}

static int ld_lock(void *socket, const ld_curve *curve) {
	return zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, curve->own, sizeof curve->own) == -1
	       || zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, curve->secret, sizeof curve->secret) == -1
	       || zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, curve->server, sizeof curve->server) == -1 ? -1 : 0;
}

ld_conn *ld_open(void *context, const char *endpoint, const char *prefix, size_t prefix_len, const ld_curve *curve) {
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

void ld_term(void *context) {
	while (zmq_ctx_term(context) == -1 && zmq_errno() == EINTR)
		;
}

void ld_free(ld_conn *c) {
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

// ld_unexpected keeps an unexpected answer.
static int ld_unexpected(ld_conn *c) {
	const char *text = zmq_msg_data(&c->frame[0]);
	size_t len = zmq_msg_size(&c->frame[0]);
	c->text_len = len < LD_TEXT ? len : LD_TEXT;
	memcpy(c->text, text, c->text_len);
	return len >= 6 && memcmp(text, "ERROR ", 6) == 0 ? LD_REFUSED : LD_UNEXPECTED;
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
		return ld_unexpected(c);
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
			return ld_unexpected(c);
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
			return ld_unexpected(c);
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
			return ld_unexpected(c);
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

int ld_drive(ld_conn **c, int n, int what, uint64_t *hist, uint64_t ns, int *which) {
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

int ld_assign(ld_conn *c, const char *stream, size_t stream_len, const char *data, size_t data_len,
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
