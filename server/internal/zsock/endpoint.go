package zsock

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	zmq "github.com/pebbe/zmq4"
)

// vacant returns an error if there is something at the path of a unix socket that
// libzmq would take away: a socket that somebody serves, or another kind of file.
func vacant(path string) error {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return errors.New("another process serves it; stop it or choose another endpoint")
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is not a socket; choose another path")
	}
	return nil
}

// ErrEndpoint is what Bind returns where an endpoint is not written as ZeroMQ has it:
// that will not be better when it is tried again.
var ErrEndpoint = errors.New("that is no endpoint")

// endpointLike is what to give instead.
const endpointLike = "such as tcp://127.0.0.1:PORT or ipc:///tmp/gorewind"

// endpointForm is that of endpoints that can be bound on some machine.
var endpointForm = regexp.MustCompile(`^(ipc://.+|tcp://(\*|[^\[\]:/]+|\[[^\]]+\]):(\*|\d{1,5}))$`)

// CheckEndpoint returns an ErrEndpoint for what no machine could bind. It binds nothing,
// so that one may be asked about which is in use.
func CheckEndpoint(endpoint string) error {
	m := endpointForm.FindStringSubmatch(endpoint)
	if m != nil {
		if port, err := strconv.Atoi(m[3]); err != nil || port <= math.MaxUint16 { // * is none
			return nil
		}
	}
	return fmt.Errorf("%w; give one %s", ErrEndpoint, endpointLike)
}

// unbound says why an endpoint cannot be bound, and which to choose.
func unbound(err error) error {
	switch zmq.AsErrno(err) {
	case zmq.Errno(syscall.EADDRINUSE):
		return fmt.Errorf("cannot bind: %w; choose an endpoint that is free", err)
	case zmq.Errno(syscall.EINVAL), zmq.Errno(syscall.EPROTONOSUPPORT), zmq.ENOCOMPATPROTO:
		return fmt.Errorf("%w: %w; give one %s", ErrEndpoint, err, endpointLike)
	}
	return fmt.Errorf("cannot bind: %w; choose an endpoint of this machine, %s", err, endpointLike)
}

// Bind binds an endpoint and returns it with its real port. The file of an ipc endpoint
// has a mode from the beginning; 0: as the umask says. An error is an ErrEndpoint where
// it will not be better when it is tried again.
func Bind(z *zmq.Socket, endpoint string, mode fs.FileMode) (addr string, err error) {
	if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok {
		if err := vacant(path); err != nil {
			return "", fmt.Errorf("cannot bind: %w", err)
		}
	}
	if endpoint, err = resolve(endpoint); err != nil {
		return "", fmt.Errorf("cannot bind: %w", err)
	}
	if strings.Contains(endpoint, "[") { // only there: with it on, 127.0.0.1 is logged as an address of IPv6
		if err := z.SetIpv6(true); err != nil {
			return "", err
		}
	}
	if err := bind(z, endpoint, mode); err != nil {
		return "", unbound(err)
	}
	return z.GetLastEndpoint()
}

// resolve puts an address in the place of a host name such as localhost. libzmq binds none,
// and clients that look the name up take its address of IPv4 first.
func resolve(endpoint string) (string, error) {
	hostPort, tcp := strings.CutPrefix(endpoint, "tcp://")
	host, port, malformed := net.SplitHostPort(hostPort)
	if !tcp || malformed != nil || host == "*" {
		return endpoint, nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return endpoint, nil
	}
	if _, err := net.InterfaceByName(host); err == nil { // which libzmq knows
		return endpoint, nil
	}
	ips, err := net.LookupIP(host)
	if err != nil {
		return "", fmt.Errorf("cannot resolve host %q, and no network interface has this name; choose an endpoint of this machine, %s", host, endpointLike)
	}
	ip := ips[0]
	if i := slices.IndexFunc(ips, func(ip net.IP) bool { return ip.To4() != nil }); i >= 0 {
		ip = ips[i]
	}
	return "tcp://" + net.JoinHostPort(ip.String(), port), nil
}

// bind binds one endpoint. A file of a socket has its mode from the beginning, so
// that nobody enters before it has: nothing else of this process makes files yet.
func bind(z *zmq.Socket, endpoint string, mode fs.FileMode) error {
	if mode != 0 && strings.HasPrefix(endpoint, "ipc://") {
		before := syscall.Umask(0o777 &^ int(mode.Perm()))
		defer syscall.Umask(before)
	}
	return z.Bind(endpoint)
}

// Local reports whether only this machine reaches an endpoint that was bound.
func Local(addr string) bool {
	hostPort, ok := strings.CutPrefix(addr, "tcp://")
	if !ok {
		return strings.HasPrefix(addr, "ipc://") || strings.HasPrefix(addr, "inproc://")
	}
	host, _, err := net.SplitHostPort(hostPort)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
