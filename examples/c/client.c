/* Appends COUNT events to a stream and queries the stream; then follows it in the
 * two ways that there are, while it appends COUNT more. See README.rst one up.
 *
 * usage: client ROUTER PUB STREAM COUNT
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zmq.h>

static void *context;
static const char *router, *pub, *stream;
static int silence = 30; /* seconds; a follower hears something every 10 */

struct frame { const void *octets; size_t size; };

/* The first three frames of a message, and the last of those that a later version may add. */
struct message { zmq_msg_t frame[4]; };

enum answer { GOOD, REFUSED, LOST }; /* LOST: the request has to go over another socket */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", what, zmq_strerror(errno));
	exit(1);
}

static void *open_socket(int kind, const char *endpoint)
{
	void *s = zmq_socket(context, kind);
	int linger = 0, timeout = silence * 1000, mark = 100000;
	must(s && zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
	     zmq_setsockopt(s, ZMQ_RCVTIMEO, &timeout, sizeof timeout) == 0, "socket");
	if (kind == ZMQ_SUB)
		must(zmq_setsockopt(s, ZMQ_RCVHWM, &mark, sizeof mark) == 0 &&
		     zmq_setsockopt(s, ZMQ_SUBSCRIBE, stream, strlen(stream)) == 0, stream);
	must(zmq_connect(s, endpoint) == 0, endpoint);
	return s;
}

static void send_message(void *s, const struct frame *f, int n)
{
	for (int i = 0; i < n; i++)
		must(zmq_send(s, f[i].octets, f[i].size, i < n - 1 ? ZMQ_SNDMORE : 0) >= 0, "send");
}

static void init_message(struct message *m)
{
	for (int i = 0; i < 4; i++)
		zmq_msg_init(&m->frame[i]);
}

static void leave(void *s, struct message *m)
{
	if (s)
		zmq_close(s);
	for (int i = 0; m && i < 4; i++)
		zmq_msg_close(&m->frame[i]);
}

/* Reads a message in place of the one before; false when none comes. */
static bool hear(void *s, struct message *m)
{
	int i = 0;
	do {
		if (zmq_msg_recv(&m->frame[i], s, 0) < 0) {
			must(errno == EAGAIN, "receive");
			return false;
		}
	} while (zmq_msg_more(&m->frame[i < 3 ? i++ : i]));
	return true;
}

static bool is(zmq_msg_t *frame, const char *text)
{
	return zmq_msg_size(frame) == strlen(text) && memcmp(zmq_msg_data(frame), text, strlen(text)) == 0;
}

static uint64_t number(zmq_msg_t *frame)
{
	uint64_t n = 0;
	for (size_t i = 0; i < zmq_msg_size(frame); i++)
		n = n << 8 | ((unsigned char *)zmq_msg_data(frame))[i];
	return n;
}

static void octets(uint64_t n, unsigned char id[8])
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		id[i] = n & 255;
}

/* Reads the next message of an answer. A CONFLICT says what the last id is; other
 * refusals, ERROR CODE name=value … ; what happened; what to do, end the program. */
static enum answer receive(void *s, struct message *m, uint64_t *last)
{
	char text[1024], code[32];
	if (!hear(s, m)) {
		fprintf(stderr, "nothing from %s for %d s\n", router, silence);
		return LOST;
	}
	snprintf(text, sizeof text, "%.*s", (int)zmq_msg_size(&m->frame[0]), (char *)zmq_msg_data(&m->frame[0]));
	if (sscanf(text, "ERROR %31s", code) != 1)
		return GOOD;
	char *fact = strstr(text, " last=");
	if (strcmp(code, "CONFLICT") == 0 && last && fact) {
		*last = strtoull(fact + strlen(" last="), NULL, 16);
		return REFUSED;
	}
	fprintf(stderr, "%s\n", text);
	if (strcmp(code, "STOPPING") != 0 && strcmp(code, "OUTCOME-UNKNOWN") != 0)
		exit(1);
	return LOST;
}

static void show(const char *verb, uint64_t id, const void *data, size_t size)
{
	printf("%s %" PRIu64 " ", verb, id);
	fwrite(data, 1, size, stdout);
	putchar('\n');
	fflush(stdout);
}

struct writer { void *socket; uint64_t last; int count; struct message m; };

