package onboard

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// heir is a role of the source, who owns in the copy what it owns, and who
// takes its place in policies, "" for nobody: then it is taken out of them.
type heir struct{ from, owner, role string }

// handOver makes what the source's roles own and may do in the copy the
// target's. It lets the administrator in, and nobody else.
func (c *copying) handOver(ctx context.Context, home *admin) error {
	draft := quote(c.draft())
	if err := home.exec(ctx, "", "REVOKE CONNECT, TEMPORARY ON DATABASE "+draft+" FROM PUBLIC", "ALTER DATABASE "+draft+" ALLOW_CONNECTIONS true"); err != nil {
		return err
	}
	inside, err := openAdmin(ctx, c.to, c.draft())
	if err != nil {
		return err
	}
	defer inside.close(ctx)
	readers, err := c.from.readers(ctx, home)
	if err != nil {
		return err
	}
	heirs := []heir{{c.from.owner, c.to.owner, c.to.owner}}
	if c.from.login != c.to.login && !c.from.shared {
		heirs = append(heirs, heir{c.from.login, c.to.ownsSchema(), c.to.login})
	}
	for _, reader := range readers { // the copy has none
		heirs = append(heirs, heir{reader, c.to.ownsSchema(), ""})
	}
	return pgx.BeginFunc(ctx, inside.Conn, func(tx pgx.Tx) error {
		for _, h := range heirs {
			if err := h.inherit(ctx, tx); err != nil {
				return fmt.Errorf("role %s: %w", h.from, err)
			}
		}
		return nil
	})
}

// inherit hands over. REASSIGN OWNED and DROP OWNED know every kind of object
// there is; but they reach for what roles have outside the database as well,
// which is put back in the same transaction, so that nobody sees it gone.
func (h heir) inherit(ctx context.Context, tx pgx.Tx) error {
	had, err := h.outside(ctx, tx)
	if err != nil {
		return err
	}
	policies, err := texts(ctx, tx, `select format('ALTER POLICY %I ON %s TO %s', y.polname, y.polrelid::regclass,
			(select string_agg(case when r.rolname = $1 then quote_ident($2) else quote_ident(r.rolname) end, ', ') from pg_roles r where r.oid = any(y.polroles)))
		from pg_policy y where $2 <> '' and (select oid from pg_roles where rolname = $1) = any(y.polroles)`, h.from, h.role)
	if err != nil {
		return err
	}
	// Schemas first: who gets what lies in one has to have a right there.
	schemas, err := texts(ctx, tx, `select format('ALTER SCHEMA %I OWNER TO %I', nspname, $2::text) from pg_namespace
		where nspowner = (select oid from pg_roles where rolname = $1)`, h.from, h.owner)
	if err != nil {
		return err
	}
	statements := append(slices.Concat(policies, schemas), "REASSIGN OWNED BY "+quote(h.from)+" TO "+quote(h.owner))
	if err := executeAll(ctx, tx, statements); err != nil {
		return err
	}
	left, err := texts(ctx, tx, `select pg_describe_object(classid, objid, objsubid) from pg_shdepend
		where dbid = (select oid from pg_database where datname = current_database()) and deptype = 'o' and classid <> 'pg_default_acl'::regclass
		and refclassid = 'pg_authid'::regclass and refobjid = (select oid from pg_roles where rolname = $1)`, h.from)
	if err != nil {
		return err
	}
	if len(left) > 0 { // DROP OWNED would remove it
		return refuse(ErrClone, "it still owns %s", strings.Join(left, ", "))
	}
	if err := executeAll(ctx, tx, []string{"DROP OWNED BY " + quote(h.from)}); err != nil {
		return err
	}
	has, err := h.outside(ctx, tx)
	if err != nil {
		return err
	}
	return executeAll(ctx, tx, slices.DeleteFunc(had, func(restore string) bool { return slices.Contains(has, restore) }))
}

// outside lists what gives the role back what it has outside the database:
// databases, tablespaces, and rights on them and on parameters.
func (h heir) outside(ctx context.Context, tx pgx.Tx) ([]string, error) {
	return texts(ctx, tx, `select format('ALTER DATABASE %I OWNER TO %I', datname, $1::text) from pg_database
			where datdba = (select oid from pg_roles where rolname = $1)
		union all
		select format('GRANT %s ON DATABASE %I TO %I%s', x.privilege_type, d.datname, $1::text, case when x.is_grantable then ' WITH GRANT OPTION' else '' end)
		from pg_database d, aclexplode(d.datacl) x
		where x.grantee = (select oid from pg_roles where rolname = $1) and x.grantee <> d.datdba
		union all
		select format('ALTER TABLESPACE %I OWNER TO %I', spcname, $1::text) from pg_tablespace
			where spcowner = (select oid from pg_roles where rolname = $1)
		union all
		select format('GRANT %s ON TABLESPACE %I TO %I%s', x.privilege_type, t.spcname, $1::text, case when x.is_grantable then ' WITH GRANT OPTION' else '' end)
		from pg_tablespace t, aclexplode(t.spcacl) x
		where x.grantee = (select oid from pg_roles where rolname = $1) and x.grantee <> t.spcowner
		union all
		select format('GRANT %s ON PARAMETER %s TO %I%s', x.privilege_type,
			(select string_agg(quote_ident(part), '.' order by n) from unnest(string_to_array(p.parname, '.')) with ordinality u(part, n)),
			$1::text, case when x.is_grantable then ' WITH GRANT OPTION' else '' end)
		from pg_parameter_acl p, aclexplode(p.paracl) x where x.grantee = (select oid from pg_roles where rolname = $1)`, h.from)
}
