//go:build unix

package pools

import (
	"errors"
	"io"
	"net"
	"syscall"
)

func peekConn(c net.Conn) (quiet bool, err error) {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return false, nil
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	var perr error
	// Not control.Read, which waits for whoever reads.
	err = control.Control(func(fd uintptr) {
		var b [1]byte
		n, _, perr = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	})
	switch {
	case err != nil:
		return false, err
	case errors.Is(perr, syscall.EAGAIN):
		return true, nil
	case perr != nil:
		return false, perr
	case n == 0:
		return false, io.EOF
	default:
		return false, nil
	}
}
