package onboard_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// scene is a world in which a call is about to be made.
type scene struct {
	w    *world
	call func(context.Context) error
}

// crash ends a call at a step. A superuser's loses its context; another's the
// administrator's connections, as if the process had been killed, so that
// nothing is tidied up.
func (s scene) crash(cancel context.CancelFunc) {
	if s.w.ordinary {
		s.w.cut()
	} else {
		cancel()
	}
}

// cut ends every session of the administrator in the world's databases.
func (w *world) cut() {
	w.t.Helper()
	w.super(`select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'poolkeeper onboard'
		and (datname = '` + w.database + `' or datname like '` + w.prefix + `%')`)
}

// healedAnywhere makes the call in one scene, and in others up to each step,
// then once more there: the catalogues must say the same in the end. It tries
// each eighth step; POOLKEEPER_STEPS=all has it try all.
func healedAnywhere(t *testing.T, open func(t *testing.T) scene) {
	t.Helper()
	var names []string
	undisturbed := open(t)
	ctx := onboard.WithSteps(t.Context(), func(step string) { names = append(names, step) })
	if err := undisturbed.call(ctx); err != nil {
		t.Fatal(err)
	}
	want := undisturbed.w.state()
	if len(names) < 2 {
		t.Fatalf("the steps are %q", names)
	}
	for n, name := range names {
		if os.Getenv("POOLKEEPER_STEPS") != "all" && n%8 != len(t.Name())%8 {
			continue // each kind of tenant has other steps left out
		}
		t.Run(fmt.Sprintf("%d %s", n, name), func(t *testing.T) {
			t.Parallel()
			s := open(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			told := 0
			err := s.call(onboard.WithSteps(ctx, func(string) {
				if told == n {
					s.crash(cancel)
				}
				told++
			}))
			if err == nil && !s.w.ordinary {
				t.Error("it did not end at the step")
			}
			if err := s.call(t.Context()); err != nil {
				t.Fatal(err)
			}
			sameState(t, want, s.w.state())
		})
	}
}

func sameState(t *testing.T, want, got []string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("too much: %s", line)
		}
	}
}

// state is what the catalogues say of the world's roles, databases and
// schemas, with the names that the world made up replaced.
func (w *world) state() []string {
	w.t.Helper()
	const acl = "(select string_agg(i::text, ' ' order by i::text) from unnest(%s) i)"
	var all []string
	home := w.connect(w.srv.AdminDSN(w.database))
	for _, query := range []string{
		`select 'role', rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolconnlimit, coalesce(rolvaliduntil, 'infinity'),
			left(rolpassword, 13), shobj_description(oid, 'pg_authid') from pg_authid where rolname like $1`,
		`select 'member', roleid::regrole, member::regrole, grantor::regrole from pg_auth_members
			where (roleid::regrole::text like $1 or member::regrole::text like $1) and member::regrole::text <> grantor::regrole::text and grantor <> 10`,
		`select 'left a member', roleid::regrole, member::regrole from pg_auth_members where roleid::regrole::text like $1 and member = grantor`,
		`select 'setting', rolname, setdatabase <> 0, setconfig from pg_db_role_setting join pg_roles r on r.oid = setrole where rolname like $1`,
		`select 'database', datname, datdba::regrole, datallowconn, ` + fmt.Sprintf(acl, "datacl") + ` from pg_database where datname like $1 or datname = current_database()`,
	} {
		all = append(all, w.strings(home, "select x::text from ("+query+") x", w.prefix+"%")...)
	}
	for _, database := range w.strings(home, "select datname::text from pg_database where (datname like $1 or datname = current_database()) and datallowconn", w.prefix+"%") {
		inside := w.connect(w.srv.AdminDSN(database))
		for _, query := range []string{
			`select 'schema', nspname, nspowner::regrole, ` + fmt.Sprintf(acl, "nspacl") + ` from pg_namespace where nspname not like 'pg\_%' and nspname <> 'information_schema'`,
			`select 'relation', relname, relnamespace::regnamespace, relkind, relowner::regrole, relrowsecurity, relforcerowsecurity, ` + fmt.Sprintf(acl, "relacl") + `
				from pg_class where oid > 16383 and relnamespace not in (select oid from pg_namespace where nspname like 'pg\_%')`,
			`select 'policy', polname, polrelid::regclass from pg_policy`,
			`select 'default', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, ` + fmt.Sprintf(acl, "defaclacl") + ` from pg_default_acl`,
		} {
			for _, line := range w.strings(inside, "select x::text from ("+query+") x") {
				all = append(all, database+": "+line)
			}
		}
		_ = inside.Close(w.t.Context())
	}
	_ = home.Close(w.t.Context())
	for i, line := range all {
		all[i] = strings.ReplaceAll(strings.ReplaceAll(line, w.prefix, "W"), w.database, "DB")
	}
	slices.Sort(all)
	return all
}

