#include "receiver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// A longer first frame is neither a command nor part of an envelope, and is not kept
// as a pin.
enum { GW_PIN_BYTES = 1024 };

gw_receiver *gw_receiver_new(int out_cap, uint32_t max_frames, size_t max_bytes, int users) {
	gw_receiver *r = calloc(1, sizeof *r);
	r->out = calloc(out_cap, sizeof *r->out);
	r->out_cap = out_cap;
	if (users)
		r->users = calloc(out_cap, sizeof *r->users);
	r->max_frames = max_frames;
	r->max_bytes = max_bytes;
	return r;
}

void gw_unpin(uintptr_t pin) {
	if (!pin)
		return;
	zmq_msg_close((zmq_msg_t *) pin);
	free((void *) pin);
}

void gw_receiver_free(gw_receiver *r) {
	if (r->holds)
		zmq_msg_close(&r->held);
	free(r->out);
	free(r->users);
	free(r);
}

// gw_user copies the user of the message whose first frame is m. It reads the user of
// every message, because another user may come back with the same routing id.
static void gw_user(gw_receiver *r, zmq_msg_t *m, char *user) {
	const char *id = zmq_msg_gets(m, "User-Id");
	strncpy(user, id ? id : "", GW_USER);
	user[GW_USER] = 0;
	if (strcmp(user, r->user) != 0) {
		strcpy(r->user, user);
		r->same = 0;
	}
}

// gw_origin notes in f which connection a message came over. m is its first frame after
// the routing id, which has no metadata. libzmq never gives its own ids (0 and four
// bytes) twice. An id that the peer chose can come back over another connection, but
// with other metadata: the address of a property identifies the connection for as long
// as one of its messages is kept, which is what a pin does.
static void gw_origin(gw_receiver *r, zmq_msg_t *m, gw_frame *f) {
	f->flags |= GW_ORIGIN;
	if (r->users)
		gw_user(r, m, r->users[f - r->out]);
	if (r->same) {
		f->flags |= GW_SAME;
	} else {
		r->fd = zmq_msg_get(m, ZMQ_SRCFD);
		if (r->id_len == 0) {
			f->token = (uintptr_t) zmq_msg_gets(m, "__fd");
			if (zmq_msg_size(m) > GW_PIN_BYTES) {
				f->flags |= GW_UNKNOWN;
				f->token = 0;
			} else if (f->token && f->token != r->token) {
				zmq_msg_t *pin = malloc(sizeof *pin);
				zmq_msg_init(pin);
				zmq_msg_copy(pin, m);
				f->pin = (uintptr_t) pin;
			}
			r->token = f->token;
		}
	}
	f->fd = r->fd;
}

// gw_routing_id remembers the routing id m if libzmq made it, and compares it with the
// last one.
static void gw_routing_id(gw_receiver *r, zmq_msg_t *m) {
	const uint8_t *id = zmq_msg_data(m);
	size_t len = zmq_msg_size(m);
	int made = len == sizeof r->id && id[0] == 0;
	r->same = made && r->id_len == len && memcmp(id, r->id, len) == 0;
	r->id_len = made ? len : 0;
	if (made)
		memcpy(r->id, id, len);
}

int gw_receive(void *socket, gw_receiver *r, char *buf, size_t cap, int max_messages) {
	size_t used = 0;
	int messages = 0;
	r->out_len = 0;
	for (;;) {
		zmq_msg_t m;
		zmq_msg_init(&m);
		if (r->holds) {
			zmq_msg_move(&m, &r->held);
			r->holds = 0;
		} else {
			if (r->out_len == r->out_cap || (!r->inside && messages >= max_messages))
				return GW_BURST;
			if (zmq_msg_recv(&m, socket, ZMQ_DONTWAIT) == -1) {
				int err = zmq_errno();
				if (err == EINTR)
					continue;
				return err == EAGAIN ? GW_DRAINED : -err;
			}
			if (!r->inside)
				r->frames = r->bytes = 0;
			r->frames++;
			r->bytes += zmq_msg_size(&m);
		}
		size_t len = zmq_msg_size(&m);
		int more = zmq_msg_more(&m);
		int cut = r->frames > r->max_frames || r->bytes > r->max_bytes;
		if (!cut && len > cap - used) {
			zmq_msg_init(&r->held);
			zmq_msg_move(&r->held, &m);
			r->holds = 1;
			r->need = len;
			return GW_ROOM;
		}
		if (!r->inside)
			gw_routing_id(r, &m);
		if (!cut || !more || r->frames == 2) {
			gw_frame *f = &r->out[r->out_len++];
			memset(f, 0, sizeof *f);
			f->flags = (more ? 0 : GW_LAST) | (cut ? GW_CUT : 0);
			if (!cut) {
				f->off = used;
				f->len = len;
				memcpy(buf + used, zmq_msg_data(&m), len);
				used += len;
			}
			if (!r->inside)
				f->flags |= GW_FIRST;
			if (r->frames == 2)
				gw_origin(r, &m, f);
		}
		r->inside = more;
		messages += !more;
		zmq_msg_close(&m);
	}
}
