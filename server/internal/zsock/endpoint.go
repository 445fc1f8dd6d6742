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

// vacant returns an error if libzmq would replace something at the path of a unix
// socket: a socket in use, or another kind of file.
func vacant(path string) error {
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return errors.New("another process uses this socket; stop it or choose another endpoint")
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode().Type() != fs.ModeSocket {
		return errors.New("a file that is not a socket exists there; choose another path")
	}
	return nil
}

// ErrEndpoint is the error of Bind for an endpoint that ZeroMQ cannot parse. Trying
// again does not help.
var ErrEndpoint = errors.New("not a valid endpoint")

// endpointLike shows valid endpoints in errors.
const endpointLike = "such as tcp://127.0.0.1:PORT or ipc:///tmp/gorewind"

// endpointForm matches endpoints that some machine could bind.
var endpointForm = regexp.MustCompile(`^(ipc://.+|tcp://(\*|[^\[\]:/]+|\[[^\]]+\]):(\*|\d{1,5}))$`)

// CheckEndpoint returns an ErrEndpoint if no machine could bind an endpoint. It binds
// nothing, so an endpoint that is in use passes.
func CheckEndpoint(endpoint string) error {
	m := endpointForm.FindStringSubmatch(endpoint)
	if m != nil {
		if port, err := strconv.Atoi(m[3]); err != nil || port <= math.MaxUint16 { // * is not a number
			return nil
		}
	}
	return fmt.Errorf("%w; give one %s", ErrEndpoint, endpointLike)
}

// unbound explains why an endpoint cannot be bound, and what to choose instead.
func unbound(err error) error {
	switch zmq.AsErrno(err) {
	case zmq.Errno(syscall.EADDRINUSE):
		return fmt.Errorf("cannot bind: %w; choose an endpoint that is free", err)
	case zmq.Errno(syscall.EINVAL), zmq.Errno(syscall.EPROTONOSUPPORT), zmq.ENOCOMPATPROTO:
		return fmt.Errorf("%w: %w; give one %s", ErrEndpoint, err, endpointLike)
	}
	return fmt.Errorf("cannot bind: %w; choose an endpoint of this machine, %s", err, endpointLike)
}

// Bind binds an endpoint and returns it with the port that was bound. The file of an
// ipc endpoint has the given mode from the beginning, or the one that the umask says if
// mode is 0. The error is an ErrEndpoint if trying again does not help.
func Bind(z *zmq.Socket, endpoint string, mode fs.FileMode) (addr string, err error) {
	if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok {
		if err := vacant(path); err != nil {
			return "", fmt.Errorf("cannot bind: %w", err)
		}
	}
	if endpoint, err = resolve(endpoint); err != nil {
		return "", fmt.Errorf("cannot bind: %w", err)
	}
	if strings.Contains(endpoint, "[") { // only there: with IPv6 on, 127.0.0.1 would be logged as an IPv6 address
		if err := z.SetIpv6(true); err != nil {
			return "", err
		}
	}
	if err := bind(z, endpoint, mode); err != nil {
		return "", unbound(err)
	}
	return z.GetLastEndpoint()
}

// resolve replaces a host name such as localhost by an address, because libzmq binds
// addresses only. It prefers IPv4, as clients do that resolve the name.
func resolve(endpoint string) (string, error) {
	hostPort, tcp := strings.CutPrefix(endpoint, "tcp://")
	host, port, malformed := net.SplitHostPort(hostPort)
	if !tcp || malformed != nil || host == "*" {
		return endpoint, nil
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return endpoint, nil
	}
	if _, err := net.InterfaceByName(host); err == nil { // libzmq resolves it itself
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

// bind binds an endpoint. It sets the umask meanwhile, so that nobody can connect
// before the socket's file has its mode. Nothing else in this process creates files
// yet.
func bind(z *zmq.Socket, endpoint string, mode fs.FileMode) error {
	if mode != 0 && strings.HasPrefix(endpoint, "ipc://") {
		before := syscall.Umask(0o777 &^ int(mode.Perm()))
		defer syscall.Umask(before)
	}
	return z.Bind(endpoint)
}

// Local reports whether only this machine can reach a bound endpoint.
func Local(addr string) bool {
	hostPort, ok := strings.CutPrefix(addr, "tcp://")
	if !ok {
		return strings.HasPrefix(addr, "ipc://") || strings.HasPrefix(addr, "inproc://")
	}
	host, _, err := net.SplitHostPort(hostPort)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
