package server

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// What Config.Validate asks of single fields.

func checkAddress(field, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s: %q is not an address; write host:port, such as 127.0.0.1:8080", field, address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%s: %q has no port between 0 and 65535", field, address)
	} else if strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%s: %q has a port with leading zeros", field, address)
	}
	return nil
}

func endsInPortZero(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

// isLoopback reports whether only this machine can reach a listener there.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopbackHost(host)
}

func isLoopbackHost(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func checkPositive(field string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s: %v is no time to wait; write a positive duration such as 30s", field, d)
	}
	return nil
}

func checkNotReady(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("server.not_ready: %v is negative; write 0s or more", d)
	}
	return nil
}

func checkRange(field string, n, low, high int64) error {
	if n < low || n > high {
		return fmt.Errorf("%s: %d is not between %d and %d bytes", field, n, low, high)
	}
	return nil
}
