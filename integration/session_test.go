package integration_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// everyKind names the tenants that newFleet makes of all marks.
func everyKind() []string { return []string{"own", "shared", "database", "row"} }

func TestEachTenantSeesItsOwnRowsOnly(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own", "shared", "database", "row", "own", "shared", "database", "row")
	for i, mark := range append(everyKind(), everyKind()...) {
		name := fmt.Sprintf("%s-%d", mark, i)
		l := f.lease(t, name)
		if got := owner(t, l); got != name {
			t.Errorf("tenant %s sees the rows of %q", name, got)
		}
		l.Release()
	}
}

// vandals is what a lease may do to its session.
func vandals() []string {
	return []string{
		"SET search_path TO public",
		"SELECT set_config('search_path', 'public', false)",
		"DO $$ BEGIN EXECUTE 'SET search_path TO public'; END $$",
		"RESET ALL",
		"RESET search_path",
		"DISCARD ALL",
		"DEALLOCATE ALL",
		"SET statement_timeout TO '1min'",
		"SET app.tenant_id TO 'own-0'",
		"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
		"SET IntervalStyle TO 'sql_standard'",
		"BEGIN",
		"BEGIN; SET LOCAL search_path TO public",
		"LISTEN somebody",
		"SELECT pg_advisory_lock(pg_backend_pid())",
		"CREATE TEMP TABLE items (id int, tenant text)",
		"PREPARE mine AS SELECT 1",
		"DECLARE c CURSOR WITH HOLD FOR SELECT 1",
		"SET ROLE NONE",
	}
}

func TestWhatALeaseDoesToItsSessionIsNotTheNextBorrowersProblem(t *testing.T) {
	t.Parallel()
	for _, sql := range []pools.SQL{pools.Untrusted, pools.Trusted} {
		f := newFleet(t, func(c *pools.Config) { c.SQL, c.MaxConns = sql, 1 }, everyKind()...)
		for i, mark := range everyKind() {
			name := fmt.Sprintf("%s-%d", mark, i)
			t.Run(string(sql)+" "+name, func(t *testing.T) {
				for _, vandal := range vandals() {
					vandalise(t, f, name, vandal)
					l := f.lease(t, name)
					if got := owner(t, l); got != name {
						t.Errorf("after %q tenant %s sees the rows of %q", vandal, name, got)
					}
					l.Release()
				}
			})
		}
	}
}

func vandalise(t *testing.T, f *fleet, name, sql string) {
	t.Helper()
	l := f.lease(t, name)
	defer l.Release()
	c, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Logf("%s: %v", sql, err)
	}
}

func TestUntrustedSessionsComeBackClean(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own")
	const question = `SELECT current_setting('statement_timeout'), current_setting('IntervalStyle'),
		current_setting('default_transaction_read_only'), coalesce(current_setting('app.x', true), ''),
		(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
		(SELECT count(*) FROM pg_listening_channels()), to_regclass('pg_temp.items') IS NULL, pg_backend_pid()`
	state := func() (all [8]any) {
		l := f.lease(t, "own-0")
		defer l.Release()
		dest := make([]any, len(all))
		for i := range all {
			dest[i] = &all[i]
		}
		if err := l.QueryRow(t.Context(), question).Scan(dest...); err != nil {
			t.Fatal(err)
		}
		return all
	}
	clean := state()
	pid := clean[7]
	for _, sql := range []string{
		"SET statement_timeout TO 1234", "SET IntervalStyle TO 'sql_standard'", "SET app.x TO 'y'",
		"SET default_transaction_read_only TO on", "SELECT pg_advisory_lock(7)", "LISTEN x",
		"CREATE TEMP TABLE items (id int)", "BEGIN", "SET search_path TO public",
	} {
		vandalise(t, f, "own-0", sql)
		if got := state(); got != clean {
			t.Errorf("after %q the session is %v, was %v", sql, got, clean)
		} else if got[7] != pid {
			t.Errorf("after %q the connection was not kept", sql)
		}
	}
}

