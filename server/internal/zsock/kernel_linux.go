package zsock

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// poll waits for descriptors, at most for a time unless that is negative.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Ppoll(fds, nil, nil)
	}
	t := unix.NsecToTimespec(int64(timeout))
	return unix.Ppoll(fds, &t, nil)
}

// dropAll has the kernel drop every packet to a listening TCP socket, or none.
// It has no effect on a unix socket.
//
// Newer kernels have only a privileged process filter a TCP socket. Others can ask
// for packets that have come over no router and say so, as those of next to nobody do.
func dropAll(listener int, on bool) error {
	if !on {
		err := unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err == unix.ENOENT || err == unix.EPERM { // there is none
			return leastTTL(listener, 0)
		}
		return err
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // return 0 octets of the packet
	err := unix.SetsockoptSockFprog(listener, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	if err == unix.EPERM {
		return leastTTL(listener, 255)
	}
	return err
}

// leastTTL has the kernel drop packets to a TCP socket that have less time to live.
func leastTTL(socket, hops int) error {
	v6 := unix.SetsockoptInt(socket, unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT, hops)
	if v6 == unix.ENOPROTOOPT {
		v6 = nil // it is of IPv4
	}
	return errors.Join(unix.SetsockoptInt(socket, unix.IPPROTO_IP, unix.IP_MINTTL, hops), v6)
}

// unsent returns how many octets the kernel has of a connection that the other
// side has yet to take.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