/* Appends an event, on condition that it comes right behind the last that is known. */
static void append(struct writer *w)
{
	char data[32];
	unsigned char key[16], id[8]; /* under its key it is stored once, however often it is sent */
	int size = snprintf(data, sizeof data, "c %d", ++w->count);
	must(getentropy(key, sizeof key) == 0, "getentropy");
	for (;;) {
		if (!w->socket)
			w->socket = open_socket(ZMQ_DEALER, router);
		octets(w->last, id);
		send_message(w->socket, (struct frame[]){{"APPEND", 6}, {key, sizeof key}, {stream, strlen(stream)},
			{id, sizeof id}, {"1", 1}, {data, size}}, 6);
		switch (receive(w->socket, &w->m, &w->last)) {
		case GOOD:
			w->last = number(&w->m.frame[1]);
			show("published", w->last, data, size);
			return;
		case REFUSED: /* who decides by the events reads on to the last one first */
			break;
		case LOST:
			zmq_close(w->socket);
			w->socket = NULL;
		}
	}
}

/* Events after the last one: from a query, or from sub when there is nothing to catch up with. */
struct reader { void *socket, *sub; uint64_t last; bool follow, live; struct message m; };

/* Reads the next event that is stored, or with follow that comes; false at the end. */
static bool query(struct reader *r)
{
	for (;;) {
		if (!r->socket) {
			unsigned char id[8];
			octets(r->last, id);
			r->socket = open_socket(ZMQ_DEALER, router);
			send_message(r->socket, (struct frame[]){{"QUERY", 5}, {stream, strlen(stream)}, {id, sizeof id},
				{"", 0}, {"nearest", 7}, {"follow", 6}}, r->follow ? 6 : 5);
		}
		bool lost = receive(r->socket, &r->m, NULL) == LOST, end = !lost && is(&r->m.frame[0], "END");
		if (lost || end) {
			zmq_close(r->socket);
			r->socket = NULL;
		}
		if (end)
			return false;
		if (!lost && is(&r->m.frame[0], "EVENT")) { /* and not LIVE */
			r->last = number(&r->m.frame[1]);
			return true;
		}
	}
}

/* Reads what query with follow does, from broadcasts, of which some may be lost. */
static bool subscribe(struct reader *r)
{
	for (;; r->live = false) {
		if (!r->live && query(r))
			return true;
		r->live = true;
		while (hear(r->sub, &r->m)) { /* else the newest may be lost */
			uint64_t id = number(&r->m.frame[1]);
			if (!is(&r->m.frame[0], stream) || id <= r->last)
				continue;
			if (id > r->last + 1)
				break; /* some were lost: the query has them, and this one */
			r->last = id;
			return true;
		}
	}
}

static void show_event(const char *verb, struct reader *r)
{
	show(verb, r->last, zmq_msg_data(&r->m.frame[2]), zmq_msg_size(&r->m.frame[2]));
}

/* Shows what comes, and appends an event whenever what was written last has come back. */
static void live(const char *verb, bool (*next)(struct reader *), struct reader *r, struct writer *w, int count)
{
	for (int end = w->count + count; next(r);) {
		show_event(verb, r);
		if (r->last < w->last)
			continue;
		if (w->count == end)
			break;
		append(w);
	}
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: client ROUTER PUB STREAM COUNT\n");
		return 2;
	}
	router = argv[1], pub = argv[2], stream = argv[3];
	if (getenv("SILENCE"))
		silence = atoi(getenv("SILENCE"));
	must((context = zmq_ctx_new()) != NULL, "context");

	struct writer writer = {0};
	struct reader reader[] = {{0}, {.follow = true}, {.sub = open_socket(ZMQ_SUB, pub)}};
	init_message(&writer.m);
	for (int i = 0; i < 3; i++)
		init_message(&reader[i].m);

	int count = atoi(argv[4]);
	for (int n = 0; n < count; n++)
		append(&writer);
	while (query(&reader[0]))
		show_event("queried", &reader[0]);
	live("followed", query, &reader[1], &writer, count);
	live("subscribed", subscribe, &reader[2], &writer, count);

	leave(writer.socket, &writer.m);
	for (int i = 0; i < 3; i++) {
		leave(reader[i].socket, &reader[i].m);
		leave(reader[i].sub, NULL);
	}
	zmq_ctx_term(context);
	return 0;
}
