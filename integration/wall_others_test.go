package integration_test

import (
	"cmp"
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry/control"
)

// others is all that the server has and that is no attacker's, as a superuser
// sees it: a line for each thing.
func (s *siege) others(t *testing.T) []string {
	t.Helper()
	theirs := map[string][]string{} // the schemas of attackers, by database
	for _, name := range attackers() {
		r := s.names[name]
		database := cmp.Or(r.Database, s.database)
		theirs[database] = append(theirs[database], cmp.Or(r.Schema, "public"))
	}
	for _, database := range []string{s.names["victim-database"].Database, s.controlName, "postgres", "template1"} {
		theirs[database] = []string{}
	}
	all := s.contents(t)
	for database, schemas := range theirs {
		all = append(all, s.catalogue(t, database, schemas)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// catalogue lists what a database has, but for some schemas, and what the server
// has for all of them.
func (s *siege) catalogue(t *testing.T, database string, schemas []string) []string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), s.server.AdminDSN(database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	var all []string
	for _, query := range []string{
		`SELECT concat_ws(' ', 'relation', c.oid::regclass, c.relkind, c.relowner::regrole, c.relacl, c.reloptions, c.relrowsecurity)
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> ALL ($1) AND n.nspname !~ '^pg_(toast|temp)' AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'schema', n.nspname, n.nspowner::regrole, n.nspacl) FROM pg_namespace n WHERE n.nspname <> ALL ($1) AND nspname !~ '^pg_(toast_)?temp' AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'routine', p.oid::regprocedure, p.proowner::regrole, p.proacl, md5(p.prosrc)) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname <> ALL ($1) AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'default right', d.defaclrole::regrole, d.defaclacl) FROM pg_default_acl d WHERE pg_get_userbyid(d.defaclrole) <> ALL ($2) AND $1::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'large object', l.oid, lomacl, lomowner::regrole) FROM pg_largeobject_metadata l WHERE pg_get_userbyid(l.lomowner) <> ALL ($2) AND $1::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'extension', extname, extversion) FROM pg_extension WHERE $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'event trigger', evtname) FROM pg_event_trigger WHERE $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'publication', pubname) FROM pg_publication WHERE $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'cast', castsource::regtype, casttarget::regtype) FROM pg_cast WHERE $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'language', lanname, lanacl) FROM pg_language WHERE $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'server', srvname) FROM pg_foreign_server WHERE $1::text[] IS NOT NULL AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'trigger', t.tgrelid::regclass, t.tgname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> ALL ($1) AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'rule', r.ev_class::regclass, r.rulename) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> ALL ($1) AND $2::text[] IS NOT NULL`,
		`SELECT concat_ws(' ', 'policy', polrelid::regclass, polname) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname <> ALL ($1) AND $2::text[] IS NOT NULL`,
	} {
		for _, line := range s.texts(t.Context(), t, c, query, schemas, s.logins()) {
			all = append(all, database+": "+line)
		}
	}
	return append(all, s.shared(t, c)...)
}

// logins are the attackers' roles.
func (s *siege) logins() (all []string) {
	for _, name := range attackers() {
		all = append(all, s.names[name].Login)
	}
	return all
}

// shared is what a server's databases have in common. Other tests use the
// server too, so it is what this siege has made that counts.
func (s *siege) shared(t *testing.T, c *pgx.Conn) (all []string) {
	t.Helper()
	ours := "^(" + s.prefix + "[-_]|admin_of_" + s.database + "_|" + s.database + "$|" + s.controlName + "$)"
	for _, query := range []string{
		`SELECT concat_ws(' ', 'role', a) FROM pg_authid a WHERE rolname ~ $1`,
		`SELECT concat_ws(' ', 'setting', r.rolname, d.datname, s.setconfig) FROM pg_db_role_setting s
			LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE r.rolname ~ $1 OR d.datname ~ $1`,
		`SELECT concat_ws(' ', 'member', roleid::regrole, member::regrole, grantor::regrole) FROM pg_auth_members WHERE trim('"' from roleid::regrole::text) ~ $1 OR trim('"' from member::regrole::text) ~ $1`,
		`SELECT concat_ws(' ', 'database', datname, datdba::regrole, datacl, datconnlimit) FROM pg_database WHERE datname ~ $1 OR datname IN ('postgres', 'template1')`,
		`SELECT concat_ws(' ', 'comment', objoid, description) FROM pg_shdescription WHERE objoid IN (SELECT oid FROM pg_roles WHERE rolname ~ $1)`,
	} {
		all = append(all, s.texts(t.Context(), t, c, query, ours)...)
	}
	return all
}

// contents is what the victims' tables have, and the control database's.
func (s *siege) contents(t *testing.T) []string {
	t.Helper()
	victim, alone := s.names["victim"], s.names["victim-database"]
	return []string{
		s.once(t, s.database, "SELECT 'rows of the victim ' || string_agg(i::text, ',' ORDER BY id) FROM "+victim.Schema+".items i"),
		s.once(t, s.database, "SELECT 'sequence of the victim ' || last_value FROM "+victim.Schema+".counter"),
		s.once(t, s.database, "SELECT 'kept by the victim ' || string_agg(i::text, ',' ORDER BY id) FROM "+victim.Schema+".kept i"),
		s.once(t, s.database, "SELECT 'rows of a control schema ' || string_agg(i::text, ',' ORDER BY id) FROM poolkeeper.tenants i"),
		s.once(t, s.database, "SELECT 'rows of public ' || string_agg(i::text, ',' ORDER BY id) FROM public.items i"),
		s.once(t, alone.Database, "SELECT 'rows of the victim with a database ' || string_agg(i::text, ',' ORDER BY id) FROM public.items i"),
		s.once(t, s.controlName, "SELECT 'control ' || md5(string_agg(i::text, ',' ORDER BY id)) FROM poolkeeper.tenants i"),
	}
}

// listen connects as the tenant and listens.
func (s *siege) listen(t *testing.T, r *control.Record) *pgx.Conn {
	t.Helper()
	c, err := s.connect(t, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.WithoutCancel(t.Context())) })
	if _, err := c.Exec(t.Context(), "LISTEN everybody"); err != nil {
		t.Fatal(err)
	}
	return c
}
