package daemontest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeEndpoint returns an endpoint that stays free while no daemon serves: the system does not
// use these ports for outgoing connections.
func FreeEndpoint(t *testing.T, r *rand.Rand) string {
	t.Helper()
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 20_000+r.IntN(12_000))
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return "tcp://" + address
		}
	}
	t.Fatal("no port is free")
	return ""
}
