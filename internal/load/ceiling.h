// What this machine can do without an event store, which results are compared with: a
// server that answers at once, and the file system.

#ifndef LD_CEILING_H
#define LD_CEILING_H

#include <stddef.h>
#include <stdint.h>

// ld_bind makes the ROUTER of a floor and writes where it is to endpoint. NULL:
// see errno. It lingers for a second at most, while nobody is connected any more: a
// socket that does not has libzmq abort the process (session_base.cpp, clean_pipes) when
// it is closed just as a client leaves to which half a message was sent.
void *ld_bind(void *context, char *endpoint, size_t len);

// ld_serve is the server of the floors: it answers at once, without a store,
// until its context is shut down. The length of a command tells which it is.
int ld_serve(void *s, const char *data, size_t data_len, size_t size, uint64_t count);

// ld_sync appends 128 bytes to a file and syncs it, n times, and returns the
// nanoseconds that it took, or an errno below 0.
int64_t ld_sync(int fd, const char *data, int n);

#endif
