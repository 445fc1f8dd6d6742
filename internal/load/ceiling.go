package load

/*
#include <stdlib.h>
#include "ceiling.h"
#include "conn.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"
)

// A ceiling is the server for the floors, in a thread of this process.
type ceiling struct {
	endpoint string
	context  unsafe.Pointer
	data     []byte // of C, as a session's
	ended    chan error
}

// newCeiling starts a server whose stream has count events of size bytes.
func newCeiling(size, count int) (*ceiling, error) {
	c := &ceiling{context: C.zmq_ctx_new(), ended: make(chan error, 1)}
	if c.context == nil {
		return nil, errors.New("zeromq: no context: out of memory or descriptors; close other programs")
	}
	var endpoint [256]C.char
	socket, err := C.ld_bind(c.context, &endpoint[0], C.size_t(len(endpoint)))
	if socket == nil {
		C.ld_term(c.context)
		return nil, fmt.Errorf("cannot bind a port of 127.0.0.1 for the floors: %s; free some ports", reason(err))
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

// syncs appends 128 bytes to f and syncs it, n times, and returns the average time of one.
func syncs(f *os.File, n int) (time.Duration, error) {
	data := make([]byte, 128)
	random(data)
	ns := C.ld_sync(C.int(f.Fd()), (*C.char)(unsafe.Pointer(&data[0])), C.int(n))
	if ns < 0 {
		return 0, fmt.Errorf("cannot write to %s: %s", f.Name(), C.GoString(C.zmq_strerror(C.int(-ns))))
	}
	return time.Duration(int64(ns) / int64(n)), nil
}
