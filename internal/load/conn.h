// The clients of a measurement. One call sends and receives many messages of many
// connections, and takes the time of each.

#ifndef LD_CONN_H
#define LD_CONN_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

enum {
	LD_BUCKETS = 3776, // of a histogram; its largest value stands after them
	LD_TEXT = 1024     // bytes kept of an answer that ends the run
};

// How a turn or a call ended. What is below 0 is an errno.
enum {
	LD_AGAIN,   // there may be more to do at once
	LD_IDLE,    // nothing to do until the descriptor is readable or an event is due
	LD_DONE,    // all work is finished
	LD_SLICE,   // time is up
	LD_REFUSED, // the answer is an ERROR
	LD_UNEXPECTED, // the answer is unexpected
	LD_ORDER,   // want and have are ids
	LD_SHORT,   // END came early or late; want and have are numbers of events
	LD_SIZE     // want and have are bytes
};

// What a connection does.
enum { LD_GREET, LD_PUBLISH, LD_REPLAY, LD_SUBSCRIBE, LD_PROBE };

// An ld_conn is one socket and its work. libzmq refers to stream and
// data, so both stay until the context has ended.
typedef struct {
	void *socket;
	int fd;    // readable after a change that no call has seen
	int ready; // a change may be pending
	int done;

	char stream[256];
	size_t stream_len;
	const char *data; // what events are cut from
	size_t data_len, size, offset, shift;

	uint64_t count;     // events to publish, or to get
	uint64_t in_flight; // events, at most
	uint64_t batch;     // events of an APPEND; 0: PUBLISH each event
	uint64_t interval;  // ns from one event to the next; 0: as answers arrive
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

// The keys of CURVE, each followed by a zero byte.
typedef struct {
	char own[41], secret[41], server[41];
} ld_curve;

// ld_now returns nanoseconds of CLOCK_MONOTONIC.
uint64_t ld_now(void);

// ld_record counts v in a histogram with 64 buckets for each power of two.
void ld_record(uint64_t *hist, uint64_t v);

// ld_close closes a connection's socket. Its memory stays until ld_free: libzmq refers
// to it until the context has ended.
void ld_close(ld_conn *c);

// ld_open connects a DEALER, or a SUB to a prefix. NULL: see errno.
ld_conn *ld_open(void *context, const char *endpoint, const char *prefix, size_t prefix_len, const ld_curve *curve);

// ld_term ends a context, also when a signal comes meanwhile.
void ld_term(void *context);

void ld_free(ld_conn *c);

// ld_drive runs the work of n connections until all have finished, until
// time is up, or until one fails: *which is its number.
int ld_drive(ld_conn **c, int n, int what, uint64_t *hist, uint64_t ns, int *which);

// ld_assign gives a connection its next work.
int ld_assign(ld_conn *c, const char *stream, size_t stream_len, const char *data, size_t data_len,
              size_t size, size_t offset, uint64_t count, uint64_t in_flight, uint64_t interval,
              uint32_t streams, uint64_t batch);

#endif
