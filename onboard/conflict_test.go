package onboard_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestWhatBelongsToOthersIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	// In each, NAME stands for the tenant's id and names.
	for name, c := range map[string]struct {
		isolation registry.Isolation
		before    []string // as the superuser, before the first run
		between   []string // as the superuser, between two runs
		change    func(*registry.Tenant)
		kind      error
		text      string
	}{
		"a login made by hand": {
			registry.IsolationSchema,
			[]string{"CREATE ROLE NAME LOGIN PASSWORD 'x'"},
			nil, nil,
			onboard.ErrConflict, "was not made by Poolkeeper",
		},
		"a login of another tenant": {
			registry.IsolationSchema,
			[]string{"CREATE ROLE NAME LOGIN", "COMMENT ON ROLE NAME IS 'poolkeeper: login of tenant other in database postgres'"},
			nil, nil,
			onboard.ErrConflict, "is the login of tenant other",
		},
		"the superuser": {
			registry.IsolationSchema, nil, nil, func(t *registry.Tenant) { t.Login = "postgres" }, onboard.ErrConflict, "was not made by Poolkeeper",
		},
		"an owner made by hand": {
			registry.IsolationSchema, []string{"CREATE ROLE NAME_owner"}, nil, nil, onboard.ErrConflict, "NAME_owner",
		},
		"a schema made by hand": {
			registry.IsolationSchema, []string{"CREATE SCHEMA NAME"}, nil, nil, onboard.ErrConflict, "belongs to postgres",
		},
		"a database made by hand": {
			registry.IsolationDatabase, []string{"CREATE DATABASE NAME"}, nil, nil, onboard.ErrConflict, "belongs to postgres",
		},
		"a login that got power": {
			registry.IsolationSchema, nil, []string{"ALTER ROLE NAME CREATEDB BYPASSRLS"}, nil, onboard.ErrPower, "has CREATEDB, BYPASSRLS",
		},
		"a login that got a membership": {
			registry.IsolationSchema, nil, []string{"GRANT pg_read_all_data TO NAME"}, nil, onboard.ErrPower, "is a member of pg_read_all_data",
		},
		"an owner that got power": {
			registry.IsolationSchema, nil, []string{"ALTER ROLE NAME_owner SUPERUSER"}, nil, onboard.ErrPower, "has SUPERUSER",
		},
		"an owner that can log in": {
			registry.IsolationSchema, nil, []string{"ALTER ROLE NAME_owner LOGIN"}, nil, onboard.ErrConflict, "LOGIN is true",
		},
		"a login that cannot log in": {
			registry.IsolationSchema, nil, []string{"ALTER ROLE NAME NOLOGIN"}, nil, onboard.ErrConflict, "take that back with ALTER ROLE",
		},
		"another owner than before": {
			registry.IsolationSchema, nil, []string{"SELECT 1"}, func(t *registry.Tenant) { t.DDL = !t.DDL }, onboard.ErrConflict, "with ddl: true it belongs to NAME",
		},
		"policies that do not hold the shared login": {
			registry.IsolationRow, []string{"CREATE ROLE PREFIX_app LOGIN BYPASSRLS PASSWORD 'x'"}, nil, nil, onboard.ErrPower, "has BYPASSRLS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tenant := w.tenant("a", c.isolation)
			fill := strings.NewReplacer("NAME", tenant.ID.String(), "PREFIX", w.prefix)
			p := w.provisioner(onboard.Config{})
			for _, sql := range c.before {
				w.super(fill.Replace(sql))
			}
			if c.between != nil {
				w.provision(p, tenant)
				for _, sql := range c.between {
					w.super(fill.Replace(sql))
				}
			}
			if c.change != nil {
				c.change(tenant)
			}
			before := w.snapshot([]*registry.Tenant{})
			err := p.Provision(t.Context(), tenant)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), fill.Replace(c.text)) {
				t.Errorf("got %v", err)
			}
			if c.between != nil && !slices.Equal(before, w.snapshot(nil)) {
				t.Error("something was changed")
			}
		})
	}
}

func TestARoleWhoseDatabaseIsGoneIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.super("CREATE ROLE "+a.Login+" LOGIN PASSWORD 'old'", "COMMENT ON ROLE "+a.Login+" IS 'poolkeeper: login of tenant a in database gone'")
	w.provision(w.provisioner(onboard.Config{}), a)
	w.as(a)
}

