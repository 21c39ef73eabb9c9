package sqlwire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

func TestOneStatementAQuery(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int primary key)")
	for _, tt := range []struct {
		sql, command string
		count        int64
	}{
		{"", "", -1},
		{" -- nothing", "", -1},
		{";", "", -1},
		{"select 1;", "SELECT", 1},
		{"select 1 ; ; -- x", "SELECT", 1},
		{"select", "SELECT", 1},
		{"insert into t values (1), (2)", "INSERT", 2},
		{"update t set id = id + 10", "UPDATE", 2},
		{"insert into t values (3) returning id", "INSERT", 1},
		{"delete from t where id = 3", "DELETE", 1},
		{"merge into t using (values (11)) v(id) on t.id = v.id when matched then delete", "MERGE", 1},
		{"table t", "SELECT", 1},
		{"values (1), (2)", "SELECT", 2},
		{"create table c as select * from t", "SELECT", 1},
		{"create view v as select 1", "CREATE", -1},
		{"show timezone", "SHOW", -1},
		{"explain select 1", "EXPLAIN", -1},
		{"do $$ begin end $$", "DO", -1},
		{"set timezone = 'UTC'", "SET", -1},
		{"with x as (delete from t returning id) select * from x", "SELECT", 1},
		{"truncate t", "TRUNCATE", -1},
		{"prepare p as select 1", "PREPARE", -1},
		{"execute p", "SELECT", 1},
		{"listen x", "LISTEN", -1},
		{"call p()", "CALL", -1},
	} {
		if strings.HasPrefix(tt.sql, "call") {
			exec(t, pg, "create procedure p() language plpgsql as 'begin commit; end'")
		}
		r := one(t, pg, sqlwire.Options{ArrayMode: true}, tt.sql)
		count := int64(-1)
		if r.RowCount != nil {
			count = *r.RowCount
		}
		if r.Command != tt.command || count != tt.count || !r.RowAsArray {
			t.Errorf("%q: got %s %d %v", tt.sql, r.Command, count, r.RowAsArray)
		}
	}
}

func TestAnErrorOfPostgreSQLIsToldWhole(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, `create schema s; create table s.t (id int primary key, n int not null check (n > 0));
		create function s.f() returns int language plpgsql as 'begin execute ''select nothing''; return 1; end'`)
	for _, tt := range []struct {
		sql    string
		params []string
		want   map[string]string
	}{
		{"select 1; select 2", nil, map[string]string{"code": "42601", "message": "cannot insert multiple commands into a prepared statement", "severity": "ERROR"}},
		{"select $1", nil, map[string]string{"code": "08P01", "message": `bind message supplies 0 parameters, but prepared statement "" requires 1`}},
		{"select $1::int, $2::int", []string{"1"}, map[string]string{"code": "08P01", "message": `bind message supplies 1 parameters, but prepared statement "" requires 2`}},
		{"select 1", []string{"1"}, map[string]string{"code": "08P01", "message": `bind message supplies 1 parameters, but prepared statement "" requires 0`}},
		{"select nothing", nil, map[string]string{"code": "42703", "position": "8"}},
		{"select s.f()", nil, map[string]string{"code": "42703", "internalPosition": "8", "internalQuery": "select nothing"}},
		{"insert into s.t values (1, 0)", nil, map[string]string{"code": "23514", "schema": "s", "table": "t", "constraint": "t_n_check"}},
		{"insert into s.t values (1, null)", nil, map[string]string{"code": "23502", "schema": "s", "table": "t", "column": "n"}},
		{"select $1::int", []string{"x"}, map[string]string{"code": "22P02", "message": `invalid input syntax for type integer: "x"`}},
		{"do $$ begin raise 'm' using detail = 'd', hint = 'h', errcode = 'ABCDE', datatype = 'dt'; end $$", nil, map[string]string{
			"code": "ABCDE", "message": "m", "detail": "d", "hint": "h", "dataType": "dt", "where": "PL/pgSQL function inline_code_block line 1 at RAISE", "file": "pl_exec.c", "routine": "exec_stmt_raise",
		}},
		{"vacuum nothing", nil, map[string]string{"code": "42P01"}},
	} {
		_, outcome, err := run(t, pg, single(tt.sql, tt.params...), sqlwire.Options{})
		if outcome.Discard {
			t.Errorf("%s: an error is no reason to discard", tt.sql)
		}
		for key, want := range tt.want {
			if got := errorKeys(t, err)[key]; got == nil || *got != want {
				t.Errorf("%s: %s is %v, want %q (%v)", tt.sql, key, got, want, err)
			}
		}
	}
	if r := one(t, pg, sqlwire.Options{}, "select 1 as a"); r.rows() != `[{"a":1}]` {
		t.Error(r.rows())
	}
}

