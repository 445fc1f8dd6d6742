package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// resolve returns an error if the host of a tcp endpoint has no address: libzmq would retry
// without saying so. It reports whether all addresses are IPv6, which libzmq must be told. If
// the lookup fails for another reason, there is no error.
func resolve(ctx context.Context, endpoint string) (ipv6 bool, err error) {
	hostPort, tcp := strings.CutPrefix(endpoint, "tcp://")
	host, _, malformed := net.SplitHostPort(hostPort)
	if tcp && malformed != nil { // such as an address to connect from, and one to connect to
		return strings.Contains(hostPort, "["), nil
	}
	if !tcp || host == "" || host == "*" {
		return false, nil // connect reports what is wrong, if anything
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Is6(), nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) && dns.IsNotFound {
		return false, fmt.Errorf("%w %q; check its name", ErrHost, host)
	}
	ipv6 = len(addrs) > 0
	for _, a := range addrs {
		ipv6 = ipv6 && a.Unmap().Is6()
	}
	return ipv6, nil
}
