package onboard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// catalogue lists everything in a schema ($1) as kind, table, name and
// definition. It is asked with nothing but the schema in the search_path, so
// that definitions name what lies there without it and two schemas can be
// compared. $2 and $3 are the tenant's roles, whose names differ as well.
// Members of an extension come with it.
const catalogue = `
with n as (select oid from pg_namespace where nspname = $1::text),
	member as (select classid, objid from pg_depend where deptype = 'e'),
	rel as (select c.* from pg_class c where c.relnamespace = (select oid from n) and c.relkind not in ('i', 'I', 't')
		and c.relname not in ($4::text, $4::text || '_id_seq') and (('pg_class'::regclass)::oid, c.oid) not in (select classid, objid from member))
select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
		when 'c' then 'type' else 'table' end as kind, '' as tab, c.relname::text as name,
	row(c.relkind, c.relpersistence, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.reloptions,
		(select amname from pg_am where oid = c.relam), pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
		array(select i.inhparent::regclass::text from pg_inherits i where i.inhrelid = c.oid order by i.inhseqno),
		case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
		(select row(s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle) from pg_sequence s where s.seqrelid = c.oid),
		(select row(s.srvname, f.ftoptions) from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid))::text as definition
	from rel c
union all
select 'column', c.relname, a.attname, row(format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
		a.attcompression, a.attoptions, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid))::text
	from rel c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum where c.relkind in ('r', 'p', 'f', 'c')
union all
select 'index', c.relname, x.relname, row(pg_get_indexdef(x.oid, 0, true), i.indisvalid, i.indisclustered, i.indisreplident, x.reloptions)::text
	from rel c join pg_index i on i.indrelid = c.oid join pg_class x on x.oid = i.indexrelid
union all
select 'constraint', coalesce(c.relname, t.typname, ''), k.conname, row(pg_get_constraintdef(k.oid, true), k.convalidated, k.connoinherit)::text
	from pg_constraint k left join rel c on c.oid = k.conrelid left join pg_type t on t.oid = k.contypid
	where k.connamespace = (select oid from n) and k.contype <> 't' and (c.oid is not null or t.oid is not null)
union all
select 'trigger', c.relname, t.tgname, row(pg_get_triggerdef(t.oid, true), t.tgenabled)::text
	from rel c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal
union all
select 'rule', c.relname, r.rulename, row(pg_get_ruledef(r.oid, true), r.ev_enabled)::text
	from rel c join pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN'
union all
select 'policy', c.relname, y.polname, row(y.polcmd, y.polpermissive, pg_get_expr(y.polqual, c.oid), pg_get_expr(y.polwithcheck, c.oid),
		array(select case r.rolname when $2::text then '$login' when $3::text then '$owner' else r.rolname end from pg_roles r where r.oid = any(y.polroles) order by 1))::text
	from rel c join pg_policy y on y.polrelid = c.oid
union all
select 'function', '', f.proname || '(' || pg_get_function_identity_arguments(f.oid) || ')',
	row(f.prokind, (select lanname from pg_language where oid = f.prolang), pg_get_function_arguments(f.oid), pg_get_function_result(f.oid), f.prosrc, f.probin,
		pg_get_function_sqlbody(f.oid), f.provolatile, f.proisstrict, f.prosecdef, f.proleakproof, f.proparallel, f.procost, f.prorows,
		replace(f.proconfig::text, quote_ident($1::text), '$schema'),
		(select row(g.aggkind, g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggtranstype::regtype, g.agginitval) from pg_aggregate g where g.aggfnoid = f.oid))::text
	from pg_proc f where f.pronamespace = (select oid from n) and (('pg_proc'::regclass)::oid, f.oid) not in (select classid, objid from member)
union all
select case t.typtype when 'd' then 'domain' else 'type' end, '', t.typname, row(t.typtype, format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
		array(select e.enumlabel from pg_enum e where e.enumtypid = t.oid order by e.enumsortorder),
		(select row(g.rngsubtype::regtype, g.rngcanonical, g.rngsubdiff) from pg_range g where g.rngtypid = t.oid))::text
	from pg_type t where t.typnamespace = (select oid from n) and t.typtype in ('b', 'd', 'e', 'r') and t.typcategory <> 'A'
	and (('pg_type'::regclass)::oid, t.oid) not in (select classid, objid from member)
union all select 'statistics', '', stxname, row(stxrelid::regclass, stxkind, pg_get_statisticsobjdef_columns(oid))::text from pg_statistic_ext where stxnamespace = (select oid from n)
union all select 'operator', '', oprname || ' (' || concat_ws(', ', nullif(oprleft, 0)::regtype, nullif(oprright, 0)::regtype) || ')', row(oprcode, oprresult::regtype)::text
	from pg_operator where oprnamespace = (select oid from n) and (('pg_operator'::regclass)::oid, oid) not in (select classid, objid from member)
union all select 'operator class', '', opcname || ' for ' || opcintype::regtype, row(opcdefault, opckeytype::regtype)::text
	from pg_opclass where opcnamespace = (select oid from n) and (('pg_opclass'::regclass)::oid, oid) not in (select classid, objid from member)
union all select 'collation', '', collname, row(collprovider, collcollate, collctype, collisdeterministic)::text from pg_collation where collnamespace = (select oid from n)
union all select 'conversion', '', conname, row(conforencoding, contoencoding, conproc)::text from pg_conversion where connamespace = (select oid from n)
union all select 'text search configuration', '', cfgname, array(select row(m.maptokentype, m.mapseqno, m.mapdict::regdictionary)::text
	from pg_ts_config_map m where m.mapcfg = g.oid order by m.maptokentype, m.mapseqno)::text from pg_ts_config g where cfgnamespace = (select oid from n)
union all select 'text search dictionary', '', dictname, coalesce(dictinitoption, '') from pg_ts_dict where dictnamespace = (select oid from n)
union all select 'extension', '', extname, extversion from pg_extension where extnamespace = (select oid from n)
`

