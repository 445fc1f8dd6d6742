package server

import "syscall"

// dropAll has the kernel drop every packet to a listening TCP socket, or none.
// It has no effect on a unix socket.
func dropAll(listener int, on bool) error {
	if !on {
		return syscall.DetachLsf(listener)
	}
	return syscall.AttachLsf(listener, []syscall.SockFilter{*syscall.LsfStmt(syscall.BPF_RET, 0)})
}
