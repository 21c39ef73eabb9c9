package control_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
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

// soon is a context for something that takes moments.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), tooLong)
	t.Cleanup(cancel)
	return ctx
}

// world is a control database.
type world struct {
	testing.TB
	dsn    string
	keyset registry.Secret
	own    *pgx.Conn // the owner's, once it was needed
}

func newWorld(t testing.TB) *world {
	t.Helper()
	keyset, err := seal.Generate()
	must(t, err)
	return &world{TB: t, dsn: pgtest.Shared().AdminDSN(pgtest.Shared().Database(t)), keyset: keyset}
}

// config polls so seldom that a test which sees a change has been told of it.
func (w *world) config() control.Config {
	c := control.Defaults()
	c.DSN, c.Keyset, c.Poll = registry.NewSecret(w.dsn), w.keyset, 10*time.Minute
	return c
}

type option func(*control.Config, *control.Options)

func named(name string) option {
	return func(_ *control.Config, o *control.Options) { o.Name = name }
}

func poll(d time.Duration) option {
	return func(c *control.Config, _ *control.Options) { c.Poll = d }
}

func ttl(d time.Duration) option {
	return func(c *control.Config, _ *control.Options) { c.LockTTL = d }
}

func logging(to *buffer) option {
	return func(_ *control.Config, o *control.Options) { o.Log = slog.New(slog.NewTextHandler(to, nil)) }
}

func (w *world) database(options ...option) *control.Database {
	w.Helper()
	cfg, o := w.config(), control.Options{Clusters: sourcetest.Clusters()}
	for _, option := range options {
		option(&cfg, &o)
	}
	d, err := control.New(cfg, o)
	must(w, err)
	return d
}

// open returns a Database that is open until the test ends.
func (w *world) open(options ...option) *control.Database {
	w.Helper()
	d := w.database(options...)
	must(w, d.Open(soon(w)))
	w.Cleanup(d.Close)
	return d
}

// serving returns one that has loaded, too.
func (w *world) serving(options ...option) *control.Database {
	w.Helper()
	d := w.open(options...)
	must(w, d.Load(soon(w)))
	return d
}

// exec runs a statement as the owner of the database.
func (w *world) exec(sql string, args ...any) {
	w.Helper()
	_, err := w.conn().Exec(w.Context(), sql, args...)
	must(w, err)
}

func (w *world) conn() *pgx.Conn {
	w.Helper()
	if w.own != nil && !w.own.IsClosed() {
		return w.own
	}
	conn, err := pgx.Connect(w.Context(), w.dsn)
	must(w, err)
	w.Cleanup(func() { _ = conn.Close(context.Background()) })
	w.own = conn
	return conn
}

// admin is a connection to another database of the server.
func (w *world) admin() *pgx.Conn {
	w.Helper()
	conn, err := pgx.Connect(w.Context(), pgtest.Shared().AdminDSN(""))
	must(w, err)
	w.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// name is the database's.
func (w *world) name() string {
	w.Helper()
	cfg, err := pgx.ParseConfig(w.dsn)
	must(w, err)
	return cfg.Database
}

func id(text string) registry.ID { return registry.MustParseID(text) }

// record is one of schema isolation with a login and a password of its own.
func record(name string) *control.Record {
	return &control.Record{State: registry.StatusActive, Tenant: registry.Tenant{
		ID: id(name), Cluster: "main", Isolation: registry.IsolationSchema,
		Login: name, Password: registry.NewSecret("secret of " + name),
	}}
}

// with is record after a change.
func with(name string, change func(*control.Record)) *control.Record {
	r := record(name)
	change(r)
	return r
}

func create(t testing.TB, d *control.Database, r *control.Record) *control.Record {
	t.Helper()
	made, err := d.Create(soon(t), r)
	must(t, err)
	return made
}

func update(t testing.TB, d *control.Database, name string, change func(*control.Record)) *control.Record {
	t.Helper()
	r, err := d.Update(soon(t), id(name), 0, func(r *control.Record) error { change(r); return nil })
	must(t, err)
	return r
}

func read(t testing.TB, d *control.Database, name string) *control.Record {
	t.Helper()
	r, err := d.Record(soon(t), id(name))
	must(t, err)
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition that nobody tells of.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.After(tooLong); !is(); {
		select {
		case <-ticker.C:
		case <-end:
			t.Fatalf("still not: %s", what)
		}
	}
}

// buffer is a log that tests read while it is written.
type buffer struct {
	mu   sync.Mutex
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

// names are n1 to n<many>.
func names(many int) []string {
	all := make([]string, many)
	for i := range all {
		all[i] = fmt.Sprintf("n%d", i+1)
	}
	return all
}
