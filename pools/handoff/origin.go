package handoff

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// origin is how the connection was made when it was opened. It travels along
// through every handoff, because pgx knows it of the first owner only.
type origin struct {
	database string
	tls      *tls.Config // of its cancel requests; nil: it is in clear
	direct   bool        // TLS without asking for it first
	address  string      // of the server
	unix     bool
	host     string // of a Unix socket: its folder
	port     uint16
}

func originOf(c *pgconn.HijackedConn) *origin {
	if r, ok := c.Conn.(*replay); ok {
		return r.origin
	}
	addr := c.Conn.RemoteAddr()
	o := &origin{
		database: databaseOf(c.Config), address: addr.String(),
		direct: c.Config.SSLNegotiation == "direct", unix: addr.Network() == "unix",
	}
	if c.TLSConfig != nil {
		o.tls = withoutCertificate(c.TLSConfig, c.Config.SSLCertMode)
	}
	if o.unix {
		o.host, o.port = folderOf(o.address, c.Config)
	}
	return o
}

// databaseOf returns the database that a start-up by cfg asks for.
func databaseOf(cfg *pgconn.Config) string {
	if cfg.Database == "" {
		return cfg.User
	}
	return cfg.Database
}

// withoutCertificate applies sslcertmode=disable, the mode under which a
// certificate is kept back even when there is one.
func withoutCertificate(cfg *tls.Config, mode string) *tls.Config {
	if mode != "disable" {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.Certificates = nil
	cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return new(tls.Certificate), nil
	}
	return cfg
}

// folderOf returns the host and port of cfg, which may name several, that
// lead to the Unix socket that calls itself name.
func folderOf(name string, cfg *pgconn.Config) (host string, port uint16) {
	for _, f := range cfg.Fallbacks {
		if network, path := pgconn.NetworkAddress(f.Host, f.Port); network == "unix" && path == name {
			return f.Host, f.Port
		}
	}
	return cfg.Host, cfg.Port
}

// locate has pgx look no name up, and send cancel requests to the right Unix
// socket: for these it goes by the configuration instead of the connection.
func (o *origin) locate(cfg *pgx.ConnConfig) {
	cfg.LookupFunc = func(context.Context, string) ([]string, error) { return []string{o.address}, nil }
	if o.unix {
		cfg.Host, cfg.Port = o.host, o.port
	}
}

// dialCancel dials for a cancel request, and makes the TLS that pgx would make
// if it knew that the connection is under TLS.
func (o *origin) dialCancel(ctx context.Context, dial pgconn.DialFunc, network, address string) (net.Conn, error) {
	c, err := dial(ctx, network, address)
	if err != nil || o.tls == nil {
		return c, err
	}
	if !o.direct {
		stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // a closed one needs none
		defer stop()
		if err := requestTLS(c); err != nil {
			_ = c.Close() // nothing was said on it
			return nil, fmt.Errorf("handoff: cancel request: %w", err)
		}
	}
	return tls.Client(c, o.tls), nil // shakes hands when it is written to
}

// requestTLS sends an SSLRequest and reads the one byte of its answer, not
// more: what follows must come through TLS.
func requestTLS(c net.Conn) error {
	if _, err := c.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}); err != nil {
		return err
	}
	var answer [1]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return err
	}
	if answer[0] != 'S' {
		return errors.New("server refused TLS")
	}
	return nil
}
