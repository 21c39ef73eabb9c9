package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// planeSetup is what a process needs to work on the tenants of a test: the
// test's own, or one that it starts and kills.
type planeSetup struct {
	Control, Keyset, DSN, Admin string
	Migrations, Shared, Exports string
	LockTTL, Poll               time.Duration
	Spares                      int
	Template                    string                   // without the plane's prefix
	SecondDSN, SecondAdmin      string                   // of a cluster on another server; "" for none
	Budgets                     [2]int                   // of both clusters, when there is a second
	Plans                       map[string]registry.Plan `json:"-"`
}

// plane is a control database with an operator, for tenants in a database of
// the shared server.
type plane struct {
	setup       planeSetup
	server      *pgtest.Server
	database    string // of the tenants
	controlName string
	prefix      string // of ids, because roles are the server's
	db          *control.Database
	operator    *lifecycle.Operator
	provisioner *onboard.Provisioner
	log         *syncBuffer
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var planes atomic.Int64

// firstMigration makes the table that every tenant has; a row says who is
// connected.
const firstMigration = `-- +goose Up
CREATE TABLE items (id int PRIMARY KEY, owner text NOT NULL DEFAULT current_schema());
INSERT INTO items (id) VALUES (1);
-- +goose Down
DROP TABLE items;
`

const sharedMigration = `-- +goose Up
CREATE TABLE items (id int, tenant_id text NOT NULL DEFAULT current_setting('app.tenant_id'), PRIMARY KEY (tenant_id, id));
-- +goose Down
DROP TABLE items;
`

func newPlaneOn(t testing.TB, server *pgtest.Server, edit func(*planeSetup)) *plane {
	t.Helper()
	p := &plane{server: server, database: server.Database(t), controlName: server.Database(t), log: &syncBuffer{}}
	p.prefix = fmt.Sprintf("p%d", planes.Add(1))
	keyset, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p.setup = planeSetup{
		Control: server.AdminDSN(p.controlName), Keyset: keyset.Reveal(),
		DSN: server.DSN(p.database, p.prefix+"_app", password), Admin: server.AdminDSN(p.database),
		Migrations: filepath.Join(dir, "tenant"), Shared: filepath.Join(dir, "shared"), Exports: filepath.Join(dir, "exports"),
		LockTTL: 10 * time.Second, Poll: 2 * time.Second,
	}
	p.migration(t, "00001_items.sql", firstMigration)
	p.file(t, filepath.Join(p.setup.Shared, "00001_items.sql"), sharedMigration)
	if edit != nil {
		edit(&p.setup)
	}
	if p.setup.Template != "" {
		p.setup.Template = p.id(p.setup.Template).String()
	}
	t.Cleanup(func() { p.dropAll(t) })
	p.db, p.provisioner, p.operator = p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(p.db.Close)
	t.Cleanup(p.operator.Close)
	return p
}

func newPlane(t testing.TB, edit func(*planeSetup)) *plane {
	t.Helper()
	return newPlaneOn(t, pgtest.Shared(), edit)
}

func (p *plane) migration(t testing.TB, name, text string) {
	t.Helper()
	p.file(t, filepath.Join(p.setup.Migrations, name), text)
}

func (p *plane) file(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fataler is a test, or a process that a test has started.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// open connects a process to the plane.
func (s planeSetup) open(ctx context.Context, t fataler, log *syncBuffer, step func(kind, step string)) (*control.Database, *onboard.Provisioner, *lifecycle.Operator) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	cfg := control.Defaults()
	cfg.DSN, cfg.Keyset = registry.NewSecret(s.Control), registry.NewSecret(s.Keyset)
	cfg.LockTTL, cfg.Poll = s.LockTTL, s.Poll
	db, err := control.New(cfg, control.Options{Clusters: s.clusters(), Plans: s.Plans, Log: logger})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Open(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Load(ctx); err != nil {
		t.Fatal(err)
	}
	onboarding := onboard.Defaults()
	onboarding.Migrations, onboarding.Shared, onboarding.Exports = s.Migrations, s.Shared, s.Exports
	onboarding.MaxConns, onboarding.Spares, onboarding.Template = 4, s.Spares, s.Template
	provisioner, err := onboard.New(onboarding, s.clusters(), logger)
	if err != nil {
		t.Fatal(err)
	}
	operator := lifecycle.New(lifecycle.Deps{
		Control: db, Provisioner: provisioner, Clusters: s.clusters(), Plans: s.Plans, Config: onboarding, Log: logger, Step: step,
	})
	return db, provisioner, operator
}

func (s planeSetup) clusters() map[string]registry.Cluster {
	c := registry.ClusterDefaults()
	c.DSN, c.Admin = registry.NewSecret(s.DSN), registry.NewSecret(s.Admin)
	clusters := map[string]registry.Cluster{"main": c}
	if s.SecondDSN != "" {
		second := c
		second.DSN, second.Admin = registry.NewSecret(s.SecondDSN), registry.NewSecret(s.SecondAdmin)
		c.Budget, second.Budget = s.Budgets[0], s.Budgets[1]
		clusters["main"], clusters["second"] = c, second
	}
	return clusters
}

// dropAll takes away what a test left on the shared server beyond its
// databases: roles are the server's.
func (p *plane) dropAll(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, p.setup.Admin)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close(ctx)
	for _, database := range p.texts(ctx, t, c, "select datname from pg_database where datname ~ $1", p.ours()) {
		p.exec(ctx, t, c, "DROP DATABASE "+pgx.Identifier{database}.Sanitize()+" WITH (FORCE)")
	}
	for _, role := range p.texts(ctx, t, c, "select rolname from pg_roles where rolname ~ $1", p.ours()) {
		name := pgx.Identifier{role}.Sanitize()
		p.exec(ctx, t, c, "DROP OWNED BY "+name+" CASCADE")
		p.exec(ctx, t, c, "DROP ROLE "+name)
	}
}

// ours matches the names of everything that the test has made.
func (p *plane) ours() string { return "^" + p.prefix + "[-_]" }

func (p *plane) texts(ctx context.Context, t testing.TB, c *pgx.Conn, query string, args ...any) []string {
	t.Helper()
	rows, err := c.Query(ctx, query, args...)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func (p *plane) exec(ctx context.Context, t testing.TB, c *pgx.Conn, sql string) {
	t.Helper()
	if _, err := c.Exec(ctx, sql); err != nil {
		t.Errorf("%s: %v", sql, err)
	}
}

// id makes an id that is the test's own on the server.
func (p *plane) id(name string) registry.ID { return registry.MustParseID(p.prefix + "-" + name) }

// keeper serves the plane's tenants.
func (p *plane) keeper(t testing.TB, edit func(*pools.Config)) *pools.Keeper {
	t.Helper()
	return p.keep(t, p.db, edit).Keeper
}

// keep has pools for the tenants of a source, which is the plane's or stands
// before it, until the test ends.
func (p *plane) keep(t testing.TB, source registry.Source, edit func(*pools.Config)) *fleet {
	t.Helper()
	tenants, err := registry.New(registry.Defaults(), source, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg := pools.Defaults()
	cfg.Clusters, cfg.Refresh = p.setup.clusters(), p.operator.Password
	if edit != nil {
		edit(&cfg)
	}
	keeper, err := pools.New(cfg, tenants, nil)
	if err != nil {
		t.Fatal(err)
	}
	tenants.Subscribe(keeper.Apply)
	watching, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = tenants.Run(watching) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := keeper.Close(ctx); err != nil {
			t.Error(err)
		}
		stop()
		running.Wait()
	})
	return &fleet{Keeper: keeper, registry: tenants}
}

func marshal(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
