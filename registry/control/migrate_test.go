package control_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestProcessesThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var starting sync.WaitGroup
	for range 4 {
		d := w.database()
		starting.Go(func() {
			if err := d.Open(soon(t)); err != nil {
				t.Error(err)
			}
			d.Close()
		})
	}
	starting.Wait()
	entries, err := os.ReadDir("migrations")
	must(t, err)
	var applied int
	must(t, w.conn().QueryRow(t.Context(), "select count(*) from poolkeeper.migrations where version_id > 0").Scan(&applied))
	if applied != len(entries) {
		t.Errorf("%d migrations were applied, want %d", applied, len(entries))
	}
}

// A replica of the next release has migrated; this one goes on.
func TestAnOlderProgramWorksBesideANewer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.serving()
	create(t, before, record("acme"))
	w.exec("alter table poolkeeper.tenants add column future text not null default 'x'")
	w.exec("alter table poolkeeper.operations add column future text")
	w.exec("insert into poolkeeper.release (compatible_from) values (1)")
	w.exec("insert into poolkeeper.migrations (version_id, is_applied) values (99, true)")
	d := w.serving()
	for _, d := range []*control.Database{before, d} {
		update(t, d, "acme", func(r *control.Record) { r.DDL = !r.DDL })
		op, err := d.Begin(t.Context(), control.Operation{Kind: "add"})
		must(t, err)
		must(t, d.Note(t.Context(), op))
		must(t, d.Applied(soon(t), read(t, d, "acme").Version))
	}
	create(t, d, record("globex"))
	must(t, before.Remove(t.Context(), id("acme")))
	until(t, "both know it", func() bool { return status(d, "acme") == "" && status(before, "globex") != "" })

	w.exec("insert into poolkeeper.release (compatible_from) values (99)")
	late := w.database()
	defer late.Close()
	if err := late.Open(soon(t)); !errors.Is(err, control.ErrNewer) || !strings.Contains(err.Error(), "99") {
		t.Errorf("a program that is too old: %v", err)
	}
}

// The login of the documentation: it owns its database and can do nothing
// else.
func TestAnOwnerWithoutOtherRightsIsEnough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin, role := w.admin(), "owner_of_"+w.name()
	for _, sql := range []string{
		"create role " + role + " login password 'own'", "create role other_" + role + " login password 'own'",
		"alter database " + w.name() + " owner to " + role,
	} {
		_, err := admin.Exec(t.Context(), sql)
		must(t, err)
	}
	w.dsn = pgtest.Shared().DSN(w.name(), role, "own")
	d := w.serving()
	create(t, d, record("acme"))
	until(t, "it is served", func() bool { return status(d, "acme") == registry.StatusActive })
	_, _, err := d.Lock(t.Context(), id("acme"), "work")
	must(t, err)

	conn, err := pgx.Connect(t.Context(), pgtest.Shared().DSN(w.name(), "other_"+role, "own"))
	if err == nil {
		_ = conn.Close(t.Context())
		t.Error("another login can connect to the control database")
	}
}

func TestAConfigurationIsCheckedByField(t *testing.T) {
	t.Parallel()
	must(t, control.Defaults().Validate())
	for field, change := range map[string]func(*control.Config){
		"control.dsn":      func(c *control.Config) { c.DSN = registry.NewSecret("postgres://u:hush@h:port/") },
		"control.keyset":   func(c *control.Config) { c.DSN, c.Keyset = registry.NewSecret("env:X"), registry.NewSecret("hush") },
		"control.poll":     func(c *control.Config) { c.Poll = 0 },
		"control.lock_ttl": func(c *control.Config) { c.LockTTL = -1 },
	} {
		c := control.Defaults()
		change(&c)
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), field+":") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := control.New(control.Defaults(), control.Options{}); err == nil || !strings.HasPrefix(err.Error(), "control.dsn:") {
		t.Errorf("without a DSN: %v", err)
	}
}
