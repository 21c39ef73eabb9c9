package onboard

import (
	"context"
	"fmt"
	"time"
)

// The longest that sessions may take to end, and how often they are told to.
const (
	sessionsLimit = 30 * time.Second
	sessionsPause = 10 * time.Millisecond
)

// endSessions ends the sessions of these roles in a database, "" for every
// database, and returns when none is left. Our own stays. It reads what
// everybody may read: pg_stat_activity is closed by harden.
func (a *admin) endSessions(ctx context.Context, database string, roles ...string) error {
	ctx, cancel := context.WithTimeout(ctx, sessionsLimit)
	defer cancel()
	const query = `select count(*), count(*) filter (where pg_terminate_backend(s.pid))
		from (select pg_stat_get_backend_pid(b) as pid, pg_stat_get_backend_userid(b) as role, pg_stat_get_backend_dbid(b) as db
			from pg_stat_get_backend_idset() b offset 0) s
		where s.role in (select oid from pg_roles where rolname = any($1)) and s.pid <> pg_backend_pid()
			and ($2 = '' or s.db = (select oid from pg_database where datname = $2))`
	for {
		var left, told int
		if err := a.QueryRow(ctx, query, roles, database).Scan(&left, &told); err != nil || left == 0 {
			return err
		}
		select {
		case <-time.After(sessionsPause):
		case <-ctx.Done():
			return fmt.Errorf("%d sessions do not end: %w", left, ctx.Err())
		}
	}
}
