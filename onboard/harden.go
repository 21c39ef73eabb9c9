package onboard

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// publicRights lists what PUBLIC may still do in this database and should not,
// as the statements that end it, with $database for the database's name.
// Nobody can make a database while somebody is connected to template1, and what
// lies in there would be in everybody's. pg_advisory_unlock_all stays: Poolkeeper tidies every session with it. Large
// objects, which lie in no schema and under no quota, can still be read and
// removed by their owners. pg_logical_emit_message forges what whoever decodes
// the log believes to be somebody else's. The input functions take a type by its
// number, whatever schema it is in, and run the checks of its domains: types are
// used as ever, because only whoever calls them by name needs the right. Who may
// read all statistics keeps that.
const publicRights = `
select 'REVOKE ' || string_agg(x.privilege_type, ', ' order by x.privilege_type) || ' ON DATABASE $database FROM PUBLIC'
from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
where d.datname = current_database() and x.grantee = 0 and x.privilege_type in ('CONNECT', 'TEMPORARY')
group by d.datname
union all
select 'REVOKE CONNECT ON DATABASE template1 FROM PUBLIC'
from pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
where d.datname = 'template1' and x.grantee = 0 and x.privilege_type = 'CONNECT'
union all
select 'REVOKE CREATE ON SCHEMA public FROM PUBLIC'
from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x
where n.nspname = 'public' and x.grantee = 0 and x.privilege_type = 'CREATE'
union all
select 'REVOKE EXECUTE ON FUNCTION ' || string_agg(f.oid::regprocedure::text, ', ' order by f.oid) || ' FROM PUBLIC'
from pg_proc f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) x
where f.pronamespace = 'pg_catalog'::regnamespace
	and ((f.proname ~ '^pg_(try_)?advisory_' and f.proname <> 'pg_advisory_unlock_all')
		or f.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_put', 'lo_truncate', 'lo_truncate64', 'lowrite')
		or f.proname in ('array_in', 'domain_in', 'multirange_in', 'range_in', 'record_in', 'pg_logical_emit_message'))
	and x.grantee = 0 and x.privilege_type = 'EXECUTE'
having count(*) > 0
union all
select s.sql
from pg_class v, aclexplode(coalesce(v.relacl, acldefault('r', v.relowner))) x,
	unnest(array['REVOKE ALL ON pg_catalog.pg_stat_activity FROM PUBLIC', 'GRANT SELECT ON pg_catalog.pg_stat_activity TO pg_read_all_stats']) s(sql)
where v.oid = 'pg_catalog.pg_stat_activity'::regclass and x.grantee = 0 and x.privilege_type = 'SELECT'
union all
select s.sql
from pg_proc f, aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) x,
	unnest(array['REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) FROM PUBLIC',
		'GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) TO pg_read_all_stats']) s(sql)
where f.oid = 'pg_catalog.pg_stat_get_activity(integer)'::regprocedure and x.grantee = 0 and x.privilege_type = 'EXECUTE'`

// harden takes from PUBLIC what one tenant could use against the others.
func (p *Provisioner) harden(ctx context.Context, a *admin, pl *plan) error {
	unlock, err := p.shares.lock(ctx, pl.tenant.Cluster)
	if err != nil {
		return err
	}
	defer unlock()
	err = again(ctx, func() error {
		statements, err := a.publicRights(ctx)
		if err != nil {
			return err
		}
		return a.exec(ctx, "", statements...)
	})
	if err == nil {
		err = again(ctx, func() error { return a.limitFiles(ctx, pl, pl.login, pl.tenant.ReadLogin) })
	}
	if err != nil {
		return err
	}
	return p.warnOpen(ctx, a)
}

// publicRights returns the statements that this administrator may run.
func (a *admin) publicRights(ctx context.Context) ([]string, error) {
	all, err := a.openRights(ctx)
	if err != nil || a.super {
		return all, err
	}
	owns, err := a.yes(ctx, `select pg_has_role(current_user, datdba, 'USAGE') from pg_database where datname = current_database()`)
	if err != nil || !owns {
		return nil, err
	}
	ours := " ON DATABASE " + quote(a.Config().Database) + " "
	return slices.DeleteFunc(all, func(sql string) bool { return !strings.Contains(sql, ours) }), nil
}

