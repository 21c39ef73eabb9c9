package onboard_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestADropTakesTheReaderAlsoOneThatTheRecordLost(t *testing.T) {
	t.Parallel()
	forEachReadable(t, func(t *testing.T, w *world, p *onboard.Provisioner, kind func(*world, string) *registry.Tenant) {
		w.provision(p, kind(w, "stays"))
		before := w.state()
		for _, lost := range []bool{false, true} {
			gone := kind(w, "goes")
			w.provision(p, gone)
			conn := w.as(reading(gone))
			if lost {
				gone.ReadLogin = ""
			}
			for range 2 {
				if err := p.Drop(t.Context(), gone); err != nil {
					t.Fatalf("%s, lost %t: %v", gone.ID, lost, err)
				}
			}
			sameState(t, before, w.state())
			if _, err := conn.Exec(t.Context(), "select 1"); err == nil {
				t.Errorf("%s: the reader's session is still there", gone.ID)
			}
		}
	})
}

func TestADropRefusesSomebodyElsesReader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(everything(t))
	a, b := withReader(w.tenant("a", registry.IsolationSchema)), withReader(w.tenant("b", registry.IsolationSchema))
	w.provision(p, a, b)
	before := w.state()
	a.ReadLogin = b.ReadLogin
	for what, err := range map[string]error{"drop": p.Drop(t.Context(), a), "provision": p.Provision(t.Context(), a), "password": p.SetReadPassword(t.Context(), a)} {
		if !errors.Is(err, onboard.ErrConflict) || !contains(err, "is the reader of tenant "+b.ID.String()) {
			t.Errorf("%s: %v", what, err)
		}
	}
	sameState(t, before, w.state())
}

func TestTheCopyOfADatabaseKnowsNoReader(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		p := w.provisioner(everything(t))
		for _, name := range []string{"database", "database ddl", "schema"} {
			name, kind := strings.ReplaceAll(name, " ", ""), kinds[name]
			a, b := withReader(kind(w, name+"a")), kind(w, name+"b")
			w.provision(p, a)
			r := w.as(reading(a))
			w.exec(w.as(a), "insert into items (name) values ('copied')")
			if name != "schema" {
				conn := w.connect(w.srv.AdminDSN(a.Database))
				w.exec(conn, "create policy seen on items to "+a.ReadLogin+" using (true)")
				_ = conn.Close(t.Context())
			}
			if err := p.Clone(t.Context(), a, b, true); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, line := range w.state() {
				if strings.Contains(line, name+"a_reader") && strings.Contains(line, name+"b:") {
					t.Errorf("%s: the copy says %s", name, line)
				}
			}
			if got := w.strings(w.as(b), "select name from items where name = 'copied'"); len(got) != 1 {
				t.Errorf("%s: the copy has %q", name, got)
			}
			if name == "schema" {
				w.exec(r, "select * from items")
			}
			w.exec(w.as(reading(a)), "select * from items") // the source's still reads
			for _, tenant := range []*registry.Tenant{b, a} {
				if err := p.Drop(t.Context(), tenant); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}

func TestASpareAndAReaderDoNotMeet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.provisioner(everything(t))
	spare, a := w.tenant("spare", registry.IsolationSchema), withReader(w.tenant("a", registry.IsolationSchema))
	w.provision(p, spare)
	before := w.state()
	if err := p.Claim(t.Context(), spare, a); !errors.Is(err, onboard.ErrSpare) || !contains(err, "reader") {
		t.Errorf("claimed for a tenant with a reader: %v", err)
	}
	sameState(t, before, w.state())
	a.ReadLogin = ""
	if err := p.Claim(t.Context(), spare, a); err != nil {
		t.Fatal(err)
	}
	if err := p.MakeReader(t.Context(), withReader(a)); err != nil {
		t.Fatal(err)
	}
	w.exec(w.as(reading(a)), "select * from items")
}

func TestAReaderWhoseMakingWasKilledAnywhereIsHealed(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *testing.T, open func(*testing.T) *world, kind func(*world, string) *registry.Tenant) {
		for _, what := range []string{"provision", "reader", "password", "drop"} {
			t.Run(what, func(t *testing.T) {
				t.Parallel()
				healedAnywhere(t, func(t *testing.T) scene {
					w := open(t)
					p, a := w.provisioner(everything(t)), withReader(kind(w, "a"))
					plain := *a
					plain.ReadLogin = ""
					calls := map[string]func(context.Context) error{
						"provision": func(ctx context.Context) error { return p.Provision(ctx, a) },
						"reader":    func(ctx context.Context) error { return p.MakeReader(ctx, a) },
						"password":  func(ctx context.Context) error { return p.SetReadPassword(ctx, a) },
						"drop":      func(ctx context.Context) error { return p.Drop(ctx, a) },
					}
					switch what {
					case "reader":
						w.provision(p, &plain)
					case "password":
						w.provision(p, a)
						a.ReadPassword = registry.NewSecret("the next one")
					case "drop":
						w.provision(p, a)
					}
					return scene{w, calls[what]}
				})
			})
		}
	}, "schema", "ddl", "database")
}

func TestAReaderSeesOnlyItsTenantsDatabase(t *testing.T) {
	t.Parallel()
	forEachReadable(t, func(t *testing.T, w *world, p *onboard.Provisioner, kind func(*world, string) *registry.Tenant) {
		a, b := kind(w, "a"), kind(w, "b")
		w.provision(p, a, b)
		conn := w.as(reading(a))
		may := w.strings(conn, `select datname::text from pg_database where has_database_privilege(oid, 'CONNECT') and datname in ($1, $2) order by 1`,
			cmp.Or(a.Database, w.database), cmp.Or(b.Database, w.database))
		if !slices.Equal(may, []string{cmp.Or(a.Database, w.database)}) {
			t.Errorf("%s: the reader may connect to %q", a.ID, may)
		}
		may = w.strings(conn, `select nspname::text from pg_namespace where has_schema_privilege(oid, 'USAGE') and nspowner > 16383 and nspname <> 'public' order by 1`)
		if a.Schema != "" && !slices.Equal(may, []string{a.Schema}) {
			t.Errorf("%s: the reader may use %q", a.ID, may)
		}
	})
}
