//go:build !unix

package pools

import "net"

// peekConn cannot look without reading here; the caller asks the server.
func peekConn(net.Conn) (quiet bool, err error) { return false, nil }
