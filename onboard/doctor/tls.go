package doctor

import (
	"context"
	"crypto/tls"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// tls looks at what happens when a dial's first way fails. With sslmode=prefer,
// which is the default, the driver dials once more without encryption: two
// sockets for each connection, of which the budget knows one.
func (c *patient) tls(ctx context.Context) error {
	if !downgrades(c.dsn) {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, c.dsn)
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	field := fmt.Sprintf("clusters.%s.dsn", c.name)
	if _, encrypted := conn.PgConn().Conn().(*tls.Conn); encrypted {
		c.found(checkTLS, Info, field+" takes an unencrypted connection when an encrypted one fails (sslmode is prefer or not given)",
			"add sslmode=verify-full, and sslrootcert with the certificate of who signed the server's")
		return nil
	}
	c.found(checkTLS, Warning, field+" first tries encryption, which the server does not offer, and then dials a second time (sslmode is prefer or not given): every connection costs two dials and travels unencrypted",
		"give the server a certificate and add sslmode=verify-full; on a network that you trust add sslmode=disable")
	return nil
}

// downgrades reports whether the driver goes on without encryption on its own.
func downgrades(cfg *pgx.ConnConfig) bool {
	if cfg.TLSConfig == nil {
		return false
	}
	for _, f := range cfg.Fallbacks {
		if f.Host == cfg.Host && f.Port == cfg.Port && f.TLSConfig == nil {
			return true
		}
	}
	return false
}
