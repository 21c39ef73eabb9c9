package onboard

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// schema makes the schema, or checks that it belongs to whom it should.
func (p *Provisioner) schema(ctx context.Context, a *admin, pl *plan) error {
	return again(ctx, func() error { return createSchema(ctx, a, pl) })
}

// closeSchema takes from PUBLIC what it may have in the schema.
func closeSchema(ctx context.Context, a *admin, pl *plan) error {
	const query = `select true from pg_namespace n, aclexplode(n.nspacl) x where n.nspname = $1 and x.grantee = 0 limit 1`
	open, err := a.yes(ctx, query, pl.schema)
	if err != nil || !open {
		return err
	}
	return a.exec(ctx, pl.ownsSchema(), "REVOKE ALL ON SCHEMA "+quote(pl.schema)+" FROM PUBLIC")
}

func createSchema(ctx context.Context, a *admin, pl *plan) error {
	var owner string
	exists, err := one(a.Query(ctx, "select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = $1", pl.schema))(&owner)
	if err != nil {
		return err
	}
	name, want := quote(pl.schema), pl.ownsSchema()
	switch {
	case !exists:
		return a.exec(ctx, "", "CREATE SCHEMA "+name+" AUTHORIZATION "+quote(want))
	case owner == want:
		return nil
	case pl.schema == "public" && owner != pl.owner && owner != pl.login:
		// The schema that a new database has: it belongs to whoever owns
		// the database, or, in one that was upgraded from PostgreSQL 14, to
		// the superuser.
		return a.exec(ctx, "", "ALTER SCHEMA public OWNER TO "+quote(want))
	case owner == pl.owner || owner == pl.login:
		return refuse(ErrConflict, "the schema %s belongs to %s, and with ddl: %t it belongs to %s; change the owner of it and its tables by hand",
			pl.schema, owner, pl.tenant.DDL, want)
	}
	return refuse(ErrConflict, "the schema %s exists and belongs to %s, not to %s", pl.schema, owner, want)
}

// columnType is the type that a tenant's id is cast to for a comparison with a
// column (pg_attribute t): without its length, because a cast to a length cuts
// a longer id short, and one tenant would be another.
const columnType = `(select format_type(case when y.typtype = 'd' then y.typbasetype else y.oid end, -1) from pg_type y where y.oid = t.atttypid)`

// cuts is a policy (pg_policy y) of ours with such a cast, which earlier
// releases made.
const cuts = `pg_get_expr(y.polqual, y.polrelid) ~ '::character( varying)?\('`

// relation is a table, view or sequence of the schema.
type relation struct {
	Name      string
	Kind      string // of pg_class: r, p, v, m, f, S
	Partition bool
	Tenant    string // the type of the column tenant_id; "" without one
	Forced    bool   // row security is on, for the owner as well
	Policies  int    // other than ours
	Ours      bool   // our policy is there, with the right setting
	Stale     bool   // our policy is there, with another setting or a cast to a length
	Rights    []string
}

// relations lists what belongs to the owner in the schema, with the rights
// that the login has.
func (a *admin) relations(ctx context.Context, pl *plan, setting string) ([]relation, error) {
	const query = `select c.relname::text as name, c.relkind::text as kind, c.relispartition as partition,
		coalesce((select ` + columnType + ` from pg_attribute t
			where t.attrelid = c.oid and t.attname = 'tenant_id' and t.attnum > 0 and not t.attisdropped), '') as tenant,
		c.relrowsecurity and c.relforcerowsecurity as forced,
		(select count(*) from pg_policy y where y.polrelid = c.oid and y.polname <> $4)::int as policies,
		exists (select from pg_policy y where y.polrelid = c.oid and y.polname = $4
			and strpos(pg_get_expr(y.polqual, y.polrelid), quote_literal($5)) > 0 and not ` + cuts + `) as ours,
		exists (select from pg_policy y where y.polrelid = c.oid and y.polname = $4
			and (strpos(pg_get_expr(y.polqual, y.polrelid), quote_literal($5)) = 0 or ` + cuts + `)) as stale,
		array(select x.privilege_type from aclexplode(c.relacl) x join pg_roles l on l.oid = x.grantee where l.rolname = $3 order by 1) as rights
		from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_roles o on o.oid = c.relowner
		where n.nspname = $1 and o.rolname = $2 and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
		order by c.relname`
	rows, err := a.Query(ctx, query, pl.schema, pl.ownsSchema(), pl.login, policyName, setting)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[relation])
}
