package handoff_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/pools/handoff"
)

func TestAConnectionThatChangedHandsIsTheSameSessionInANewConn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	w := &wire{}
	cfg := config(t, s.dsn("application_name=first"))
	cfg.DialFunc = w.dial
	from := connect(t, cfg)
	pid, key := from.PgConn().PID(), string(from.PgConn().SecretKey())
	exec(t, from, "SET timezone = 'Asia/Tokyo'")
	before := len(w.socket(0).written())

	to := hand(t, from, config(t, s.dsn("application_name=second")))
	if len(w.socket(0).written()) != before || w.count() != 1 {
		t.Error("the server was asked")
	}
	pg := to.PgConn()
	if pg.PID() != pid || string(pg.SecretKey()) != key || pg.TxStatus() != 'I' {
		t.Error("process, key or status differ")
	}
	for name, want := range map[string]string{
		"TimeZone": "Asia/Tokyo", "client_encoding": "UTF8", "application_name": "first",
		"server_version": from.PgConn().ParameterStatus("server_version"),
	} {
		if got := pg.ParameterStatus(name); got != want || got == "" {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if got := ask[uint32](t, to, "SELECT pg_backend_pid()"); got != pid {
		t.Errorf("the query ran in %d, not %d", got, pid)
	}
	if got := ask[string](t, to, "SELECT $1::text || $2::int", "a", 1); got != "a1" {
		t.Errorf("parameters came as %q", got)
	}
	exec(t, to, "SET timezone = 'UTC'")
	if pg.ParameterStatus("TimeZone") != "UTC" {
		t.Error("what the server reports later does not arrive")
	}
}

func TestThePoolThatReceivesItUsesItAsItsOwn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	giver, err := pgxpool.New(t.Context(), s.dsn())
	if err != nil {
		t.Fatal(err)
	}
	defer giver.Close()
	pooled, err := giver.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid := ask[int](t, pooled.Conn(), "SELECT pg_backend_pid()")
	h := take(t, pooled.Hijack())

	cfg, err := pgxpool.ParseConfig(s.dsn())
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 1
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { h.Replay(c, plainDial); return nil }
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { _, err := c.Exec(ctx, "DISCARD ALL"); return err }
	receiver, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	for range 3 {
		if got := ask[int](t, receiver, "SELECT pg_backend_pid()"); got != pid {
			t.Errorf("the query ran in %d, not %d", got, pid)
		}
	}
	if !h.Used() || h.Close() != nil || ask[int](t, receiver, "SELECT 1") != 1 {
		t.Error("Close of a used one did something")
	}
}

func TestPreparedStatementsCollideUntilTheReceiverDiscardsThem(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const sql = "SELECT $1::int + 1"
	from := connect(t, config(t, s.dsn()))
	if got := ask[int](t, from, sql, 1); got != 2 {
		t.Fatal(got)
	}
	to := hand(t, from, config(t, s.dsn()))
	var n int
	if err := to.QueryRow(t.Context(), sql, 1).Scan(&n); !hasCode(err, "42P05") {
		t.Errorf("%d, %v: nothing collides, and DISCARD ALL proves nothing", n, err)
	}
	to = hand(t, to, config(t, s.dsn()))
	exec(t, to, "DISCARD ALL")
	if got := ask[int](t, to, sql, 1); got != 2 {
		t.Error(got)
	}
	if _, err := to.Prepare(t.Context(), "named", sql); err != nil {
		t.Error(err)
	}
	if got := ask[int](t, to, "named", 41); got != 42 {
		t.Error(got)
	}
}

func TestAHundredHandoffsDoNotNest(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, mode := range []string{"sslmode=disable", "sslmode=require"} {
		c := connect(t, config(t, s.dsn(mode)))
		first, pid := c.PgConn().Conn(), c.PgConn().PID()
		if handoff.Below(first) != first {
			t.Error("a connection that was never handed over has something below")
		}
		for range 100 {
			c = hand(t, c, config(t, s.dsn(mode)))
			now := c.PgConn().Conn()
			if now == first || handoff.Below(now) != first {
				t.Fatalf("below the start-up is %T", handoff.Below(now))
			}
			exec(t, c, "DISCARD ALL")
		}
		if got := ask[uint32](t, c, "SELECT pg_backend_pid()"); got != pid {
			t.Errorf("%s: the query ran in %d, not %d", mode, got, pid)
		}
		if _, secure := first.(*tls.Conn); secure != (mode == "sslmode=require") {
			t.Errorf("%s: %T", mode, first)
		}
	}
}

