// The Go side sends with these: one call hands many packed messages to libzmq, and counts
// the large frames that libzmq holds for each peer.

#ifndef GW_SENDER_H
#define GW_SENDER_H

#include <stddef.h>

// A gw_peer counts the bytes of large frames that libzmq holds for a peer.
typedef struct gw_peer gw_peer;

gw_peer *gw_peer_new(void);
long gw_peer_bytes(gw_peer *p);

// gw_peer_release may be called while libzmq holds messages: they keep the count alive.
void gw_peer_release(gw_peer *p);

// Results of gw_send, in the order of SendState.
enum { GW_ALL, GW_FULL, GW_GONE, GW_NEWS };

// gw_send sends packed messages to a peer of a ROUTER, or to a PUB when id is
// NULL, until all are sent or the peer takes no more. With a monitor it looks
// before each message whether a connection has ended, and returns GW_NEWS then:
// the peer's routing id may by now belong to another connection.
int gw_send(void *socket, const char *id, size_t id_len, gw_peer *peer, long max_bytes,
            void *monitor, const char *buf, size_t len, size_t *consumed);

#endif
