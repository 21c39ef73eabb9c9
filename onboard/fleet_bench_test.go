package onboard_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// The figure is of 1,000: go test ./onboard -run '^$' -bench Fleet -benchtime 1x -fleet 1000
var (
	fleetSize    = flag.Int("fleet", 50, "how many schemas the benchmark of migrations has")
	fleetWorkers = flag.Int("fleet-workers", 0, "how many it migrates side by side; 0 is the default")
)

// release is what an application brings: five files, and later a sixth.
var release = map[string]string{
	"00001_people.sql": "-- +goose Up\nCREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail text NOT NULL UNIQUE, at timestamptz NOT NULL DEFAULT now());\n",
	"00002_items.sql":  "-- +goose Up\nCREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner bigint NOT NULL REFERENCES people, name text NOT NULL);\nCREATE INDEX items_owner ON items (owner);\n",
	"00003_notes.sql":  "-- +goose Up\nALTER TABLE items ADD notes text NOT NULL DEFAULT '';\n",
	"00004_names.sql":  "-- +goose Up\nCREATE VIEW names AS SELECT i.name, p.mail FROM items i JOIN people p ON p.id = i.owner;\n",
	"00005_first.sql":  "-- +goose Up\nINSERT INTO people (mail) VALUES ('first@example.com');\n",
}

const sixth = "-- +goose Up\nCREATE TABLE sixth (id bigint PRIMARY KEY);\n"

// benchFleet is schemas that nothing was migrated in yet.
type benchFleet struct {
	b        *testing.B
	database string
	dir      string
	tenants  []*registry.Tenant
}

func newBenchFleet(b *testing.B, name string) *benchFleet {
	b.Helper()
	f := &benchFleet{b: b, database: pgtest.Shared().Database(b), dir: b.TempDir()}
	for name, text := range release {
		f.add(name, text)
	}
	conn := f.connect()
	defer conn.Close(b.Context())
	for i := range *fleetSize {
		id := fmt.Sprintf("%s%d-%d", name, numbers.Add(1), i)
		t := &registry.Tenant{
			ID: registry.MustParseID(id), Status: registry.StatusActive, Cluster: "main", Isolation: registry.IsolationSchema, Version: 1,
			Schema: id, Login: id, Password: registry.NewSecret("unused"),
		}
		f.tenants = append(f.tenants, t)
		owner := pgx.Identifier{onboard.OwnerName(id)}.Sanitize()
		login, schema := pgx.Identifier{id}.Sanitize(), pgx.Identifier{id}.Sanitize()
		f.exec(conn, "CREATE ROLE "+owner+"; CREATE ROLE "+login+" LOGIN; CREATE SCHEMA "+schema+" AUTHORIZATION "+owner+
			"; GRANT USAGE ON SCHEMA "+schema+" TO "+login+
			"; ALTER DEFAULT PRIVILEGES FOR ROLE "+owner+" IN SCHEMA "+schema+" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "+login+
			"; ALTER DEFAULT PRIVILEGES FOR ROLE "+owner+" IN SCHEMA "+schema+" GRANT SELECT, USAGE ON SEQUENCES TO "+login)
	}
	f.exec(conn, "CHECKPOINT")
	return f
}

func (f *benchFleet) connect() *pgx.Conn {
	f.b.Helper()
	conn, err := pgx.Connect(f.b.Context(), pgtest.Shared().AdminDSN(f.database))
	if err != nil {
		f.b.Fatal(err)
	}
	return conn
}

func (f *benchFleet) exec(conn *pgx.Conn, sql string) {
	f.b.Helper()
	if _, err := conn.Exec(f.b.Context(), sql); err != nil {
		f.b.Fatalf("%s: %v", sql, err)
	}
}

func (f *benchFleet) add(name, text string) {
	f.b.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		f.b.Fatal(err)
	}
}

// naive is how it is done without Poolkeeper: for every tenant a connection,
// and goose. It returns the failures.
func (f *benchFleet) naive() (failures int) {
	f.b.Helper()
	for _, t := range f.tenants {
		if err := f.naiveOne(t); err != nil {
			failures++
		}
	}
	return failures
}

func (f *benchFleet) naiveOne(t *registry.Tenant) error {
	cfg, err := pgx.ParseConfig(pgtest.Shared().AdminDSN(f.database))
	if err != nil {
		return err
	}
	cfg.RuntimeParams["search_path"] = pgx.Identifier{t.Schema}.Sanitize()
	cfg.RuntimeParams["role"] = onboard.OwnerName(t.ID.String())
	db := sql.OpenDB(stdlib.GetConnector(*cfg))
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS(f.dir), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	_, err = p.Up(f.b.Context())
	return err
}

// ours is one run of Migrate.
func (f *benchFleet) ours() (failures int) {
	f.b.Helper()
	cluster := registry.Cluster{DSN: registry.NewSecret(pgtest.Shared().DSN(f.database, "app", "unused")), Admin: registry.NewSecret(pgtest.Shared().AdminDSN(f.database))}
	p, err := onboard.New(onboard.Config{Timeout: time.Minute, Migrations: f.dir}, map[string]registry.Cluster{"main": cluster}, slog.New(slog.DiscardHandler))
	if err != nil {
		f.b.Fatal(err)
	}
	err = p.Migrate(f.b.Context(), f.tenants, onboard.MigrateOptions{Workers: *fleetWorkers}, func(m onboard.Migrated) {
		if m.Err != nil {
			failures++
		}
	})
	if err != nil {
		f.b.Fatal(err)
	}
	return failures
}

// block keeps the sixth file from ten tenants, or lets it through.
func (f *benchFleet) block(sql string) {
	f.b.Helper()
	conn := f.connect()
	defer conn.Close(context.WithoutCancel(f.b.Context()))
	for _, t := range f.tenants[:10] {
		f.exec(conn, fmt.Sprintf(sql, pgx.Identifier{t.Schema}.Sanitize()))
	}
}

// BenchmarkFleetMigration has both ways go through the same story, each with
// schemas and a database of its own, the two taking turns at every chapter:
// what a run takes in seconds, and how many times longer tenant by tenant is.
func BenchmarkFleetMigration(b *testing.B) {
	for b.Loop() {
		chapters(b, newBenchFleet(b, "naive"), newBenchFleet(b, "ours"))
	}
}

func chapters(b *testing.B, naive, ours *benchFleet) {
	both := []*benchFleet{naive, ours}
	for _, chapter := range []struct {
		name     string
		failures int
		prepare  func(f *benchFleet)
	}{
		{"first", 0, func(*benchFleet) {}},
		{"noop", 0, func(*benchFleet) {}},
		{"10failing", 10, func(f *benchFleet) { f.add("00006_sixth.sql", sixth); f.block("CREATE TABLE %s.sixth ()") }},
		{"resume", 0, func(f *benchFleet) { f.block("DROP TABLE %s.sixth") }},
	} {
		for _, f := range both {
			chapter.prepare(f)
		}
		slow := timed(b, chapter.failures, naive.naive)
		quick := timed(b, chapter.failures, ours.ours)
		b.ReportMetric(slow.Seconds(), "naive-s/"+chapter.name)
		b.ReportMetric(quick.Seconds(), "s/"+chapter.name)
		b.ReportMetric(slow.Seconds()/quick.Seconds(), "x/"+chapter.name)
	}
}

func timed(b *testing.B, failures int, run func() int) time.Duration {
	b.Helper()
	began := time.Now()
	if got := run(); got != failures {
		b.Fatalf("%d tenants failed, want %d", got, failures)
	}
	return time.Since(began)
}