func TestWhateverTheReceiverAsksForItGetsTheConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	verify := "sslmode=verify-full&sslrootcert=" + certificate
	for name, parameters := range map[string]string{
		"a way of authentication": "require_auth=scram-sha-256",
		"not without a password":  "require_auth=!none",
		"a verified server":       verify,
		"channel binding":         verify + "&channel_binding=require",
		"a client certificate":    verify + "&sslcertmode=require&sslcert=" + certificate + "&sslkey=" + certificateKey,
		"everything":              verify + "&channel_binding=require&require_auth=scram-sha-256&target_session_attrs=read-write",
		"TLS if there is any":     "sslmode=prefer",
		"a standby":               "target_session_attrs=standby",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			opened := config(t, s.dsn(strings.Replace(parameters, "=standby", "=any", 1)))
			opened.DialFunc = w.dial
			from := connect(t, opened)
			secure := handoff.Below(from.PgConn().Conn())
			before := len(w.socket(0).written())

			to := hand(t, from, config(t, s.dsn(parameters)))
			if len(w.socket(0).written()) != before {
				t.Error("the server was asked")
			}
			if ask[int](t, to, "SELECT 1") != 1 || handoff.Below(to.PgConn().Conn()) != secure {
				t.Error("the connection is another")
			}
		})
	}
}

func TestNoNameIsLookedUpAndNoOtherServerIsTried(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cfg := config(t, strings.Replace(s.dsn("sslmode=prefer"), "127.0.0.1", "nowhere.invalid:1,nowhere.invalid", 1))
	cfg.LookupFunc = func(context.Context, string) ([]string, error) {
		t.Error("a name was looked up")
		return nil, net.ErrClosed
	}
	to := hand(t, connect(t, config(t, s.dsn())), cfg)
	if ask[int](t, to, "SELECT 1") != 1 || len(to.Config().Fallbacks) != 0 {
		t.Error("no answer, or somewhere else to ask")
	}
	if got := to.PgConn().Conn().RemoteAddr().String(); got != "127.0.0.1:"+port(s) {
		t.Errorf("the address is %s", got)
	}
}

func TestWhatAConfigurationWrapsAroundItsConnectionsStaysAndIsNotRepeated(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	wrap := func(_ context.Context, _ *pgconn.Config, c net.Conn) (net.Conn, error) { return &tapped{Conn: c}, nil }
	cfg := config(t, s.dsn())
	cfg.AfterNetConnect = wrap
	c := connect(t, cfg.Copy())
	first := c.PgConn().Conn()
	for range 2 {
		c = hand(t, c, cfg.Copy())
		if c.Ping(t.Context()) != nil || handoff.Below(c.PgConn().Conn()) != first {
			t.Errorf("below is %T", handoff.Below(c.PgConn().Conn()))
		}
	}
}

func TestAUnixSocketChangesHandsToo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	dsn := "user=" + s.login + " password=" + password + " dbname=" + s.database + " sslmode=disable"
	local := config(t, dsn+" host="+sockets+" port="+port(s))
	to := hand(t, hand(t, connect(t, local), local.Copy()), local.Copy())
	if got := to.PgConn().Conn().RemoteAddr().Network(); got != "unix" {
		t.Fatal(got)
	}
	cancelled(t, s, to)

	// pgx sends cancel requests to the first host of several; this one is not
	// where the connection is.
	several := config(t, dsn+" host=/nowhere,"+sockets+" port=1,"+port(s))
	to = hand(t, connect(t, several), several.Copy())
	cancelled(t, s, to)
}

func TestAConnectionToAnotherDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := take(t, connect(t, config(t, s.dsn())))
	cfg := config(t, s.AdminDSN(""))
	h.Replay(cfg, plainDial)
	if c, err := pgx.ConnectConfig(t.Context(), cfg); err == nil {
		t.Errorf("connected to %s", ask[string](t, c, "SELECT current_database()"))
	}
	if h.Used() {
		t.Error("it counts as used")
	}
}
