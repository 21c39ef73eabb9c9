package pgtest_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestAServerOfTheTestsOwnHasItsSettings(t *testing.T) {
	t.Parallel()
	var srv *pgtest.Server
	t.Run("test", func(t *testing.T) {
		srv = pgtest.StartWith(t, pgtest.Settings{"max_connections": "17"})
		for setting, want := range map[string]string{"max_connections": "17", "fsync": "off", "ssl": "off"} {
			if got := ask(t, srv.AdminDSN(""), "select current_setting('"+setting+"')"); got != want {
				t.Errorf("%s is %q, want %q", setting, got, want)
			}
		}
	})
	if err := srv.Restart(t.Context()); err == nil {
		t.Error("the server is there after its test")
		stop(t, srv)
	}
}

func TestAServerSpeaksTLSAndSCRAM(t *testing.T) {
	t.Parallel()
	settings := pgtest.Settings{"ssl": "on"}
	srv := pgtest.StartWith(t, settings)
	admin, err := pgx.Connect(t.Context(), srv.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(t.Context()) }()
	if _, err := admin.Exec(t.Context(), "create role someone login password 'pw'"); err != nil {
		t.Fatal(err)
	}
	const question = "select version from pg_stat_ssl where pid = pg_backend_pid()"
	if got := ask(t, srv.TLSDSN("postgres", "someone", "pw"), question); !strings.HasPrefix(got, "TLS") {
		t.Errorf("the connection is protected by %q", got)
	}
	if _, err := pgx.Connect(t.Context(), srv.TLSDSN("postgres", "someone", "wrong")); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password gives %v", err)
	}
	if len(settings) != 1 {
		t.Errorf("the caller's settings became %v", settings)
	}
}

func TestAnInstallationSaysWhichExtensionsItHas(t *testing.T) {
	t.Parallel()
	srv := pgtest.Shared()
	if !srv.HasExtension(t, "plpgsql") || srv.HasExtension(t, "no_such_thing") {
		t.Error("it has plpgsql, and nothing of the name no_such_thing")
	}
}
