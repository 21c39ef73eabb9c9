package onboard_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAMigrationThatFailsNamesTenantFileAndSQLState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	dir := folder(t, map[string]string{
		"00001_good.sql": "-- +goose Up\nCREATE TABLE good ();\n", "00002_bad.sql": "-- +goose Up\nCREATE TABLE half ();\nSELECT * FROM absent;\n",
	})
	err := w.provisioner(onboard.Config{Migrations: dir}).Provision(t.Context(), a)
	failed, ok := errors.AsType[*onboard.MigrationError](err)
	if !ok || failed.Tenant != a.ID || failed.File != "00002_bad.sql" || failed.SQLState != "42P01" {
		t.Fatalf("got %v, %+v", err, failed)
	}
	for _, part := range []string{"tenant " + a.ID.String(), "migration 00002_bad.sql (SQLSTATE 42P01)"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	if got := w.tables(a.Schema); !slices.Equal(got, []string{"good", "goose_db_version"}) {
		t.Errorf("there are %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "00002_bad.sql"), []byte("-- +goose Up\nCREATE TABLE mended ();\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.provision(w.provisioner(onboard.Config{Migrations: dir}), a) // goes on where it stopped
	if got := w.tables(a.Schema); !slices.Equal(got, []string{"good", "goose_db_version", "mended"}) {
		t.Errorf("there are %q", got)
	}
}

func (w *world) tables(schema string) []string {
	w.t.Helper()
	return w.strings(w.connect(w.srv.AdminDSN(w.database)), "select tablename from pg_tables where schemaname = $1 order by 1", schema)
}

func TestMigrationsSeeTheirOwnSchemaOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.super("CREATE TABLE public.everybodys (n int)")
	a := w.tenant("a", registry.IsolationSchema)
	dir := folder(t, map[string]string{"1_x.sql": "-- +goose Up\nINSERT INTO everybodys VALUES (1);\n"})
	if err := w.provisioner(onboard.Config{Migrations: dir}).Provision(t.Context(), a); sqlState(err) != "42P01" {
		t.Errorf("got %v", err)
	}
	dir = folder(t, map[string]string{"1_x.sql": "-- +goose Up\nINSERT INTO public.everybodys VALUES (1);\n"})
	if err := w.provisioner(onboard.Config{Migrations: dir}).Provision(t.Context(), a); sqlState(err) != "42501" {
		t.Errorf("got %v", err) // the owner has no power outside, and is not the administrator
	}
}

func TestAMigrationWithoutTransactionRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(w.provisioner(onboard.Config{Migrations: folder(t, map[string]string{
		"1_x.sql":   "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE x (n int);\nCREATE INDEX CONCURRENTLY i ON x (n);\n",
		"README.md": "What the folder is for.",
	})}), a)
}

// A tenant that owns its schema may leave a trap there; what it springs must
// have no more power than the tenant.
func TestATrapInATenantsOwnSchemaCatchesNobody(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := w.tenant("a", registry.IsolationSchema)
		a.DDL = true
		w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a)
		w.exec(w.as(a), `create function trap() returns trigger language plpgsql as $$ begin
			execute 'reset role'; execute 'reset session authorization'; execute 'alter role `+a.Login+` createdb'; return new; end $$;
			create trigger trap before insert on goose_db_version for each row execute function trap();
			create trigger trap before insert on items for each row execute function trap()`)
		next := folder(t, map[string]string{
			"00001_items.sql": "-- +goose Up\nSELECT 1;\n", "00002_more.sql": "-- +goose Up\nINSERT INTO items (name) VALUES ('more');\n",
		})
		if err := w.provisioner(onboard.Config{Migrations: next}).Provision(t.Context(), a); sqlState(err) != "42501" {
			t.Errorf("got %v", err)
		}
		if got := w.strings(w.connect(w.admin), "select rolname from pg_roles where rolname = $1 and rolcreatedb", a.Login); len(got) > 0 {
			t.Error("the tenant has power now")
		}
	})
}