const (
	maxObjects = 200_000 // that are compared
	maxNamed   = 50      // that an error names
)

// object is one thing in a schema.
type object struct{ Kind, Table, Name, Definition string }

// String names it for people.
func (o object) String() string {
	if o.Table == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Name + " of " + o.Table
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// objects reads a catalogue, by the objects' names. In a schema that its
// tenant owns even a comparison may be a trap.
func (p *Provisioner) objects(ctx context.Context, db querier, pl *plan) (map[string]object, error) {
	if pl.trapped() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.statementLimit())
		defer cancel()
	}
	// A tenant may have made objects without number or end: a long definition
	// is compared by its digest.
	const bounded = `select kind, tab, name, case when length(definition) <= 1000 then definition
		else encode(sha256(convert_to(definition, 'UTF8')), 'hex') end from (` + catalogue + `) x(kind, tab, name, definition) limit $5`
	rows, err := db.Query(ctx, bounded, pl.schema, pl.login, pl.owner, versionTable, maxObjects+1)
	if err != nil {
		return nil, err
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[object])
	if err == nil && len(all) > maxObjects {
		return nil, refuse(ErrClone, "the schema %s has more than %d objects", pl.schema, maxObjects)
	}
	objects := make(map[string]object, len(all))
	for _, o := range all {
		objects[o.String()] = o
	}
	return objects, err
}

// compare refuses, by name, all that differs between the source and what the
// migrations have made of the target.
func (c *copying) compare(ctx context.Context, source, target querier) error {
	if err := c.sameVersions(ctx, source, target); err != nil {
		return err
	}
	is, err := c.objects(ctx, source, c.from)
	if err != nil {
		return err
	}
	made, err := c.objects(ctx, target, c.to)
	if err != nil {
		return err
	}
	if wrong := differences(is, made); len(wrong) > 0 {
		if more := len(wrong) - maxNamed; more > 0 {
			wrong = append(wrong[:maxNamed:maxNamed], fmt.Sprintf("and %d more", more))
		}
		return refuse(ErrClone, "what the source %s has is not what the migrations make: %s; a migration has to make it, or it has to go",
			c.from.tenant.ID, strings.Join(wrong, ", "))
	}
	return nil
}

// differences names what only one side has, and what the two define in
// different ways. What hangs on a table that is missing goes without saying.
func differences(is, made map[string]object) []string {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(is)) {
		o := is[name]
		other, ok := made[name]
		switch {
		case !ok && (o.Table == "" || hasParent(made, o)):
			wrong = append(wrong, name)
		case ok && o.Definition != other.Definition:
			wrong = append(wrong, name+" (defined differently)")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		if _, ok := is[name]; !ok && (made[name].Table == "" || hasParent(is, made[name])) {
			wrong = append(wrong, name+" (missing there)")
		}
	}
	return wrong
}

// hasParent reports whether what the object hangs on is there.
func hasParent(all map[string]object, o object) bool {
	for _, kind := range []string{"table ", "view ", "materialized view ", "foreign table ", "type ", "domain "} {
		if _, ok := all[kind+o.Table]; ok {
			return true
		}
	}
	return false
}

// sameVersions refuses a source whose migrations are not the target's, which
// are the newest.
func (c *copying) sameVersions(ctx context.Context, source, target querier) error {
	from, err := versions(ctx, source, c.from)
	if err != nil {
		return err
	}
	to, err := versions(ctx, target, c.to)
	if err != nil || slices.Equal(from, to) {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(to), func(v int64) bool { return slices.Contains(from, v) })
	if len(missing) > 0 {
		return refuse(ErrClone, "the source lacks the migrations %v; migrate %s first", missing, c.from.tenant.ID)
	}
	return refuse(ErrClone, "the source has the migrations %v, and the folder of migrations makes %v", from, to)
}

// versions are the migrations that a schema has.
func versions(ctx context.Context, db querier, pl *plan) ([]int64, error) {
	var there bool
	const query = "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2)"
	if _, err := one(db.Query(ctx, query, pl.schema, versionTable))(&there); err != nil || !there {
		return nil, err
	}
	rows, err := db.Query(ctx, "select distinct version_id from "+quote(pl.schema, versionTable)+" where is_applied order by 1 limit $1", maxVersions+1)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err == nil && len(found) > maxVersions {
		return nil, tooMany(pl)
	}
	return found, err
}