func (a *admin) openRights(ctx context.Context) ([]string, error) {
	rows, err := a.Query(ctx, publicRights)
	if err != nil {
		return nil, err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for i, sql := range statements {
		statements[i] = strings.ReplaceAll(sql, "$database", quote(a.Config().Database))
	}
	return statements, err
}

// warnOpen tells the operator what this administrator may not end.
func (p *Provisioner) warnOpen(ctx context.Context, a *admin) error {
	left, err := a.openRights(ctx)
	if err == nil && !a.super {
		left, err = a.appendParameter(ctx, left)
	}
	if err != nil || len(left) == 0 {
		return err
	}
	p.log.WarnContext(ctx, "onboard: PUBLIC may do more in this database than it should; have a superuser run these statements in it",
		"database", a.Config().Database, "administrator", a.name, "statements", strings.Join(left, "; "))
	return nil
}

// tempFiles is how much one session of a tenant's own login or reader may have
// in temporary files: far more than a request needs, and not the whole disk.
const tempFiles = "10GB"

// limitFiles sets that, unless an operator has set a limit: on the server, for
// the database or for the login.
func (a *admin) limitFiles(ctx context.Context, pl *plan, logins ...string) error {
	if pl.shared {
		return nil
	}
	query := `select array(select r.rolname::text from pg_roles r where r.rolname = any ($1) and current_setting('temp_file_limit') = '-1'
		and not exists (select from pg_db_role_setting s, unnest(s.setconfig) c
			where s.setrole in (0, r.oid) and c like 'temp\_file\_limit=%'
			and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))))`
	if !a.super {
		query += " where has_parameter_privilege('temp_file_limit', 'SET')"
	}
	var unlimited []string
	if _, err := one(a.Query(ctx, query, logins))(&unlimited); err != nil || len(unlimited) == 0 {
		return err
	}
	var statements []string
	for _, login := range unlimited {
		statements = append(statements, "ALTER ROLE "+quote(login)+" SET temp_file_limit = '"+tempFiles+"'")
	}
	return a.exec(ctx, "", statements...)
}

// appendParameter adds what lets the administrator limit temporary files, where
// nothing limits them yet.
func (a *admin) appendParameter(ctx context.Context, statements []string) ([]string, error) {
	const query = `select 'GRANT SET ON PARAMETER temp_file_limit TO ' || quote_ident(current_user)
		where current_setting('temp_file_limit') = '-1' and not has_parameter_privilege('temp_file_limit', 'SET')`
	var grant string
	lacks, err := one(a.Query(ctx, query))(&grant)
	if err == nil && lacks {
		statements = append(statements, grant)
	}
	return statements, err
}

// letIn lets the tenant connect.
func (p *Provisioner) letIn(ctx context.Context, a *admin, pl *plan) error {
	return p.sharing(grantConnect)(ctx, a, pl)
}

// sharing does what changes things that the tenants of a cluster share: in
// turn here, and again when another process got in the way.
func (p *Provisioner) sharing(do func(context.Context, *admin, *plan) error) func(context.Context, *admin, *plan) error {
	return func(ctx context.Context, a *admin, pl *plan) error {
		unlock, err := p.shares.lock(ctx, pl.tenant.Cluster)
		if err != nil {
			return err
		}
		defer unlock()
		return again(ctx, func() error { return do(ctx, a, pl) })
	}
}

// grantConnect grants CONNECT, to the login itself: what PUBLIC still has may be
// taken away later.
func grantConnect(ctx context.Context, a *admin, pl *plan) error {
	var granted, able, mine bool
	const query = `select
		exists (select from aclexplode(d.datacl) x join pg_roles r on r.oid = x.grantee where r.rolname = $1 and x.privilege_type = 'CONNECT'),
		has_database_privilege($1::name, d.oid, 'CONNECT'),
		pg_has_role(current_user, d.datdba, 'USAGE')
		from pg_database d where d.datname = current_database()`
	if err := a.QueryRow(ctx, query, pl.login).Scan(&granted, &able, &mine); err != nil {
		return err
	}
	switch {
	case granted || (able && !mine && !a.super):
		return nil
	case !mine && !a.super:
		return refuse(ErrPrivilege, "%s owns neither the database %s nor its roles; let its owner run GRANT CONNECT ON DATABASE %s TO %s",
			a.name, pl.database, quote(pl.database), quote(pl.login))
	}
	return a.exec(ctx, "", "GRANT CONNECT ON DATABASE "+quote(pl.database)+" TO "+quote(pl.login))
}