func TestACancelledStatementLeavesTheConnectionUsable(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) {
		c.MaxConns = 1
		c.CancelTimeout = time.Minute // that a loaded machine is slow to cancel is no reason to close
	}, "own", "row")
	for _, name := range []string{"own-0", "row-1"} {
		l := f.lease(t, name)
		var before, after int
		if err := l.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&before); err != nil {
			t.Fatal(err)
		}
		cancelled := 0
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			_, err := l.Exec(ctx, "SELECT pg_sleep(1)")
			cancel()
			if pg, ok := errors.AsType[*pgconn.PgError](err); errors.Is(err, context.DeadlineExceeded) || ok && pg.Code == "57014" {
				cancelled++
			} else if err != nil { // nil when the request to cancel came before the statement, which the server ignores
				t.Errorf("cancelled statement: %v", err)
			}
			if got := owner(t, l); got != name {
				t.Fatalf("tenant %s sees the rows of %q", name, got)
			}
		}
		if err := l.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&after); err != nil {
			t.Fatal(err)
		}
		if before != after || cancelled == 0 {
			t.Errorf("the connection was not kept, or none of the statements was cut short: %d", cancelled)
		}
		l.Release()
	}
}

func TestATransactionWhoseContextEndedGivesItsConnectionBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "own")
	l := f.lease(t, "own-0")
	defer l.Release()
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		err := l.InTx(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "DELETE FROM items"); err != nil {
				return err
			}
			cancel()
			return ctx.Err()
		})
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if got := owner(t, l); got != "own-0" {
			t.Errorf("rows of %q are left", got)
		}
	}
}

func TestOnlyALoginOfItsOwnWithoutPowersIsAWall(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own", "shared", "database", "row", "own", "own")
	login := func(name string) string {
		l := f.lease(t, name)
		defer l.Release()
		return pgx.Identifier{l.Tenant().Login}.Sanitize()
	}
	admin(t, f.server, f.database, "ALTER ROLE "+login("own-4")+" CREATEDB", "GRANT pg_monitor TO "+login("own-5"))
	for name, walled := range map[string]bool{
		"own-0": true, "shared-1": false, "database-2": true, "row-3": false, "own-4": false, "own-5": false,
	} {
		l := f.lease(t, name)
		c, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Walled(); (err == nil) != walled || err != nil && !errors.Is(err, pools.ErrNotWalled) {
			t.Errorf("tenant %s: %v", name, err)
		}
		c.Release()
		l.Release()
	}
}

func TestTextIsUTF8WhateverTheDatabaseStores(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "database")
	l := f.lease(t, "database-0")
	defer l.Release()
	name := f.database + "_latin"
	admin(t, f.server, "", "CREATE DATABASE "+name+" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	t.Cleanup(func() { admin(t, f.server, "", "DROP DATABASE "+name+" WITH (FORCE)") })
	record := *l.Tenant()
	record.Database = name
	if err := f.source.(*registry.Static).Replace(&record); err != nil {
		t.Fatal(err)
	}
	latin := f.lease(t, "database-0")
	defer latin.Release()
	var encoding, text string
	err := latin.QueryRow(t.Context(), "SELECT current_setting('server_encoding'), $1::text || 'é'", "ü").Scan(&encoding, &text)
	if err != nil || encoding != "LATIN1" || text != "üé" {
		t.Errorf("encoding %s, text %q, %v", encoding, text, err)
	}
}

func TestARowTenantWithALoginOfItsOwnReturnsToItselfWhenItResets(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) { c.MaxConns = 1 }, "row", "own")
	own := f.lease(t, "own-1")
	defer own.Release()
	login := pgx.Identifier{own.Tenant().Login}.Sanitize()
	admin(t, f.server, f.database, "GRANT USAGE ON SCHEMA tables TO "+login, "GRANT SELECT ON tables.items TO "+login)
	shared := f.lease(t, "row-0")
	record := *shared.Tenant()
	shared.Release()
	record.Login, record.Password = own.Tenant().Login, own.Tenant().Password
	if err := f.source.(*registry.Static).Replace(&record); err != nil { // the login is its alone now
		t.Fatal(err)
	}
	l := f.lease(t, "row-0")
	defer l.Release()
	if l.Tenant().SharedLogin {
		t.Fatal("the login is shared")
	}
	if got := owner(t, l); got != "row-0" {
		t.Errorf("rows of %q", got)
	}
	c, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	for _, sql := range []string{"RESET ALL", "DISCARD ALL"} {
		var name string
		if _, err := c.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		err := c.QueryRow(t.Context(), "SELECT min(tenant) FROM items", pgx.QueryExecModeExec).Scan(&name)
		if err != nil || name != "row-0" {
			t.Errorf("after %s: rows of %q, %v", sql, name, err)
		}
	}
}
