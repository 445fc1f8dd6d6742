// The Go side receives with these: one call takes many messages off a ROUTER.

#ifndef GW_RECEIVER_H
#define GW_RECEIVER_H

#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

// A gw_frame describes a received frame that was copied to a buffer.
typedef struct {
	uint32_t off, len;
	uint32_t flags;
	int32_t fd;      // GW_ORIGIN: the connection's descriptor, or -1
	uintptr_t token; // GW_ORIGIN, a routing id that the peer chose: identifies the connection
	uintptr_t pin;   // with a new token: keeps the token from being reused
} gw_frame;

enum {
	GW_FIRST = 1,  // the routing id
	GW_LAST = 2,   // of the message
	GW_CUT = 4,    // beyond the limits: the frame was dropped
	GW_ORIGIN = 8, // the frame says which connection the message came over
	GW_SAME = 16,  // the same as the message before
	GW_UNKNOWN = 32    // the connection cannot be told: the peer chose its routing id, and the first frame is too long to keep
};

// Results of gw_receive.
enum { GW_DRAINED, GW_BURST, GW_ROOM };

// A user is the sender's public key in Z85.
enum { GW_USER = 40 };

// A gw_receiver is the state that gw_receive keeps between calls.
typedef struct {
	uint32_t max_frames; // of one message, its routing id included
	size_t max_bytes;
	gw_frame *out;
	int out_cap, out_len;
	size_t need; // after GW_ROOM: what the next buffer must hold at least

	int inside;    // a message is incomplete
	int holds;     // held is a frame that found no room
	zmq_msg_t held;
	uint32_t frames; // of the message so far
	size_t bytes;
	uint8_t id[5];   // the last routing id, if libzmq made it
	size_t id_len;   // 0 otherwise
	int same;        // the message before had the same
	char (*users)[GW_USER + 1]; // for each of out with GW_ORIGIN; NULL without CURVE
	char user[GW_USER + 1];     // the last one
	uintptr_t token; // the last one
	int32_t fd;
} gw_receiver;

gw_receiver *gw_receiver_new(int out_cap, uint32_t max_frames, size_t max_bytes, int users);
void gw_receiver_free(gw_receiver *r);

// gw_unpin releases a pin, unless it is 0.
void gw_unpin(uintptr_t pin);

// gw_receive copies messages to buf until the socket has no more, max_messages were
// copied, or there is no room. A message may be spread over several calls.
int gw_receive(void *socket, gw_receiver *r, char *buf, size_t cap, int max_messages);

#endif
