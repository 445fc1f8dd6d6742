//go:build !linux

package server

// dropAll would have the kernel drop what comes to a listening socket. Where it
// cannot, connections may take all descriptors but those kept for the store.
func dropAll(int, bool) error { return nil }

// unsent would say how much a connection's other side has yet to take. Where it
// cannot, a stalled subscriber is bounded by the high-water mark alone.
func unsent(int) int { return 0 }
