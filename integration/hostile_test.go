package integration_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What SQL from a hostile client may try with its session.

// raw runs statements below pgx, as the gateway does.
func raw(t *testing.T, f *fleet, name string, statements ...string) {
	t.Helper()
	l := f.lease(t, name)
	defer l.Release()
	c, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	for _, sql := range statements {
		if _, err := c.Conn().PgConn().ExecParams(t.Context(), sql, nil, nil, nil, nil).Close(); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// forge puts a statement of the tenant's own in the place of the one that the
// pin prepared, in a way that leaves no trace in a command's tag.
func forge(statement string) string {
	return `DO $$ BEGIN EXECUTE 'DEALLOCATE poolkeeper_canary'; EXECUTE 'PREPARE poolkeeper_canary AS ` + statement + `'; END $$`
}

func TestAForgedStatementDoesNotRunInTheReset(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own", "shared", "shared")
	raw(t, f, "own-0",
		`CREATE FUNCTION own_0.trap() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
			EXECUTE 'CREATE TEMP TABLE items (id int, tenant text)'; INSERT INTO items VALUES (1, 'EVIL');
			PERFORM set_config('statement_timeout', '0', false), pg_advisory_lock(4711); RETURN 1; END $$`,
		forge("SELECT own_0.trap()"))
	raw(t, f, "shared-1", // a deferred trigger fires at the end of what it was set off in
		"CREATE TABLE shared_1.trap (x int)",
		`CREATE FUNCTION shared_1.spring() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			PERFORM set_config('search_path', 'shared_2', false); RETURN NULL; END $$`,
		`CREATE CONSTRAINT TRIGGER late AFTER INSERT ON shared_1.trap DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW EXECUTE FUNCTION shared_1.spring()`,
		forge("INSERT INTO shared_1.trap VALUES (1)"))
	for _, name := range []string{"own-0", "shared-1"} {
		l := f.lease(t, name)
		if got := owner(t, l); got != name {
			t.Errorf("tenant %s sees the rows of %q", name, got)
		}
		var locks int
		var timeout string
		err := l.QueryRow(t.Context(), `SELECT count(*), current_setting('statement_timeout') FROM pg_locks
			WHERE locktype = 'advisory' AND pid = pg_backend_pid()`).Scan(&locks, &timeout)
		if err != nil || locks != 0 || timeout != "30s" {
			t.Errorf("tenant %s: %d locks, statement_timeout %s, %v", name, locks, timeout, err)
		}
		l.Release()
	}
}

func TestADriverStatementThatIsDroppedSinglyFailsOnceAtMost(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	owner(t, l)
	raw(t, f, "own-0", `DO $$ DECLARE s record; BEGIN
		FOR s IN SELECT name FROM pg_prepared_statements WHERE name LIKE 'stmtcache%' LOOP
			EXECUTE 'DEALLOCATE ' || quote_ident(s.name); END LOOP; END $$`)
	failed := 0
	for range 3 {
		var n int
		if err := l.QueryRow(t.Context(), "SELECT coalesce(string_agg(DISTINCT tenant, ','), '') = '' FROM items").Scan(new(bool)); err != nil {
			failed++
		}
		if err := l.QueryRow(t.Context(), "SELECT count(*) FROM items").Scan(&n); err != nil {
			failed++
		}
	}
	if failed > 1 {
		t.Errorf("%d uses failed", failed)
	}
}

func TestNotificationsAreNotKeptForTheNextBorrower(t *testing.T) { // not parallel: it measures the heap
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own")
	before := heap()
	raw(t, f, "own-0", `DO $$ BEGIN EXECUTE 'LISTEN x';
		PERFORM pg_notify('x', i || repeat('a', 7000)) FROM generate_series(1, 4000) i; END $$`)
	l := f.lease(t, "own-0")
	defer l.Release()
	c, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if n, err := c.Conn().WaitForNotification(ctx); err == nil {
		t.Errorf("the next borrower is told of %s", n.Channel)
	}
	if after := heap(); after > before+20<<20 {
		t.Errorf("%d MB are kept", (after-before)>>20)
	}
}

// running counts the statements with text that run for the fleet's logins.
func running(t *testing.T, f *fleet, text string) (n int) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, err := pgx.Connect(ctx, f.server.AdminDSN(f.database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	err = c.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'`, text).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAStatementThatCatchesItsCancelDoesNotOutliveItsConnection(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns, c.CancelTimeout = 1, 200*time.Millisecond }, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	const stubborn = `DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$`
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := l.Exec(ctx, stubborn, pgx.QueryExecModeExec); err == nil {
			t.Error("a statement without an end ended")
		}
		cancel()
	}
	if got := owner(t, l); got != "own-0" {
		t.Errorf("rows of %q", got)
	}
	if n := running(t, f, "query_canceled"); n != 0 {
		t.Errorf("%d of them still run", n)
	}
}

func TestAStatementThatNobodyReadsDoesNotOutliveItsConnection(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	for range 3 {
		c, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c.Conn().PgConn().Exec(t.Context(), "SELECT pg_sleep(60)") // as after a panic
		c.Release()
	}
	if got := owner(t, l); got != "own-0" {
		t.Errorf("rows of %q", got)
	}
	if n := running(t, f, "pg_sleep(60)"); n != 0 {
		t.Errorf("%d of them still run", n)
	}
}

func TestTheOwnerOfASharedDatabaseIsNotBehindAWall(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	admin(t, f.server, f.database, "ALTER DATABASE "+f.database+" OWNER TO "+pgx.Identifier{l.Tenant().Login}.Sanitize())
	defer admin(t, f.server, f.database, "ALTER DATABASE "+f.database+" OWNER TO postgres")
	c, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if err := c.Walled(); err == nil || !strings.Contains(err.Error(), "owns the database") {
		t.Errorf("walled: %v", err)
	}
}

func TestASchemaThatGoesWhileItsSessionRestsIsNoticedDespiteTheTail(t *testing.T) {
	t.Parallel()
	for _, trust := range []pools.SQL{pools.Untrusted, pools.Trusted} {
		f := newFleet(t, func(c *pools.Config) { c.SQL, c.MaxConns, c.SearchPathTail = trust, 1, []string{"public"} }, "own")
		l := f.lease(t, "own-0")
		if got := owner(t, l); got != "own-0" {
			t.Errorf("rows of %q", got)
		}
		admin(t, f.server, f.database, "ALTER SCHEMA own_0 RENAME TO gone")
		<-time.After(1100 * time.Millisecond)
		var names string
		if err := l.QueryRow(t.Context(), "SELECT string_agg(tenant, ',') FROM items").Scan(&names); err == nil {
			t.Errorf("%s: rows of %q", trust, names)
		}
		admin(t, f.server, f.database, "ALTER SCHEMA gone RENAME TO own_0")
		l.Release()
	}
}

func TestADiscardBelowTheDriverIsNoticed(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	for _, sql := range []string{"DISCARD ALL", "DEALLOCATE ALL", "DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"} {
		owner(t, l) // prepares a statement
		raw(t, f, "own-0", sql)
		if got := owner(t, l); got != "own-0" {
			t.Errorf("rows of %q", got)
		}
	}
}

func TestOneServerUnderTwoNamesGivesNoWall(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own", "own")
	login := f.lease(t, "own-0")
	defer login.Release()
	dsn := f.server.DSN(f.database, f.shared, password)
	clusters := map[string]registry.Cluster{
		"main":  {DSN: registry.NewSecret(dsn)},
		"alias": {DSN: registry.NewSecret(strings.Replace(dsn, "127.0.0.1", "0.0.0.0", 1))},
	}
	records := make([]*registry.Tenant, 2)
	for i, cluster := range []string{"main", "alias"} { // two tenants, one login
		record := *login.Tenant()
		record.ID, record.Cluster = id([]string{"a", "b"}[i]), cluster
		record.Schema = []string{"own_0", "own_1"}[i]
		records[i] = &record
	}
	admin(t, f.server, f.database, "GRANT USAGE ON SCHEMA own_1 TO "+pgx.Identifier{records[0].Login}.Sanitize())
	source, err := registry.NewStatic(clusters, records...)
	if err != nil {
		t.Fatal(err)
	}
	cfg := pools.Defaults()
	cfg.Clusters = clusters
	k, err := pools.New(cfg, source, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = k.Close(context.WithoutCancel(t.Context())) }()
	for round, names := range [][]string{{"a", "b"}, {"a", "b"}} {
		for _, name := range names {
			l, err := k.Lease(t.Context(), id(name))
			if err != nil {
				t.Fatal(err)
			}
			c, err := l.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Walled(); (round > 0 || name == "b") && err == nil {
				t.Errorf("round %d: tenant %s is behind a wall", round, name)
			}
			c.Release()
			l.Release()
		}
	}
}
