package lifecycle_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
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

// tooLong is when something that was to happen is taken not to.
const tooLong = time.Minute

var worlds atomic.Int64

// world is a control database and a cluster, main, for one test.
type world struct {
	testing.TB
	prefix   string // of ids, because roles are the server's
	clusters map[string]registry.Cluster
	plans    map[string]registry.Plan
	onboard  onboard.Config
	control  control.Config
	audit    lifecycle.Auditor
	log      buffer
	steps    steps
	dial     pgconn.DialFunc // of the provisioner; may be nil

	db       *control.Database
	operator *lifecycle.Operator
}

// buffer is a log that is read while it is written.
type buffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// steps are those that operations have told.
type steps struct {
	mu   sync.Mutex // guards all
	all  []string
	hook func(step string) // may be nil; set before the first operation
}

func (s *steps) told(_, step string) {
	if s.hook != nil {
		s.hook(step)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, step)
}

func (s *steps) has(step string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.all, step)
}

// newWorld makes one after edit has changed what it is made of.
func newWorld(t testing.TB, edit func(*world)) *world {
	t.Helper()
	keyset, err := seal.Generate()
	must(t, err)
	server := pgtest.Shared()
	database := server.Database(t)
	w := &world{TB: t, prefix: fmt.Sprintf("w%d", worlds.Add(1)), onboard: onboard.Defaults(), control: control.Defaults()}
	w.control.DSN, w.control.Keyset = registry.NewSecret(server.AdminDSN(server.Database(t))), keyset
	main := registry.ClusterDefaults()
	main.DSN = registry.NewSecret(server.DSN(database, w.prefix+"_app", "shared"))
	main.Admin = registry.NewSecret(server.AdminDSN(database))
	w.clusters = map[string]registry.Cluster{"main": main}
	w.onboard.Migrations = t.TempDir()
	w.migration("00001_items.sql", "CREATE TABLE items (id int)")
	if edit != nil {
		edit(w)
	}
	t.Cleanup(w.dropRoles)
	w.db, w.operator = w.process()
	return w
}

// process is one that works on the world's tenants, until the test ends.
func (w *world) process() (*control.Database, *lifecycle.Operator) {
	w.Helper()
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	db, err := control.New(w.control, control.Options{Clusters: w.clusters, Plans: w.plans, Log: log})
	must(w, err)
	must(w, db.Open(w.soon()))
	w.Cleanup(db.Close)
	must(w, db.Load(w.soon()))
	provisioner, err := onboard.New(w.onboard, w.clusters, log)
	must(w, err)
	if w.dial != nil {
		provisioner.Through(func(string) pgconn.DialFunc { return w.dial }, 4)
	}
	operator := lifecycle.New(lifecycle.Deps{
		Control: db, Provisioner: provisioner, Clusters: w.clusters, Plans: w.plans, Config: w.onboard, Audit: w.audit, Step: w.steps.told, Log: log,
	})
	w.Cleanup(operator.Close)
	w.Cleanup(func() {
		if w.Failed() {
			w.Log(w.log.String())
		}
	})
	return db, operator
}

func (w *world) migration(name, up string) {
	w.Helper()
	text := "-- +goose Up\n" + up + ";\n-- +goose Down\nSELECT 1;\n"
	must(w, os.WriteFile(filepath.Join(w.onboard.Migrations, name), []byte(text), 0o600))
}

// dropRoles takes away what is the server's and not a database's.
func (w *world) dropRoles() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.Context()), tooLong)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.clusters["main"].Admin.Reveal())
	must(w, err)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select quote_ident(rolname) from pg_roles where rolname ~ $1", "^"+w.prefix+"[-_]")
	must(w, err)
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(w, err)
	for _, role := range roles { // what owns something elsewhere goes with the server
		_, _ = conn.Exec(ctx, "DROP OWNED BY "+role+" CASCADE")
		_, _ = conn.Exec(ctx, "DROP ROLE "+role)
	}
}

func (w *world) id(name string) registry.ID { return registry.MustParseID(w.prefix + "-" + name) }

// soon is a context for something that takes moments.
func (w *world) soon() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), tooLong)
	w.Cleanup(cancel)
	return ctx
}

func (w *world) spec(name string) lifecycle.Spec {
	return lifecycle.Spec{Tenant: registry.Tenant{ID: w.id(name)}}
}

// ended waits for an operation that was begun.
func (w *world) ended(op control.Operation, err error) control.Operation {
	w.Helper()
	must(w, err)
	must(w, w.operator.Follow(w.soon(), op.ID, func(now control.Operation) error { op = now; return nil }))
	return op
}

// done waits for one that goes well.
func (w *world) done(op control.Operation, err error) control.Operation {
	w.Helper()
	op = w.ended(op, err)
	if op.State != control.Done {
		w.Fatalf("%s ended as %s (%s) at %q: %s", op.Kind, op.State, op.Code, op.Step, op.Error)
	}
	return op
}

func (w *world) add(name string) *control.Record {
	w.Helper()
	w.done(w.operator.Add(w.soon(), "test", w.spec(name)))
	return w.record(name)
}

func (w *world) record(name string) *control.Record {
	w.Helper()
	r, err := w.db.Record(w.soon(), w.id(name))
	must(w, err)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for what nobody tells of.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.After(tooLong); !is(); {
		select {
		case <-ticker.C:
		case <-end:
			t.Fatalf("still not: %s", what)
		}
	}
}
