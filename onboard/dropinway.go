package onboard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// mostNamed is how many of the things in the way an error names.
const mostNamed = 10

// inWay refuses, before any door is shut, what no session's end takes away: a
// transaction that was prepared, by the tenant or in its own database, and a
// subscription there. To end them somebody has to be let into the database.
func (own *belongings) inWay(ctx context.Context, a *admin, pl *plan) error {
	database := "" // of the tenant alone
	if pl.tenant.Isolation == registry.IsolationDatabase && own.database {
		database = pl.database
	}
	things, err := texts(ctx, a, `select text from (
		select 'the prepared transaction ' || quote_literal(gid) || ' in database ' || quote_ident(database) as text
			from pg_prepared_xacts where database = $1 or owner = any($2)
		union all select 'the subscription ' || quote_ident(s.subname) || ' in database ' || quote_ident(d.datname)
			from pg_subscription s join pg_database d on d.oid = s.subdbid where d.datname = $1) x order by 1 limit $3`,
		database, own.roles(pl), mostNamed)
	if err != nil || len(things) == 0 {
		return err
	}
	remedy := "roll it back or commit it, or drop it, there as a superuser"
	if database != "" {
		remedy += ", after ALTER DATABASE " + quote(database) + " ALLOW_CONNECTIONS true where nobody is let in any more"
	}
	return refuse(ErrInWay, "%s; %s; then drop the tenant again", strings.Join(things, ", "), remedy)
}

// hurry bounds the waiting for what others hold inside, which would otherwise
// take all the time that there is, and say nothing.
func (p *Provisioner) hurry(ctx context.Context, inside *admin) error {
	return inside.exec(ctx, "", fmt.Sprintf("SET lock_timeout = %d", max(1, (p.cfg.Timeout/10).Milliseconds())))
}

// heldBy says who held what was to be dropped.
func heldBy(ctx context.Context, inside *admin, pl *plan, err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || refused.Code != "55P03" {
		return err
	}
	if pl.row() { // others are in there as well, and most are in nobody's way
		return refuse(ErrInWay, "another session holds rows of the tenant: look into pg_locks, end it and drop the tenant again: %s", refused.Message)
	}
	holders, asked := texts(ctx, inside, `select distinct coalesce('the session of process ' || l.pid, 'a prepared transaction (pg_prepared_xacts)')
		from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
		where l.database = (select oid from pg_database where datname = current_database()) and n.nspname = $1
			and l.granted and l.pid is distinct from pg_backend_pid() order by 1 limit $2`, pl.schema, mostNamed)
	if asked != nil || len(holders) == 0 {
		holders = []string{"another transaction"} // it may have ended by now
	}
	return refuse(ErrInWay, "the schema %s is held by %s; end that and drop the tenant again: %s", pl.schema, strings.Join(holders, ", "), refused.Message)
}
