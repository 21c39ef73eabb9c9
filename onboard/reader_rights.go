package onboard

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// readingRights are the statements that make the rights of a reader ($1) those
// that it shall have: SELECT on what the tenant's login ($3) may read of what
// belongs to the role that makes the tenant's tables ($2), in its schema ($4)
// and, in a database of its own ($5), in every schema of that role's; on what
// comes in the schema; and nothing else that this role could have given.
// Nobody reads the table of versions ($6). Each row is for one object, so that
// a reader is never without a right that it keeps.
const readingRights = `
with me as (select oid from pg_roles where rolname = $1::name), maker as (select oid from pg_roles where rolname = $2::name),
	n as (select n.oid, n.nspname, n.nspacl, n.nspname = $4::text or ($5::boolean and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
			and has_schema_privilege($3::name, n.oid, 'USAGE')) as wanted
		from pg_namespace n where n.nspowner = (select oid from maker)),
	rel as (select case c.relkind when 'S' then 'SEQUENCE' else 'TABLE' end as kind, n.nspname, c.relname,
		n.wanted and c.relname not in ($6::text, $6::text || '_id_seq') and case c.relkind
			when 'S' then has_sequence_privilege($3::name, c.oid, 'SELECT') else has_table_privilege($3::name, c.oid, 'SELECT') end as wanted,
		array(select x.privilege_type || case when x.is_grantable then '*' else '' end from aclexplode(c.relacl) x where x.grantee = (select oid from me)
			union all select 'column' from pg_attribute t, aclexplode(t.attacl) x where t.attrelid = c.oid and x.grantee = (select oid from me)) as has
		from pg_class c join n on n.oid = c.relnamespace where c.relowner = (select oid from maker) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')),
	space as (select n.nspname, n.wanted,
		array(select x.privilege_type || case when x.is_grantable then '*' else '' end from aclexplode(n.nspacl) x where x.grantee = (select oid from me)) as has from n),
	want as (select n.oid as schema, k.kind from n, unnest(array['r', 'S']) k(kind) where n.nspname = $4::text),
	has as (select d.defaclnamespace as schema, d.defaclobjtype::text as kind, array_agg(x.privilege_type || case when x.is_grantable then '*' else '' end) as rights
		from pg_default_acl d, aclexplode(d.defaclacl) x
		where d.defaclrole = (select oid from maker) and x.grantee = (select oid from me) group by 1, 2),
	standard as (select has.rights, want.kind is not null as wanted,
		format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s', $2::text, (select format(' IN SCHEMA %I', nspname) from pg_namespace where oid = coalesce(want.schema, has.schema))) as alter,
		case coalesce(want.kind, has.kind) when 'r' then 'TABLES' when 'S' then 'SEQUENCES' when 'f' then 'ROUTINES' when 'T' then 'TYPES'
			when 'n' then 'SCHEMAS' else 'LARGE OBJECTS' end as kind
		from want full join has on has.schema = want.schema and has.kind = want.kind)
select concat_ws(';', case when has <> '{}' then format('REVOKE ALL ON SCHEMA %I FROM %I CASCADE', nspname, $1::text) end,
		case when wanted then format('GRANT USAGE ON SCHEMA %I TO %I', nspname, $1::text) end) as sql
	from space where has <> case when wanted then array['USAGE'] else '{}' end
union all
select concat_ws(';', case when rights is not null then format('%s REVOKE ALL ON %s FROM %I CASCADE', alter, kind, $1::text) end,
		case when wanted then format('%s GRANT SELECT ON %s TO %I', alter, kind, $1::text) end)
	from standard where rights is distinct from case when wanted then array['SELECT'] end
union all
(select concat_ws(';', case when has <> '{}' then format('REVOKE ALL ON %s %I.%I FROM %I CASCADE', kind, nspname, relname, $1::text) end,
		case when wanted then format('GRANT SELECT ON %s %I.%I TO %I', kind, nspname, relname, $1::text) end)
	from rel where has <> case when wanted then array['SELECT'] else '{}' end limit $7)
union all
(select format('REVOKE ALL ON ROUTINE %s FROM %I CASCADE', f.oid::regprocedure, $1::text) from pg_proc f
	where f.proowner = (select oid from maker) and exists (select from aclexplode(f.proacl) x where x.grantee = (select oid from me)) limit $7)
union all
(select format('REVOKE ALL ON LARGE OBJECT %s FROM %I CASCADE', l.oid, $1::text) from pg_largeobject_metadata l
	where l.lomowner = (select oid from maker) and exists (select from aclexplode(l.lomacl) x where x.grantee = (select oid from me)) limit $7)`

// grantReading makes the reader's rights exactly those of a reader, as the role
// that gives them: that role may go on making and dropping tables meanwhile.
func (p *Provisioner) grantReading(ctx context.Context, a *admin, pl *plan) error {
	var last []string
	for {
		changes, err := texts(ctx, a, readingRights, pl.login, pl.owner, pl.writer, pl.schema,
			pl.tenant.Isolation == registry.IsolationDatabase, versionTable, large)
		if err != nil || len(changes) == 0 {
			return err
		}
		if slices.Equal(changes, last) { // given by a role that is none of the tenant's
			return refuse(ErrPower, "what it may do is not what a reader may, and stays so; run as whoever gave it: %s", changes[0])
		}
		last = changes
		if err := again(ctx, func() error { return a.exec(ctx, pl.owner, changes...) }); err != nil && !vanished(err) {
			return err
		}
	}
}

// vanished reports that what a statement is about was dropped meanwhile.
func vanished(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && slices.Contains([]string{"42P01", "3F000", "42883", "42704"}, refused.Code)
}

// grantConnectAlone lets the role connect, and do nothing else with the
// database.
func grantConnectAlone(ctx context.Context, a *admin, pl *plan) error {
	if err := grantConnect(ctx, a, pl); err != nil {
		return err
	}
	const query = `select true from pg_database d, aclexplode(d.datacl) x where d.datname = current_database()
		and x.grantee = (select oid from pg_roles where rolname = $1) and (x.privilege_type <> 'CONNECT' or x.is_grantable) limit 1`
	more, err := a.yes(ctx, query, pl.login)
	if err != nil || !more {
		return err
	}
	on, role := " ON DATABASE "+quote(pl.database), quote(pl.login)
	return a.exec(ctx, "", "REVOKE ALL"+on+" FROM "+role+" CASCADE", "GRANT CONNECT"+on+" TO "+role)
}
