package zsock

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// poll waits for descriptors, for at most timeout unless that is negative.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Ppoll(fds, nil, nil)
	}
	t := unix.NsecToTimespec(int64(timeout))
	return unix.Ppoll(fds, &t, nil)
}

// dropAll makes the kernel drop all packets to a listening TCP socket, or stops that.
// It has no effect on a unix socket.
//
// Newer kernels let only privileged processes filter a TCP socket. Others can require a
// time to live of 255, which only packets have that passed no router and were sent so;
// hardly any are.
func dropAll(listener int, on bool) error {
	if !on {
		err := unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err == unix.ENOENT || err == unix.EPERM { // there is no filter
			return leastTTL(listener, 0)
		}
		return err
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // keep 0 bytes of a packet
	err := unix.SetsockoptSockFprog(listener, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	if err == unix.EPERM {
		return leastTTL(listener, 255)
	}
	return err
}

// leastTTL makes the kernel drop packets to a TCP socket with a lower time to live.
func leastTTL(socket, hops int) error {
	v6 := unix.SetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, hops)
	if v6 == unix.ENOPROTOOPT {
		v6 = nil // it is an IPv4 socket
	}
	return errors.Join(unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_MINTTL, hops), v6)
}

// unsent returns how many bytes of a connection the kernel holds that the peer has not
// taken.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
