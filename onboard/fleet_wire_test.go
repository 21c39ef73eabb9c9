package onboard_test

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// countedConn counts what is sent: one message at least for each round trip.
type countedConn struct {
	net.Conn
	sent *atomic.Int64
}

// Write counts.
func (c countedConn) Write(b []byte) (int, error) {
	c.sent.Add(1)
	return c.Conn.Write(b)
}

// counting dials and counts.
func counting(dialled, sent *atomic.Int64) func(string) pgconn.DialFunc {
	return func(string) pgconn.DialFunc {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled.Add(1)
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return countedConn{conn, sent}, nil
		}
	}
}