// The table of versions is read at every start. A policy on it may sleep, and
// its owner knows how to ignore the server's timeout.
func TestATrapThatSleepsEndsLongBeforeTheTimeout(t *testing.T) {
	t.Parallel()
	const limit = 3 * time.Second // a tenth of the timeout
	const policy = "; alter table goose_db_version enable row level security, force row level security"
	const stubborn = `create function trap() returns %s language plpgsql as $$ begin
		perform set_config('statement_timeout', '0', false);
		loop begin perform pg_sleep(3600); exception when query_canceled then null; end; end loop; end $$;`
	for name, trap := range map[string]string{
		"plain":          "create policy trap on goose_db_version using (pg_sleep(3600) is not null)" + policy,
		"stubborn":       fmt.Sprintf(stubborn, "boolean") + "create policy trap on goose_db_version using (trap())" + policy,
		"in a migration": fmt.Sprintf(stubborn, "trigger") + "create trigger trap before insert on items for each row execute function trap()",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.tenant("a", registry.IsolationSchema)
			a.DDL = true
			w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}), a)
			w.exec(w.as(a), trap)
			next := folder(t, map[string]string{
				"00001_items.sql": "-- +goose Up\nSELECT 1;\n", "00002_more.sql": "-- +goose Up\nINSERT INTO items (name) VALUES ('more');\n",
			})
			began := time.Now()
			err := w.provisioner(onboard.Config{Migrations: next, Timeout: 10 * limit}).Provision(t.Context(), a)
			if took := time.Since(began); took > 8*limit {
				t.Errorf("it took %v", took)
			}
			if failed, ok := errors.AsType[*onboard.MigrationError](err); !ok || !contains(failed, "the tenant's own", "may take 3s", "onboard.timeout") {
				t.Errorf("got %v", err)
			} else if name == "plain" && failed.SQLState != "57014" {
				t.Errorf("it was not the server that ended it: %v", err)
			}
		})
	}
}

func TestAFolderOfMigrationsIsCheckedOnLoad(t *testing.T) {
	t.Parallel()
	const good = "-- +goose Up\nSELECT 1;\n"
	for name, c := range map[string]struct {
		files map[string]string
		text  string
	}{
		"empty":             {nil, "no migrations"},
		"no number":         {map[string]string{"tables.sql": good}, "tables.sql: a migration's name begins with its number"},
		"number 0":          {map[string]string{"00000_x.sql": good}, "00000_x.sql"},
		"no annotation":     {map[string]string{"1_x.sql": "SELECT 1;\n"}, "1_x.sql"},
		"unfinished":        {map[string]string{"1_x.sql": good, "2_y.sql": "-- +goose Up\nSELECT 1\n"}, "2_y.sql"},
		"unended statement": {map[string]string{"1_x.sql": "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n"}, "1_x.sql"},
		"the same number":   {map[string]string{"1_x.sql": good, "001_y.sql": good}, "duplicate"},
		"go":                {map[string]string{"1_x.sql": good, "2_y.go": "package x\n"}, "2_y.go: migrations are .sql files"},
	} {
		for _, field := range []string{"migrations", "shared"} {
			cfg := onboard.Config{Timeout: time.Second, Migrations: folder(t, c.files)}
			if field == "shared" {
				cfg.Migrations, cfg.Shared = "", cfg.Migrations
			}
			_, err := onboard.New(cfg, nil, slog.New(slog.DiscardHandler))
			if !errors.Is(err, onboard.ErrMigrations) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "onboard: "+field+": ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	_, err := onboard.New(onboard.Config{Timeout: time.Second, Migrations: "/no/such/folder"}, nil, slog.New(slog.DiscardHandler))
	if !errors.Is(err, onboard.ErrMigrations) || !strings.Contains(err.Error(), "there is no folder /no/such/folder") {
		t.Errorf("got %v", err)
	}
}

func TestTheConfigurationNamesTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	if err := onboard.Defaults().Validate(); err != nil {
		t.Error(err)
	}
	for text, change := range map[string]func(*onboard.Config){
		"onboard: timeout: 0s is not above 0":             func(c *onboard.Config) { c.Timeout = 0 },
		"onboard: timeout: -1s":                           func(c *onboard.Config) { c.Timeout = -time.Second },
		`onboard: row_setting: "x" is no name like app.t`: func(c *onboard.Config) { c.RowSetting = "x" },
		"onboard: row_setting: ":                          func(c *onboard.Config) { c.RowSetting = "a.b'; drop table x" },
	} {
		cfg := onboard.Defaults()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("want %q, got %v", text, err)
		}
		if _, err := onboard.New(cfg, nil, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("New accepts what is wrong: %s", text)
		}
	}
}
