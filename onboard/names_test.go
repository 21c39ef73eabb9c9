package onboard_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// oddNames are legal, and dangerous in careless hands.
var oddNames = []string{
	`we"ird`, `a; drop table x; --`, `'quoted'`, `"`, `""`, `Upper Case`, `a.b`, `ünïcödé`, `$1`, `%I %s`, "tab\tnew\nline", `\`,
	strings.Repeat("x", onboard.MaxName), strings.Repeat("ü", onboard.MaxName/2), `$database`, `select`,
}

func FuzzAnIdentifierIsReadBackAsItWas(f *testing.F) {
	for _, name := range append(oddNames, "", "a\x00b", "\xff") {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if onboard.CheckName("schema", name) != nil {
			return // never quoted
		}
		quoted := onboard.Quote(name)
		inner, ok := strings.CutPrefix(quoted, `"`)
		inner, end := strings.CutSuffix(inner, `"`)
		if !ok || !end {
			t.Fatalf("%q becomes %q", name, quoted)
		}
		// Every quote inside is doubled, so the identifier ends where it
		// should and is what it was.
		if read := strings.ReplaceAll(inner, `""`, "\x00"); strings.Contains(read, `"`) || strings.ReplaceAll(read, "\x00", `"`) != name {
			t.Fatalf("%q becomes %q", name, quoted)
		}
		if owner := onboard.OwnerName(name); len(owner) > onboard.MaxName || !utf8.ValidString(owner) || !strings.HasSuffix(owner, "_owner") {
			t.Fatalf("%q is owned by %q", name, owner)
		}
	})
}

func TestTheServerReadsIdentifiersAsTheyWere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.connect(w.admin)
	for _, name := range oddNames {
		if got := w.strings(conn, "select unnest(parse_ident($1))", onboard.Quote(name, "x")); len(got) != 2 || got[0] != name {
			t.Errorf("%q is read as %q", name, got)
		}
	}
}

func TestOddNamesAreProvisionedLikeOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
	for i, name := range []string{`we"ird; drop--'x`, `Ünï $database %I`, strings.Repeat("x", onboard.MaxName)} {
		tenant := w.tenant(strings.Repeat("o", i+1), registry.IsolationSchema)
		tenant.Schema = name
		tenant.Login = strings.Replace(name, "x", w.prefix, 1)[:min(len(name), 20)]
		for range 2 {
			w.provision(p, tenant)
		}
		if got := w.strings(w.as(tenant), "select name from items"); len(got) != 1 || got[0] != name+" in "+w.database {
			t.Errorf("%q reads %q", name, got)
		}
	}
}

func TestLongNamesOfOwnersStayApart(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", onboard.MaxName-1)
	one, other := onboard.OwnerName(long+"b"), onboard.OwnerName(long+"c")
	if one == other || len(one) > onboard.MaxName || len(other) > onboard.MaxName {
		t.Errorf("%s, %s", one, other)
	}
	if got := onboard.OwnerName("acme"); got != "acme_owner" {
		t.Errorf("a short one is %s", got)
	}
}

