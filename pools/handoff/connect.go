package handoff

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Replay prepares cfg, which must be a private copy (as pgxpool gives to
// BeforeConnect), so that the next connect by it yields this connection. The
// server is not asked: the start-up is answered from what is known.
//
// The connect takes the connection when it dials. One that fails earlier
// leaves it to its owner; Used tells.
//
// dialCancel dials for the new connection's cancel requests. When the
// original was under TLS they get TLS here, negotiated as the original's was.
func (h *Conn) Replay(cfg *pgx.ConnConfig, dialCancel pgconn.DialFunc) {
	wanted := databaseOf(&cfg.Config)
	plain(cfg)
	h.origin.locate(cfg)
	cfg.DialFunc = h.dialer(wanted, dialCancel)
}

// plain leaves of cfg one attempt to connect to one server, which accepts
// whatever way of authentication. All of that was asked for when the
// connection was opened.
func plain(cfg *pgx.ConnConfig) {
	cfg.TLSConfig, cfg.SSLNegotiation, cfg.SSLCertMode = nil, "", ""
	cfg.Fallbacks = nil
	cfg.RequireAuth, cfg.ChannelBinding = "", ""
	cfg.ValidateConnect = nil // it may ask the server, and have pgx connect again
	cfg.AfterNetConnect = nil // what it wrapped around the connection is still there
}

// dialer returns the DialFunc of one replay. Its first call takes the
// connection; calls after the start-up are cancel requests.
func (h *Conn) dialer(wanted string, dialCancel pgconn.DialFunc) pgconn.DialFunc {
	r := newReplay(h)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if r.answered.Load() {
			return h.origin.dialCancel(ctx, dialCancel, network, address)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if wanted != h.origin.database {
			return nil, fmt.Errorf("handoff: connection is to the database %q, not %q", h.origin.database, wanted)
		}
		if !h.state.CompareAndSwap(waiting, used) {
			return nil, errors.New("handoff: connection is used or closed")
		}
		return r, nil
	}
}
