#include "sender.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct gw_peer {
	atomic_long bytes;
	atomic_int refs;
};

gw_peer *gw_peer_new(void) {
	gw_peer *p = calloc(1, sizeof *p);
	p->refs = 1;
	return p;
}

long gw_peer_bytes(gw_peer *p) {
	return atomic_load(&p->bytes);
}

void gw_peer_release(gw_peer *p) {
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		free(p);
}

typedef struct {
	gw_peer *peer;
	size_t len;
	char data[];
} gw_block;

// libzmq's I/O thread calls gw_sent.
static void gw_sent(void *data, void *hint) {
	gw_block *b = hint;
	atomic_fetch_sub(&b->peer->bytes, (long) b->len);
	gw_peer_release(b->peer);
	free(b);
}

// Frames of GW_COUNTED bytes or more are counted, and all frames of a message with more than
// GW_MANY: each takes some memory, however small it is.
enum { GW_COUNTED = 512, GW_MANY = 64 };

static int gw_frame_init(zmq_msg_t *m, const char *data, size_t len, gw_peer *peer, int many) {
	if (!peer || (len < GW_COUNTED && !many)) {
		if (zmq_msg_init_size(m, len) == -1)
			return -1;
		memcpy(zmq_msg_data(m), data, len);
		return 0;
	}
	gw_block *b = malloc(sizeof *b + len);
	if (!b)
		return -1;
	b->peer = peer;
	b->len = len + sizeof *b + sizeof *m;
	memcpy(b->data, data, len);
	atomic_fetch_add(&peer->bytes, (long) b->len);
	atomic_fetch_add(&peer->refs, 1);
	return zmq_msg_init_data(m, b->data, len, gw_sent, b);
}

static int gw_readable(void *socket) {
	int events = 0;
	size_t len = sizeof events;
	while (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len) == -1 && zmq_errno() == EINTR)
		;
	return events & ZMQ_POLLIN;
}

static int gw_send_frame(void *socket, zmq_msg_t *m, int flags) {
	int rc;
	do {
		rc = zmq_msg_send(m, socket, flags | ZMQ_DONTWAIT);
	} while (rc == -1 && zmq_errno() == EINTR);
	if (rc == -1) {
		int err = zmq_errno();
		zmq_msg_close(m);
		errno = err;
	}
	return rc;
}

int gw_send(void *socket, const char *id, size_t id_len, gw_peer *peer, long max_bytes,
            void *monitor, const char *buf, size_t len, size_t *consumed) {
	size_t at = 0;
	while (at < len) {
		zmq_msg_t m;
		uint32_t frames, n;
		*consumed = at;
		if (monitor && (gw_readable(socket), gw_readable(monitor)))
			return GW_NEWS;
		if (id) {
			if (atomic_load(&peer->bytes) > max_bytes)
				return GW_FULL;
			zmq_msg_init_size(&m, id_len);
			memcpy(zmq_msg_data(&m), id, id_len);
			if (gw_send_frame(socket, &m, ZMQ_SNDMORE) == -1) {
				int err = zmq_errno();
				return err == EAGAIN ? GW_FULL : err == EHOSTUNREACH ? GW_GONE : -err;
			}
		}
		memcpy(&frames, buf + at, 4);
		at += 4;
		int many = frames > GW_MANY;
		while (frames-- > 0) {
			memcpy(&n, buf + at, 4);
			at += 4;
			if (gw_frame_init(&m, buf + at, n, peer, many) == -1)
				return -ENOMEM;
			at += n;
			if (gw_send_frame(socket, &m, frames ? ZMQ_SNDMORE : 0) == -1)
				return -zmq_errno();
		}
	}
	*consumed = at;
	return GW_ALL;
}
