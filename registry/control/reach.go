package control

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// passing are the SQLSTATEs of a server that starts, stops or fails over, or
// has no connection to spare.
var passing = []string{"57P01", "57P02", "57P03", "53300"} //nolint:gochecknoglobals // a constant list

// Reach tries a connection to the database; it may be called before Open. away
// says of an error that it may pass by itself: the server is not there, or not
// ready. Any other, such as a password that is wrong, somebody has to mend.
func (d *Database) Reach(ctx context.Context) (away bool, err error) {
	cfg, err := pgx.ParseConfig(d.cfg.DSN.Reveal())
	if err != nil {
		return false, errors.New("control.dsn: is no connection string")
	}
	d.prepare(cfg)
	trying, cancel := context.WithTimeout(ctx, silent)
	defer cancel()
	conn, err := pgx.ConnectConfig(trying, cfg)
	if err == nil {
		closeConn(ctx, conn)
		return false, nil
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return slices.Contains(passing, refused.Code), err
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF), err
}
