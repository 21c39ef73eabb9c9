package onboard_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAClaimedSpareIsAsATenantThatWasProvisioned(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *testing.T, open func(*testing.T) *world, kind func(*world, string) *registry.Tenant) {
		cfg := everything(t)
		provisioned, claimed := open(t), open(t)
		record := func(w *world) *registry.Tenant {
			a := kind(w, "a")
			a.Limits.StatementTimeout, a.Limits.MaxConns = 2*time.Second, 7
			return a
		}
		provisioned.provision(provisioned.provisioner(cfg), record(provisioned))
		p, spare, a := claimed.provisioner(cfg), kind(claimed, "spare"), record(claimed)
		spare.Limits.StatementTimeout = time.Second
		claimed.provision(p, spare)
		filling := claimed.as(spare)
		claimed.exec(filling, "insert into items (name) values ('from the spare')")
		if err := filling.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := p.Claim(t.Context(), spare, a); err != nil {
				t.Fatal(err)
			}
		}
		sameState(t, provisioned.state(), claimed.state())
		conn := claimed.as(a)
		claimed.exec(conn, "insert into items (name) values ('mine')")
		if got := claimed.strings(conn, "select name from names where name in ('mine', 'from the spare') order by 1"); len(got) != 2 {
			t.Errorf("read %q", got)
		}
		if _, err := pgx.Connect(t.Context(), claimed.dsnOf(spare, a.Database)); sqlState(err) != "28P01" {
			t.Errorf("the spare's login says %v", err)
		}
		before := claimed.snapshot([]*registry.Tenant{a})
		claimed.provision(p, a)
		if after := claimed.snapshot([]*registry.Tenant{a}); !slices.Equal(before, after) {
			t.Error("provisioning it afterwards changes something")
		}
	}, "schema", "ddl", "database", "database ddl")
}

func TestAClaimThatFailsChangesNothing(t *testing.T) {
	t.Parallel()
	// SPARE and NAME stand for what the two records are called.
	for name, c := range map[string]struct {
		kind, other string
		before      []string
		change      func(spare, a *registry.Tenant)
		want        error
	}{
		"another isolation":   {"schema", "database", nil, nil, onboard.ErrSpare},
		"another ddl":         {"schema", "ddl", nil, nil, onboard.ErrSpare},
		"rows":                {"row with a login", "row with a login", nil, nil, onboard.ErrSpare},
		"another cluster":     {"schema", "schema", nil, func(_, a *registry.Tenant) { a.Cluster = "second" }, onboard.ErrSpare},
		"another database":    {"schema", "schema", nil, func(_, a *registry.Tenant) { a.Database = "postgres" }, onboard.ErrSpare},
		"another schema":      {"database", "database", nil, func(_, a *registry.Tenant) { a.Schema = "app" }, onboard.ErrSpare},
		"a shared login":      {"schema", "schema", nil, func(_, a *registry.Tenant) { a.SharedLogin = true }, onboard.ErrSpare},
		"the same login":      {"schema", "schema", nil, func(spare, a *registry.Tenant) { a.Login = spare.Login }, onboard.ErrSpare},
		"no spare":            {"schema", "schema", []string{"COMMENT ON ROLE SPARE IS NULL"}, nil, onboard.ErrSpare},
		"somebody's spare":    {"schema", "schema", []string{"ALTER SCHEMA SPARE OWNER TO postgres"}, nil, onboard.ErrSpare},
		"a spare with power":  {"schema", "schema", []string{"ALTER ROLE SPARE CREATEDB"}, nil, onboard.ErrSpare},
		"the schema is taken": {"schema", "schema", []string{"CREATE SCHEMA NAME"}, nil, onboard.ErrConflict},
		"the login is taken":  {"schema", "schema", []string{"CREATE ROLE NAME"}, nil, onboard.ErrConflict},
		"the owner is taken":  {"schema", "schema", []string{"CREATE ROLE NAME_owner"}, nil, onboard.ErrConflict},
		"the database is":     {"database", "database", []string{"CREATE DATABASE NAME"}, nil, onboard.ErrConflict},
		"a bad password": {"schema", "schema", nil, func(_, a *registry.Tenant) {
			a.Password = registry.NewSecret("päss")
		}, onboard.ErrPassword},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			spare, a := kinds[c.kind](w, "spare"), kinds[c.other](w, "a")
			p := w.provisioner(onboard.Config{})
			w.provision(p, spare)
			if c.change != nil {
				c.change(spare, a)
			}
			for _, sql := range c.before {
				w.super(replaceNames(sql, spare, a))
			}
			before := w.state()
			if err := p.Claim(t.Context(), spare, a); !errors.Is(err, c.want) && (name != "another cluster" || !errors.Is(err, onboard.ErrCluster)) {
				t.Errorf("got %v", err)
			}
			sameState(t, before, w.state())
		})
	}
}

func TestASpareInUseIsNotClaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	spare, a := w.tenant("spare", registry.IsolationDatabase), w.tenant("a", registry.IsolationDatabase)
	p := w.provisioner(onboard.Config{})
	w.provision(p, spare)
	conn := w.as(spare)
	if err := p.Claim(t.Context(), spare, a); !errors.Is(err, onboard.ErrSpare) || !contains(err, "connected") {
		t.Errorf("got %v", err)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Claim(t.Context(), spare, a); err != nil {
		t.Error(err)
	}
}

func TestATenantThatWasProvisionedClaimsNoSpare(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	spare, a := w.tenant("spare", registry.IsolationSchema), w.tenant("a", registry.IsolationSchema)
	p := w.provisioner(onboard.Config{})
	w.provision(p, spare, a)
	if err := p.Claim(t.Context(), spare, a); !errors.Is(err, onboard.ErrConflict) || !contains(err, "without the spare") {
		t.Errorf("got %v", err)
	}
}

func TestOfTwoWhoClaimOneSpareOneGetsIt(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		spare := w.tenant("spare", registry.IsolationSchema)
		w.provision(w.provisioner(onboard.Config{}), spare)
		results := make(chan error, 4)
		for i := range cap(results) {
			p, a := w.provisioner(onboard.Config{}), w.tenant(string(rune('a'+i)), registry.IsolationSchema)
			go func() { results <- p.Claim(t.Context(), spare, a) }()
		}
		won := 0
		for range cap(results) {
			if err := <-results; err == nil {
				won++
			} else if !errors.Is(err, onboard.ErrSpare) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d got it", won)
		}
	})
}

func BenchmarkClaim(b *testing.B) {
	for _, kind := range []string{"schema", "database"} {
		b.Run(kind, func(b *testing.B) { benchmarkClaim(b, kinds[kind]) })
	}
}

// benchmarkClaim claims one spare over and over: it is the next one's spare.
func benchmarkClaim(b *testing.B, kind func(*world, string) *registry.Tenant) {
	b.Helper()
	w := newWorld(b)
	p := w.provisioner(onboard.Config{MaxConns: 4})
	spare, a := kind(w, "spare"), kind(w, "a")
	w.provision(p, spare)
	for b.Loop() {
		if err := p.Claim(b.Context(), spare, a); err != nil {
			b.Fatal(err)
		}
		spare, a = a, spare
	}
}

func replaceNames(sql string, spare, a *registry.Tenant) string {
	return strings.NewReplacer("SPARE", spare.ID.String(), "NAME", a.ID.String()).Replace(sql)
}