func TestNamesThatAreNotATenantsToHaveAreRefusedBeforeAnythingHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(onboard.Config{})
	for name, c := range map[string]struct {
		change func(*registry.Tenant)
		kind   error
		text   string
	}{
		"long schema":        {func(t *registry.Tenant) { t.Schema = strings.Repeat("ü", 32) }, onboard.ErrName, "has 64 bytes"},
		"no schema":          {func(t *registry.Tenant) { t.Schema = "" }, onboard.ErrName, "schema is missing"},
		"public":             {func(t *registry.Tenant) { t.Schema = "public" }, onboard.ErrName, `"public" belongs to`},
		"pg_":                {func(t *registry.Tenant) { t.Schema = "pg_x" }, onboard.ErrName, `"pg_x" belongs to`},
		"information_schema": {func(t *registry.Tenant) { t.Schema = "information_schema" }, onboard.ErrName, "belongs to"},
		"NUL":                {func(t *registry.Tenant) { t.Schema = "a\x00b" }, onboard.ErrName, "not valid text"},
		"no text":            {func(t *registry.Tenant) { t.Schema = "\xff" }, onboard.ErrName, "not valid text"},
		"login":              {func(t *registry.Tenant) { t.Login = "pg_monitor" }, onboard.ErrName, `login "pg_monitor"`},
		"login public":       {func(t *registry.Tenant) { t.Login = "public" }, onboard.ErrName, `login "public"`},
		"long login":         {func(t *registry.Tenant) { t.Login = strings.Repeat("x", 64) }, onboard.ErrName, "login"},
		"long database":      {func(t *registry.Tenant) { t.Database = strings.Repeat("x", 64) }, onboard.ErrName, "database"},
		"isolation":          {func(t *registry.Tenant) { t.Isolation = "none" }, onboard.ErrName, `isolation "none"`},
		"cluster":            {func(t *registry.Tenant) { t.Cluster = "moon" }, onboard.ErrCluster, `cluster "moon"`},
		"no database": {func(t *registry.Tenant) {
			t.Isolation, t.Database = registry.IsolationDatabase, ""
		}, onboard.ErrName, "database is missing"},
		"postgres": {func(t *registry.Tenant) {
			t.Isolation, t.Database, t.Schema = registry.IsolationDatabase, "postgres", ""
		}, onboard.ErrName, "not a tenant's"},
		"template1": {func(t *registry.Tenant) {
			t.Isolation, t.Database = registry.IsolationDatabase, "template1"
		}, onboard.ErrName, "not a tenant's"},
		"pg_ in a database": {func(t *registry.Tenant) {
			t.Isolation, t.Database, t.Schema = registry.IsolationDatabase, "x", "pg_x"
		}, onboard.ErrName, "pg_x"},
		"missing database": {func(t *registry.Tenant) { t.Database = "nowhere" }, onboard.ErrCluster, "nowhere does not exist"},
		"ddl for all":      {func(t *registry.Tenant) { t.DDL, t.Login = true, "" }, onboard.ErrPower, "ddl: true needs a login of the tenant's own"},
		"no password":      {func(t *registry.Tenant) { t.Password = registry.Secret{} }, onboard.ErrPassword, "missing"},
		"odd password":     {func(t *registry.Tenant) { t.Password = registry.NewSecret("geheim\u00e4") }, onboard.ErrPassword, "ASCII"},
	} {
		tenant := w.tenant("x"+strings.Repeat("x", numbersLen(name)), registry.IsolationSchema)
		c.change(tenant)
		err := p.Provision(t.Context(), tenant)
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), "onboard: tenant "+tenant.ID.String()) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: the error shows the password", name)
		}
	}
	if got := w.strings(w.connect(w.admin), "select rolname from pg_roles where rolname like $1 and rolcanlogin", w.prefix+"x%"); len(got) > 0 {
		t.Errorf("logins were made: %q", got)
	}
}

func numbersLen(name string) int { return len(name) % 20 }

func TestConnectionStringsAreNeverShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const bad = "postgres://user:geheim@host:notaport/db"
	for field, change := range map[string]func(*registry.Tenant){
		"clusters.main.admin": func(*registry.Tenant) { w.cluster.Admin = registry.NewSecret(bad) },
		"clusters.main.dsn":   func(*registry.Tenant) { w.setAdmin(w.admin); w.cluster.DSN = registry.NewSecret(bad) },
		"dsn is not":          func(t *registry.Tenant) { t.DSN = registry.NewSecret(bad) },
		"admin is missing":    func(*registry.Tenant) { w.setAdmin(w.admin); w.cluster.Admin = registry.Secret{} },
	} {
		tenant := w.tenant("a", registry.IsolationSchema)
		change(tenant)
		err := w.provisioner(onboard.Config{}).Provision(t.Context(), tenant)
		if !errors.Is(err, onboard.ErrCluster) || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", field, err)
		}
		w.setAdmin(w.admin)
	}
}
