package onboard_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestTheVerifierIsTheServersOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	conn := w.connect(w.admin)
	for i, password := range []string{"pencil", " a'b\"c\\d$e:f ", strings.Repeat("~", 300)} {
		role := w.prefix + strings.Repeat("v", i+1)
		var sql string
		if err := conn.QueryRow(t.Context(), "select format('create role %I password %L', $1::text, $2::text)", role, password).Scan(&sql); err != nil {
			t.Fatal(err)
		}
		w.exec(conn, sql)
		stored := w.strings(conn, "select rolpassword from pg_authid where rolname = $1", role)[0]
		salt, err := base64.StdEncoding.DecodeString(strings.Split(strings.Split(stored, "$")[1], ":")[1])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := onboard.VerifierWith(password, salt); err != nil || got != stored {
			t.Errorf("%q: %q, %v, want %q", password, got, err, stored)
		}
	}
}

func TestNoTwoVerifiersAreTheSame(t *testing.T) {
	t.Parallel()
	one, _ := onboard.Verifier("x")
	other, _ := onboard.Verifier("x")
	if one == other || !strings.HasPrefix(one, "SCRAM-SHA-256$4096:") {
		t.Errorf("%s, %s", one, other)
	}
}

// buffer is written by a server and read by the test.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestNoPasswordReachesTheServersLog(t *testing.T) {
	t.Parallel()
	var log buffer
	srv, err := pgtest.Start(t.Context(), pgtest.Options{Log: &log, Settings: map[string]string{
		"fsync": "off", "log_statement": "all", "log_min_duration_statement": "0", "log_parameter_max_length": "-1",
		"log_parameter_max_length_on_error": "-1", "log_min_messages": "debug1",
	}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, srv: srv, prefix: "log", database: "postgres"}
	w.setAdmin(srv.AdminDSN(""))
	w.provision(w.provisioner(onboard.Config{Migrations: tenantTables(t)}),
		w.tenant("a", registry.IsolationSchema), w.tenant("r", registry.IsolationRow))
	if err := srv.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := log.String()
	if !strings.Contains(text, "SCRAM-SHA-256$4096:") || !strings.Contains(text, "CREATE ROLE") {
		t.Fatalf("the log has no statements: %d bytes", len(text))
	}
	for _, secret := range []string{"pw loga", "app's password", "app''s password"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log contains %q", secret)
		}
	}
}

func TestAPasswordThatTheTenantChangedIsSetBack(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a := w.tenant("a", registry.IsolationSchema)
		p := w.provisioner(onboard.Config{})
		w.provision(p, a)
		w.exec(w.as(a), "alter role "+a.Login+" password 'changed'")
		if _, err := pgx.Connect(t.Context(), w.dsnOf(a, "")); sqlState(err) != "28P01" {
			t.Fatalf("the old password gives %v", err)
		}
		w.provision(p, a)
		w.as(a)
		a.Password = registry.NewSecret("a new one in the record")
		w.provision(p, a)
		w.as(a)
	})
}

func TestALoginThatCannotLogInIsNotReadyToServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	p := w.provisioner(onboard.Config{})
	w.provision(p, a)
	w.super("ALTER ROLE " + a.Login + " CONNECTION LIMIT 0")
	if err := p.Provision(t.Context(), a); sqlState(err) != "53300" || !strings.Contains(err.Error(), "as the tenant") {
		t.Errorf("got %v", err)
	}
}

func TestATenantWithAConnectionStringOfItsOwnIsOnlyTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.super("CREATE ROLE "+w.prefix+"_own LOGIN PASSWORD 'own'", "CREATE SCHEMA theirs AUTHORIZATION "+w.prefix+"_own")
	p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
	good := registry.NewSecret(w.srv.DSN(w.database, w.prefix+"_own", "own"))
	for name, c := range map[string]struct {
		schema string
		dsn    registry.Secret
		ok     func(error) bool
	}{
		"works":          {"theirs", good, func(err error) bool { return err == nil }},
		"needs nothing":  {"", good, func(err error) bool { return err == nil }},
		"no schema":      {"absent", good, func(err error) bool { return errors.Is(err, onboard.ErrConflict) }},
		"wrong password": {"theirs", registry.NewSecret(w.srv.DSN(w.database, w.prefix+"_own", "x")), func(err error) bool { return sqlState(err) == "28P01" }},
	} {
		tenant := &registry.Tenant{ID: registry.MustParseID(w.prefix + "own"), Cluster: "main", Isolation: registry.IsolationDatabase, Schema: c.schema, DSN: c.dsn}
		if err := p.Provision(t.Context(), tenant); !c.ok(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.strings(w.connect(w.admin), "select tablename from pg_tables where schemaname = 'theirs'"); len(got) > 0 {
		t.Errorf("tables were made: %q", got)
	}
}
