package doctor_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard/doctor"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
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

// ward is a database of the server, with an ordinary login and an
// administrator that lacks nothing.
type ward struct {
	t        *testing.T
	srv      *pgtest.Server
	prefix   string // of roles, which are the server's
	database string
	cluster  registry.Cluster
	tenants  listed
	setup    doctor.Setup
}

// listed are records as a control database lists them.
type listed []*control.Record

func (l *listed) Records(_ context.Context, f control.Filter) ([]*control.Record, error) {
	all := slices.Clone(*l)
	slices.SortFunc(all, func(a, b *control.Record) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	all = slices.DeleteFunc(all, func(r *control.Record) bool { return r.ID.String() <= f.After.String() })
	return all[:min(len(all), f.Limit)], nil
}

func newWard(t *testing.T) *ward {
	t.Helper()
	srv := pgtest.Shared()
	return onServer(t, srv, srv.Database(t))
}

// aloneWard has a server to itself, because roles are the server's.
func aloneWard(t *testing.T) *ward {
	t.Helper()
	srv, err := pgtest.Start(t.Context(), pgtest.Options{Data: filepath.Join(t.TempDir(), "pg"), Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop(context.WithoutCancel(t.Context())) })
	w := onServer(t, srv, "postgres")
	return w
}

func onServer(t *testing.T, srv *pgtest.Server, database string) *ward {
	t.Helper()
	w := &ward{t: t, srv: srv, prefix: "d" + strconv.FormatInt(numbers.Add(1), 10), database: database}
	w.super("CREATE ROLE " + w.prefix + "_app LOGIN PASSWORD 'app'")
	w.cluster = registry.Cluster{
		DSN:   registry.NewSecret(srv.DSN(w.database, w.prefix+"_app", "app")),
		Admin: registry.NewSecret(srv.AdminDSN(w.database)), Budget: 10, Replicas: 2, Margin: 3,
	}
	w.setup = doctor.Setup{Records: &w.tenants}
	t.Cleanup(func() { w.drop(w.prefix + "_app") })
	return w
}

// drop drops a role with what it has in the ward's database.
func (w *ward) drop(role string) {
	w.super("DROP OWNED BY "+role+" CASCADE", "DROP ROLE "+role)
}

// role makes a role that is dropped when the test ends.
func (w *ward) role(name, attributes string) string {
	w.t.Helper()
	full := w.prefix + name
	w.super("CREATE ROLE " + full + " " + attributes)
	w.t.Cleanup(func() { w.drop(full) })
	return full
}

// super runs statements as the superuser in the ward's database.
func (w *ward) super(statements ...string) {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context()) // also for cleanups
	conn, err := pgx.Connect(ctx, w.srv.AdminDSN(w.database))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			w.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// tenant lists a record of schema isolation that uses the shared login; its
// schema is there.
func (w *ward) tenant(name string) *control.Record {
	w.t.Helper()
	r := &control.Record{
		Tenant: registry.Tenant{
			ID: registry.MustParseID(w.prefix + name), Status: registry.StatusActive, Cluster: "main",
			Isolation: registry.IsolationSchema, Schema: w.prefix + name,
		},
		State: registry.StatusActive,
	}
	w.super("CREATE SCHEMA " + r.Schema)
	w.tenants = append(w.tenants, r)
	return r
}

func (w *ward) run() doctor.Report {
	w.t.Helper()
	w.setup.Clusters = map[string]registry.Cluster{"main": w.cluster}
	report, err := doctor.Run(w.t.Context(), w.setup)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Check == "" || f.Severity == "" || f.Subject == "" || f.Message == "" || f.Remedy == "" {
			w.t.Errorf("a finding is not complete: %+v", f)
		}
	}
	return report
}

// finds runs the doctor and wants exactly one finding of the check, with the
// severity and the parts in its texts.
func (w *ward) finds(check string, severity doctor.Severity, parts ...string) {
	w.t.Helper()
	report := w.run()
	var found []doctor.Finding
	for _, f := range report.Findings {
		text := f.Subject + ": " + f.Message + " -> " + f.Remedy
		if f.Check == check && f.Severity == severity && !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(text, p) }) {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		w.t.Errorf("want one %s of %s with %q; found %d in:\n%s", severity, check, parts, len(found), list(report))
	}
}

// silent wants that the check was run and found nothing.
func (w *ward) silent(check string) {
	w.t.Helper()
	report := w.run()
	if !slices.Contains(report.Checked, check) {
		w.t.Errorf("%s was not checked, only %v", check, report.Checked)
	}
	for _, f := range report.Findings {
		if f.Check == check {
			w.t.Errorf("%s is not silent:\n%s", check, list(report))
			return
		}
	}
}

func list(r doctor.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s %s: %s -> %s\n", f.Severity, f.Check, f.Subject, f.Message, f.Remedy)
	}
	return b.String()
}
