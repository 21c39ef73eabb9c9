package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// rounds is how often the two sessions ask. A pooler that nobody else uses
// shows itself in the first; one that others keep busy after some.
const rounds = 20

// pooler finds out whether a pooler hands the server's sessions from client to
// client: then two of our connections, both open, are sometimes one and the
// same process of the server. Without a pooler, and with one that gives each
// client a session of its own, they never are. Nothing is set, so nothing can
// reach other clients.
func (c *patient) pooler(ctx context.Context) error {
	var clients [2]*pgx.Conn
	for i := range clients {
		conn, err := pgx.ConnectConfig(ctx, c.dsn)
		if err != nil {
			return err
		}
		defer hangUp(ctx, conn)
		clients[i] = conn
	}
	seen := map[uint32]int{} // which of the two a process belongs to
	between := false
	for range rounds {
		for i, conn := range clients {
			var pid uint32
			if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			between = between || pid != conn.PgConn().PID()
			if other, met := seen[pid]; met && other != i {
				c.leaks()
				return nil
			}
			seen[pid] = i
		}
	}
	if between || len(seen) > len(clients) {
		c.found(checkPooler, Info, fmt.Sprintf("between clusters.%s.dsn and the server is a pooler or a proxy; each connection has a session of its own", c.name),
			"connect to the server itself: Poolkeeper pools, and a second pool costs connections, time and the cancelling of statements")
	}
	return nil
}

func (c *patient) leaks() {
	c.found(checkPooler, Error,
		fmt.Sprintf("clusters.%s.dsn leads to a pooler that hands sessions from client to client (transaction or statement mode): "+
			"what pins a session to its tenant reaches other tenants", c.name),
		"connect to the server itself, or set pool_mode = session in the pooler for this database")
}
