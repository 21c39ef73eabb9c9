package onboard

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// What a tenant's login could hold up the work for others with: a lock that is
// ours by name only, because nobody owns those, and a session in the template
// of new databases, which nobody can copy meanwhile. Whoever administrates
// nothing has no business with either.

// expel ends the sessions of ordinary roles whose numbers the query gives, as
// far as the administrator may; it returns how many.
func (a *admin) expel(ctx context.Context, pids string, args ...any) (ended int, err error) {
	rows, err := a.intruders(ctx, pids, args...)
	for _, s := range rows {
		if err := a.join(ctx, s.Role); errors.Is(err, ErrPrivilege) || serverSaid(err) != "" {
			continue // somebody else's role
		} else if err != nil {
			return ended, err
		}
		// Again by role: the number may be another's by now.
		const end = `select pg_terminate_backend(s.pid) from (select pg_stat_get_backend_pid(b) as pid, pg_stat_get_backend_userid(b) as role
			from pg_stat_get_backend_idset() b offset 0) s where s.pid = $1 and s.role = (select oid from pg_roles where rolname = $2)`
		told, err := a.yes(ctx, end, s.PID, s.Role)
		if err != nil {
			return ended, err
		}
		if told {
			ended++
		}
	}
	return ended, err
}

// intruder is a session of an ordinary role.
type intruder struct {
	PID  int32
	Role string
}

func (a *admin) intruders(ctx context.Context, pids string, args ...any) ([]intruder, error) {
	query := `select s.pid, r.rolname::text from (select pg_stat_get_backend_pid(b) as pid, pg_stat_get_backend_userid(b) as role
			from pg_stat_get_backend_idset() b offset 0) s join pg_roles r on r.oid = s.role
		where not r.rolsuper and not r.rolcreaterole and s.pid in (` + pids + `)`
	rows, err := a.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[intruder])
}

// usurped ends the sessions of ordinary roles that have our lock, and reports
// whether one is left.
func (a *admin) usurped(ctx context.Context, lock string) (left bool, err error) {
	have, err := a.intruders(ctx, holdsLock, lock)
	if err != nil || len(have) == 0 {
		return false, err
	}
	ended, err := a.expel(ctx, holdsLock, lock)
	return ended < len(have), err
}

// holdsLock are the sessions that have the advisory lock of a text.
const holdsLock = `select l.pid from pg_locks l where l.locktype = 'advisory' and l.granted and l.objsubid = 1
	and l.database = (select oid from pg_database where datname = current_database())
	and ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended($1, 0)`

// inTemplate are the sessions in the template of new databases.
const inTemplate = `select pg_stat_get_backend_pid(b) from pg_stat_get_backend_idset() b
	where pg_stat_get_backend_dbid(b) = (select oid from pg_database where datname = 'template1')`