func TestWhatACrashLeftIsHealed(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		d := w.tenant("d", registry.IsolationDatabase)
		p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
		w.provision(p, d)
		// As after CREATE DATABASE, before anything else.
		w.super("ALTER DATABASE "+d.Database+" ALLOW_CONNECTIONS false", "GRANT CONNECT, TEMP ON DATABASE "+d.Database+" TO PUBLIC",
			"REVOKE CONNECT ON DATABASE "+d.Database+" FROM "+d.Login)
		w.provision(p, d)
		w.refused(w.as(d), "42501", "create temp table x (id int)")

		s := w.tenant("s", registry.IsolationSchema)
		owner := s.Schema + "_owner"
		w.provision(p, s)
		w.super("REVOKE ALL ON SCHEMA "+s.Schema+" FROM "+s.Login, "GRANT ALL ON SCHEMA "+s.Schema+" TO PUBLIC",
			"REVOKE INSERT ON "+s.Schema+".items FROM "+s.Login, "GRANT TRUNCATE ON "+s.Schema+".items TO "+s.Login,
			"GRANT SELECT ON "+s.Schema+".goose_db_version TO "+s.Login,
			"ALTER DEFAULT PRIVILEGES FOR ROLE "+owner+" IN SCHEMA "+s.Schema+" REVOKE ALL ON TABLES FROM "+s.Login)
		w.provision(p, s)
		w.super("SET ROLE "+owner, "CREATE TABLE "+s.Schema+".later (n serial)", "RESET ROLE")
		conn := w.as(s)
		w.exec(conn, "insert into items (name) values ('x')")
		w.exec(conn, "insert into later default values")
		for _, sql := range []string{"truncate items", "select * from goose_db_version", "create table " + s.Schema + ".x ()"} {
			w.refused(conn, "42501", sql)
		}
	})
}

func TestManyAtOnceDoNotGetInEachOthersWay(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		cfg := onboard.Config{Migrations: tenantTables(t), Shared: sharedTables(t)}
		// Two provisioners stand for two processes.
		provisioners := []*onboard.Provisioner{w.provisioner(cfg), w.provisioner(cfg)}
		var group sync.WaitGroup
		for i := range 12 {
			tenant := w.tenant(string(rune('a'+i)), []registry.Isolation{registry.IsolationSchema, registry.IsolationRow, registry.IsolationDatabase}[i%3])
			for _, p := range provisioners {
				if i%3 == 2 && p == provisioners[1] {
					continue
				}
				group.Go(func() {
					if err := p.Provision(t.Context(), tenant); err != nil {
						t.Error(err)
					}
				})
			}
		}
		group.Wait()
	})
}

// PostgreSQL refuses the second of two changes of one row of the catalogue, as
// soon as the first has been committed.
func TestAChangeThatAnotherGotInTheWayOfIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.connect(w.admin)
	w.exec(other, "begin")
	w.exec(other, "grant temporary on database "+w.database+" to postgres")
	done := make(chan error)
	go func() {
		done <- w.provisioner(onboard.Config{}).Provision(t.Context(), w.tenant("a", registry.IsolationSchema))
	}()
	watch := w.connect(w.admin)
	const waiting = "select 'waits' from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(w.strings(watch, waiting)) == 0 {
		select {
		case err := <-done:
			t.Fatalf("nothing got in its way: %v", err)
		case <-tick.C:
		}
	}
	w.exec(other, "commit")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestProvisioningEndsWithItsContextAndItsTimeout(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := w.tenant("a", registry.IsolationSchema)
	if err := w.provisioner(onboard.Config{}).Provision(ctx, a); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), a.ID.String()) {
		t.Errorf("got %v", err)
	}
	slow := folder(t, map[string]string{"1_slow.sql": "-- +goose Up\nSELECT pg_sleep(600);\n"})
	began := time.Now()
	err := w.provisioner(onboard.Config{Migrations: slow, Timeout: 3 * time.Second}).Provision(t.Context(), a)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Minute {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestAKeyIsHeldByOneAndForgottenAfterwards(t *testing.T) {
	t.Parallel()
	var m onboard.KeyedMutex
	unlock, err := m.Lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	other, err := m.Lock(t.Context(), "b") // another key is free
	if err != nil {
		t.Fatal(err)
	}
	other()
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() {
		_, err := m.Lock(ctx, "a")
		waits <- err
	}()
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who gave up has %v", err)
	}
	next := make(chan func())
	go func() {
		unlock, _ := m.Lock(context.WithoutCancel(ctx), "a")
		next <- unlock
	}()
	unlock()
	(<-next)()
	if m.Len() != 0 {
		t.Errorf("%d keys are remembered", m.Len())
	}
}