// kinds are the ways in which tenants live.
var kinds = map[string]func(w *world, name string) *registry.Tenant{
	"schema":   func(w *world, name string) *registry.Tenant { return w.tenant(name, registry.IsolationSchema) },
	"database": func(w *world, name string) *registry.Tenant { return w.tenant(name, registry.IsolationDatabase) },
	"row":      func(w *world, name string) *registry.Tenant { return w.tenant(name, registry.IsolationRow) },
	"row with a login": func(w *world, name string) *registry.Tenant {
		t := w.tenant(name, registry.IsolationRow)
		t.Login, t.Password = t.ID.String(), registry.NewSecret("pw")
		return t
	},
	"ddl": func(w *world, name string) *registry.Tenant {
		t := w.tenant(name, registry.IsolationSchema)
		t.DDL = true
		return t
	},
	"database ddl": func(w *world, name string) *registry.Tenant {
		t := w.tenant(name, registry.IsolationDatabase)
		t.DDL = true
		return t
	},
}

// forEachKind runs the test with an ordinary administrator for each of the
// kinds, and with a superuser for the first.
func forEachKind(t *testing.T, test func(t *testing.T, open func(*testing.T) *world, kind func(*world, string) *registry.Tenant), names ...string) {
	t.Helper()
	for i, name := range names {
		for who, open := range administrators {
			if who == "superuser" && i > 0 {
				continue
			}
			t.Run(name+" by "+who, func(t *testing.T) {
				t.Parallel()
				test(t, open, kinds[name])
			})
		}
	}
}

// everything has migrations for all isolations and a limit of connections.
func everything(t *testing.T) onboard.Config {
	return onboard.Config{Migrations: tenantTables(t), Shared: sharedTables(t), MaxConns: 4}
}

func TestProvisioningThatWasKilledAnywhereIsHealed(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *testing.T, open func(*testing.T) *world, kind func(*world, string) *registry.Tenant) {
		healedAnywhere(t, func(t *testing.T) scene {
			w := open(t)
			p, a := w.provisioner(everything(t)), kind(w, "a")
			return scene{w, func(ctx context.Context) error { return p.Provision(ctx, a) }}
		})
	}, "schema", "ddl", "database", "row")
}

func TestADropThatWasKilledAnywhereIsFinished(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *testing.T, open func(*testing.T) *world, kind func(*world, string) *registry.Tenant) {
		healedAnywhere(t, func(t *testing.T) scene {
			w := open(t)
			p, a := w.provisioner(everything(t)), kind(w, "a")
			w.provision(p, a, kind(w, "b"))
			return scene{w, func(ctx context.Context) error { return p.Drop(ctx, a) }}
		})
	}, "schema", "ddl", "database", "row with a login")
}

func TestAClaimThatWasKilledAnywhereIsFinished(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *testing.T, open func(*testing.T) *world, kind func(*world, string) *registry.Tenant) {
		healedAnywhere(t, func(t *testing.T) scene {
			w := open(t)
			p, spare, a := w.provisioner(everything(t)), kind(w, "spare"), kind(w, "a")
			w.provision(p, spare)
			return scene{w, func(ctx context.Context) error { return p.Claim(ctx, spare, a) }}
		})
	}, "schema", "ddl", "database")
}

func TestANewPasswordThatWasKilledAnywhereIsFinished(t *testing.T) {
	t.Parallel()
	forEachKind(t, func(t *testing.T, open func(*testing.T) *world, kind func(*world, string) *registry.Tenant) {
		healedAnywhere(t, func(t *testing.T) scene {
			w := open(t)
			p, a := w.provisioner(everything(t)), kind(w, "a")
			w.provision(p, a)
			a.NextPassword = registry.NewSecret("the next one")
			return scene{w, func(ctx context.Context) error { return p.SetPassword(ctx, a) }}
		})
	}, "schema", "ddl")
}