func TestADeferredConstraintFailsTheQueryAtItsEnd(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int unique deferrable initially deferred)")
	_, outcome, err := run(t, pg, single("insert into t values (1), (1) returning id"), sqlwire.Options{})
	if code := errorKeys(t, err)["code"]; code == nil || *code != "23505" || outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
}

func TestASingleBeginLeavesTheTransactionToTheCaller(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	r := one(t, pg, sqlwire.Options{}, "begin")
	if r.Command != "BEGIN" || r.RowCount != nil || pg.TxStatus() != 'T' {
		t.Errorf("%+v, status %c", r, pg.TxStatus())
	}
}

func TestCopyNeverReachesAServer(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int)")
	for _, sql := range copies {
		for _, req := range []sqlwire.Request{single(sql), batch("insert into t values (1)", sql)} {
			_, outcome, err := run(t, pg, req, sqlwire.Options{})
			if !errors.Is(err, sqlwire.ErrCopy) || outcome.Discard {
				t.Errorf("%q: %v, %+v", sql, err, outcome)
			}
		}
	}
	// Where COPY is not a statement's first word PostgreSQL itself refuses it; if it did not, these would hang or lose data.
	for _, sql := range []string{
		"do $$ begin execute 'copy t from stdin'; end $$", "do $$ begin execute 'copy t to stdout'; end $$", "do $$ begin copy t to stdout; end $$", "prepare p as copy t to stdout",
		"explain copy t to stdout", "(copy t to stdout)", "with x as (select 1) copy t to stdout", "create rule r as on insert to t do instead copy t to stdout",
		"create function f() returns void language sql as 'copy t to stdout'; ", "select 1; copy t from stdin", "\ufeffcopy t from stdin", "\u00a0copy t from stdin",
		"u&\"copy\" t from stdin", "\"copy\" t from stdin", "begin; copy t from stdin",
	} {
		_, outcome, err := run(t, pg, single(sql), sqlwire.Options{})
		var pgErr *pgconn.PgError
		if strings.HasPrefix(sql, "create function") && err == nil {
			_, outcome, err = run(t, pg, single("select f()"), sqlwire.Options{})
		}
		if !errors.As(err, &pgErr) || outcome.Discard {
			t.Errorf("%q: %v, %+v", sql, err, outcome)
		}
	}
	if r := one(t, pg, sqlwire.Options{}, "select count(*)::int4 as n from t"); r.rows() != `[{"n":0}]` {
		t.Errorf("a refused batch left %s", r.rows())
	}
}

func TestPreparedStatementsTakenAwayDiscardTheConnection(t *testing.T) {
	t.Parallel()
	for _, req := range []sqlwire.Request{
		single("discard all"), single("discard plans"), single("deallocate all"), single("/* x */ DEALLOCATE p"),
		batch("deallocate p"), batch("deallocate all", "select 1/0"),
	} {
		pg := connect(t)
		exec(t, pg, "prepare p as select 1")
		if _, outcome, _ := run(t, pg, req, sqlwire.Options{}); !outcome.Discard {
			t.Errorf("%+v: connection is kept", req)
		}
	}
}

func BenchmarkExecute(b *testing.B) {
	pg, err := pgconn.Connect(b.Context(), pgtest.Shared().AdminDSN(""))
	if err != nil {
		b.Fatal(err)
	}
	defer pg.Close(b.Context())
	var dst bytes.Buffer
	for name, req := range map[string]sqlwire.Request{"single": single("select $1::int as a, 'x' as b", "1"), "batch": batch("select 1", "select 2")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst.Reset()
				if _, err := sqlwire.Execute(b.Context(), pg, req, sqlwire.Options{RawText: true, ArrayMode: true}, 1<<20, &dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
