package onboard_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestMain(m *testing.M) {
	code := pgtest.Main(m, pgtest.Options{})
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var numbers atomic.Int64

// world is a server's database with tenants to be, and an administrator.
type world struct {
	t        testing.TB
	srv      *pgtest.Server
	prefix   string // of every role and id, because roles are the server's
	database string
	admin    string // DSN
	ordinary bool   // the administrator is no superuser
	cluster  registry.Cluster
	log      strings.Builder
}

// administrators are the two kinds; each test of privileges runs with both.
var administrators = map[string]func(*testing.T) *world{
	"superuser": func(t *testing.T) *world { return newWorld(t) }, "ordinary": newOrdinaryWorld,
}

func forEachAdministrator(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for name, open := range administrators {
		if testing.Short() && name != "ordinary" {
			continue // who may less fails where the other would
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	srv := pgtest.Shared()
	// The letter at the end keeps w1 from being the beginning of w10.
	w := &world{t: t, srv: srv, prefix: "w" + strconv.FormatInt(numbers.Add(1), 10) + "x"}
	w.database = srv.Database(t)
	w.setAdmin(srv.AdminDSN(w.database))
	return w
}

// newOrdinaryWorld has an administrator without superuser's rights, and a
// database hardened by the superuser, as an operator would leave it.
func newOrdinaryWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	name := w.prefix + "_provisioner"
	w.super(fmt.Sprintf("CREATE ROLE %s LOGIN CREATEROLE CREATEDB PASSWORD 'prov'", name))
	w.super(fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", w.database, name))
	w.setAdmin(srv(w).DSN(w.database, name, "prov"))
	w.ordinary = true
	return w
}

func srv(w *world) *pgtest.Server { return w.srv }

func (w *world) setAdmin(dsn string) {
	w.admin = dsn
	w.cluster = registry.Cluster{
		DSN:   registry.NewSecret(w.srv.DSN(w.database, w.prefix+"_app", "app's password")),
		Admin: registry.NewSecret(dsn),
	}
}

func (w *world) provisioner(cfg onboard.Config) *onboard.Provisioner {
	w.t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = onboard.Defaults().Timeout
	}
	p, err := onboard.New(cfg, map[string]registry.Cluster{"main": w.cluster}, slog.New(slog.NewTextHandler(&w.log, nil)))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// tenant returns a record; name is made unique on the server.
func (w *world) tenant(name string, isolation registry.Isolation) *registry.Tenant {
	full := w.prefix + name
	t := &registry.Tenant{
		ID: registry.MustParseID(full), Status: registry.StatusActive, Cluster: "main", Isolation: isolation, Version: 1,
	}
	switch isolation {
	case registry.IsolationSchema:
		t.Schema, t.Login, t.Password = full, full, registry.NewSecret("pw "+full)
	case registry.IsolationDatabase:
		t.Database, t.Login, t.Password = full, full, registry.NewSecret("pw "+full)
		w.t.Cleanup(func() { w.super("DROP DATABASE IF EXISTS " + full + " WITH (FORCE)") })
	case registry.IsolationRow:
		t.Schema = "shared"
	}
	return t
}

func (w *world) provision(p *onboard.Provisioner, tenants ...*registry.Tenant) {
	w.t.Helper()
	for _, t := range tenants {
		if err := p.Provision(w.t.Context(), t); err != nil {
			w.t.Fatal(err)
		}
	}
}

// super runs statements as the superuser in the world's database.
func (w *world) super(statements ...string) {
	w.t.Helper()
	conn := w.connect(w.srv.AdminDSN(w.database))
	for _, sql := range statements {
		if _, err := conn.Exec(context.WithoutCancel(w.t.Context()), sql); err != nil {
			w.t.Fatalf("%s: %v", sql, err)
		}
	}
	_ = conn.Close(context.WithoutCancel(w.t.Context()))
}

func (w *world) connect(dsn string) *pgx.Conn {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context()) // also for cleanups
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn
}

// as connects as the tenant, pinned as its pool would.
func (w *world) as(t *registry.Tenant) *pgx.Conn {
	w.t.Helper()
	conn := w.connect(w.dsnOf(t, t.Database))
	if t.Isolation == registry.IsolationRow {
		w.exec(conn, "select set_config('app.tenant_id', $1, false)", t.ID.String())
	}
	if t.Schema != "" {
		w.exec(conn, "select set_config('search_path', quote_ident($1), false)", t.Schema)
	}
	return conn
}

// dsnOf is the tenant's login on a database; "" is the world's.
func (w *world) dsnOf(t *registry.Tenant, database string) string {
	if database == "" {
		database = w.database
	}
	if t.Login == "" {
		u, _ := url.Parse(w.cluster.DSN.Reveal())
		u.Path = "/" + database
		return u.String()
	}
	return w.srv.DSN(database, t.Login, t.Password.Reveal())
}

func (w *world) exec(conn *pgx.Conn, sql string, args ...any) {
	w.t.Helper()
	if _, err := conn.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) strings(conn *pgx.Conn, sql string, args ...any) []string {
	w.t.Helper()
	rows, err := conn.Query(w.t.Context(), sql, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return got
}

// refused checks that the server refuses the statement with the SQLSTATE.
func (w *world) refused(conn *pgx.Conn, state, sql string) {
	w.t.Helper()
	_, err := conn.Exec(w.t.Context(), sql)
	if got := sqlState(err); got != state {
		w.t.Errorf("%s: SQLSTATE %q (%v), want %s", sql, got, err, state)
	}
}

func sqlState(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	return ""
}

// folder writes a set of migrations.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// tenantTables is a set with what tables come with: an identity, a serial, a
// view, and one row that says whose it is.
func tenantTables(t *testing.T) string {
	t.Helper()
	return folder(t, map[string]string{"00001_items.sql": `-- +goose Up
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number serial, name text NOT NULL);
CREATE VIEW names AS SELECT name FROM items;
INSERT INTO items (name) VALUES (current_schema() || ' in ' || current_database());
-- +goose Down
DROP VIEW names;
DROP TABLE items;
`})
}

func sharedTables(t *testing.T) string {
	t.Helper()
	return folder(t, map[string]string{"00001_items.sql": `-- +goose Up
CREATE TABLE items (tenant_id text NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE numbered (tenant_id varchar(63) NOT NULL, n int) PARTITION BY RANGE (n);
CREATE TABLE numbered_low PARTITION OF numbered FOR VALUES FROM (0) TO (100);
CREATE TABLE countries (code text PRIMARY KEY);
INSERT INTO countries VALUES ('pt');
CREATE VIEW names AS SELECT name FROM items;
CREATE MATERIALIZED VIEW counts AS SELECT tenant_id, count(*) FROM items GROUP BY 1;
-- +goose Down
DROP TABLE items CASCADE;
`})
}

func isPrivilege(err error) bool { return errors.Is(err, onboard.ErrPrivilege) }

func contains(err error, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			return false
		}
	}
	return true
}
