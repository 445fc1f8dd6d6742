#include "ceiling.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "conn.h"

void *ld_bind(void *context, char *endpoint, size_t len) {
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

// ld_stream sends count events of size bytes as fast as the peer takes them.
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

int ld_serve(void *s, const char *data, size_t data_len, size_t size, uint64_t count) {
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

int64_t ld_sync(int fd, const char *data, int n) {
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
