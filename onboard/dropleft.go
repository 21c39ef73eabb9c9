package onboard

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// large is how many objects are dropped at once: the server has a lock for each
// until the transaction ends, in a table that all share, and a tenant may have
// made more than there is room for.
const large = 500

// droppable are the statements that drop what a schema ($1) has most of, what
// came last first: it may need what was there before. Members of an extension
// go with it, and the functions that make ranges with their type.
const droppable = `
with n as (select oid, quote_ident(nspname) as name from pg_namespace where nspname = $1)
select 'DROP ' || case c.relkind when 'v' then 'VIEW' when 'm' then 'MATERIALIZED VIEW' when 'f' then 'FOREIGN TABLE' when 'S' then 'SEQUENCE'
		when 'c' then 'TYPE' else 'TABLE' end || ' IF EXISTS ' || n.name || '.' || quote_ident(c.relname) || ' CASCADE' as sql,
	'pg_class'::regclass::oid as class, c.oid as object, case when c.relkind = 'S' then 3 when c.relispartition then 1 else 2 end as turn
from pg_class c join n on n.oid = c.relnamespace where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
union all
select 'DROP ROUTINE IF EXISTS ' || n.name || '.' || quote_ident(f.proname) || '(' || pg_get_function_identity_arguments(f.oid) || ') CASCADE',
	'pg_proc'::regclass, f.oid, 4 from pg_proc f join n on n.oid = f.pronamespace
	where not exists (select from pg_depend i where i.classid = 'pg_proc'::regclass and i.objid = f.oid and i.deptype = 'i')
union all
select 'DROP TYPE IF EXISTS ' || n.name || '.' || quote_ident(t.typname) || ' CASCADE', 'pg_type'::regclass, t.oid, 5
from pg_type t join n on n.oid = t.typnamespace where t.typtype in ('d', 'e', 'r')`

// shrink drops objects of the schema, each time as many as are locked easily,
// until the rest can go at once.
func (own *belongings) shrink(ctx context.Context, a *admin, pl *plan) error {
	const query = "select sql from (" + droppable + `) x where not exists (select from pg_depend d
		where d.classid = x.class and d.objid = x.object and d.deptype = 'e') order by turn, object desc limit $2`
	for {
		statements, err := texts(ctx, a, query, pl.schema, large)
		if err != nil || len(statements) < large {
			return err
		}
		if err := again(ctx, func() error { return a.exec(ctx, own.schemaOwner, statements...) }); err != nil {
			return fmt.Errorf("the first %d objects: %w", large, err)
		}
	}
}

// joinGivers lets the administrator act for those of our roles that gave
// something of theirs to these: only they can take it back.
func (a *admin) joinGivers(ctx context.Context, roles []string) error {
	givers, err := texts(ctx, a, `select distinct pg_roles.rolname::text from pg_shdepend s
		join pg_shdepend o on o.dbid = s.dbid and o.classid = s.classid and o.objid = s.objid and o.objsubid = 0 and o.deptype = 'o'
		join pg_roles on pg_roles.oid = o.refobjid
		where s.refclassid = 'pg_authid'::regclass and s.refobjid in (select oid from pg_roles where rolname = any($1))
			and s.deptype in ('a', 'r') and `+marker+` is not null order by 1`, roles)
	for _, giver := range givers {
		if err := again(ctx, func() error { return a.join(ctx, giver) }); err != nil {
			return err
		}
	}
	return err
}

// dropElsewhere takes from the tenant's roles what they may do in other
// databases, where any tenant may have given it to them, and removes their
// large objects there, which everybody may make who can connect: either would
// keep the roles for ever. Of what else they own there somebody knows why.
func (own *belongings) dropElsewhere(ctx context.Context, a *admin, pl *plan) error {
	roles := own.roles(pl)
	rows, err := a.Query(ctx, `select d.datname::text, (select rolname::text from pg_roles where oid = d.datdba and `+marker+` is not null)
		from pg_shdepend s join pg_database d on d.oid = s.dbid
		where s.refclassid = 'pg_authid'::regclass and s.refobjid in (select oid from pg_roles where rolname = any($1)) and d.datallowconn
		group by d.oid, d.datname, d.datdba having bool_and(s.deptype <> 'o' or s.classid = 'pg_largeobject'::regclass) order by 1`, roles)
	if err != nil {
		return err
	}
	databases, err := pgx.CollectRows(rows, pgx.RowToStructByPos[elsewhere])
	for _, database := range databases {
		if err := database.clear(ctx, a, pl, roles); err != nil {
			return fmt.Errorf("rights in database %s: %w", database.Name, err)
		}
	}
	return err
}

// elsewhere is a database that is not the tenant's. Its owner is told when it
// is a role of ours: only members of it are let in.
type elsewhere struct {
	Name  string
	Owner *string
}

func (e elsewhere) clear(ctx context.Context, home *admin, pl *plan, roles []string) error {
	if e.Owner != nil {
		if err := home.join(ctx, *e.Owner); err != nil {
			return err
		}
	}
	there, err := openAdmin(ctx, pl, e.Name)
	if err != nil {
		return err
	}
	defer there.close(ctx)
	if err := there.unlink(ctx, roles); err != nil {
		return err
	}
	return again(ctx, func() error { return there.exec(ctx, "", "DROP OWNED BY "+quoteEach(roles)+" CASCADE") })
}

// unlink removes the large objects of the roles in this database, each time as
// many as are locked easily.
func (a *admin) unlink(ctx context.Context, roles []string) error {
	for {
		unlinks, err := texts(ctx, a, `select 'SELECT pg_catalog.lo_unlink(' || oid || ')' from pg_largeobject_metadata
			where lomowner in (select oid from pg_roles where rolname = any($1)) limit $2`, roles, large)
		if err != nil || len(unlinks) == 0 {
			return err
		}
		if err := a.exec(ctx, "", unlinks...); err != nil {
			return err
		}
	}
}
