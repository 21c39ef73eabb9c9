package sqlwire_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// typesSQL has a column for every rule of the typed mode, and for what is left to strings.
const typesSQL = `select
	true as bool, false as no, null::bool as null_bool,
	1::int2 as int2, -2147483648 as int4, 9007199254740993 as int8, 1.50::numeric as numeric, 42::oid as oid,
	1.5::float4 as float4, 1e20::float8 as float8, 'NaN'::float8 as nan, '-Infinity'::float8 as infinite, 0.1::float8 + 0.2 as sum,
	'a"b\c' || chr(10) || chr(1) || 'é😀' as text, 'x'::char(3) as bpchar, 'n'::name as name, '' as empty,
	'\x4142'::bytea as bytea, '00000000-0000-4000-8000-000000000001'::uuid as uuid,
	date '2026-01-02' as date, timestamp '2026-01-02 03:04:05.678' as timestamp, timestamptz '2026-01-02 03:04:05.678Z' as timestamptz,
	time '03:04' as time, interval '1 day 02:03:04' as interval,
	'{"b": 1,  "a": [null, "x"]}'::json as json, '{"b": 1, "a": [null, "x"]}'::jsonb as jsonb, 'null'::jsonb as json_null, E'[1,\n2]'::json as json_lines,
	inet '10.0.0.1/8' as inet, int4range(1, 5) as range, point(1, 2) as point, '1 2'::int2vector as int2vector, b'101' as bits,
	array[1, null, 3] as int4s, array[1::int8] as int8s, array[true, false, null] as bools, array[1.5::float8, 'NaN'] as floats,
	array['a', 'b c', '', null, 'NULL', 'null', '{}', 'q"', 'b\s', 'x,y', chr(10)] as texts, '{}'::text[] as none, array[[1, 2], [3, 4]] as matrix,
	'[0:1][5:5]={{1},{2}}'::int4[] as bounds, array['{"a": "b"}'::jsonb, null, '1'] as jsonbs, array['{"x":1}'::json] as jsons,
	array[date '2026-01-02'] as dates, array['\x41'::bytea] as byteas, array['00000000-0000-4000-8000-000000000001'::uuid] as uuids,
	array[1.50, null] as numerics, array[box '(1,1),(0,0)', box '(3,3),(2,2)'] as boxes, array[int4range(1, 5)] as ranges,
	row(1, 'a') as record, array[row(1, 'a b')] as records, 'x'::"char" as char`

func TestEveryTypeIsWrittenAsTheProtocolSays(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "set timezone = 'UTC'")
	for name, opt := range map[string]sqlwire.Options{
		"types_typed_object.json": {},
		"types_typed_array.json":  {ArrayMode: true},
		"types_raw_object.json":   {RawText: true},
		"types_raw_array.json":    {RawText: true, ArrayMode: true},
	} {
		var dst bytes.Buffer
		if _, err := sqlwire.Execute(t.Context(), pg, single(typesSQL), opt, 0, &dst); err != nil {
			t.Fatal(err)
		}
		golden(t, name, append(bytes.ReplaceAll(dst.Bytes(), []byte(`},{"name"`), []byte("},\n{\"name\"")), '\n'))
	}
}

func TestBuiltInArrayTypesAreThoseOfTheCatalogue(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	rows := pg.ExecParams(t.Context(), `select a.oid, e.typdelim, a.typname from pg_type a join pg_type e on e.typarray = a.oid
		where a.oid < 12000 and e.typtype <> 'c'`, nil, nil, nil, nil).Read()
	if rows.Err != nil || len(rows.Rows) < 70 {
		t.Fatalf("%d rows, %v", len(rows.Rows), rows.Err)
	}
	known := 0
	for _, row := range rows.Rows {
		oid, err := strconv.ParseUint(string(row[0]), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if delim, ok := sqlwire.IsArray(uint32(oid)); !ok || delim != row[1][0] {
			t.Errorf("%s (%d): got %q, %v, want %s", row[2], oid, delim, ok, row[1])
		}
	}
	for oid := range uint32(20_000) {
		if _, ok := sqlwire.IsArray(oid); ok {
			known++
		}
	}
	if known != len(rows.Rows) {
		t.Errorf("%d types are taken for arrays, the catalogue has %d", known, len(rows.Rows))
	}
}

func TestFieldsDescribeTheColumns(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (gone int, id int8 primary key, name varchar(20), amount numeric(10, 2)); alter table t drop column gone")
	r := one(t, pg, sqlwire.Options{}, "select id, name, amount, ctid, 1 + 1 from t")
	table := one(t, pg, sqlwire.Options{RawText: true, ArrayMode: true}, "select 't'::regclass::oid").rows()
	table = strings.Trim(table, `[]"`)
	want := []string{
		"id 20 " + table + " 2 8 -1", "name 1043 " + table + " 3 -1 24", "amount 1700 " + table + " 4 -1 655366",
		"ctid 27 " + table + " -1 6 -1", "?column? 23 0 0 4 -1",
	}
	for i, f := range r.Fields {
		got := strings.Join([]string{f.Name, string(f.DataTypeID), string(f.TableID), string(f.ColumnID), string(f.DataTypeSize), string(f.DataTypeModifier)}, " ")
		if got != want[i] || f.Format != "text" {
			t.Errorf("got %s %s, want %s", got, f.Format, want[i])
		}
	}
	if r.rows() != "[]" || r.Command != "SELECT" || *r.RowCount != 0 {
		t.Errorf("%+v", r)
	}
}

func TestPostgreSQLInfersTheTypesOfParameters(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	for _, tt := range []struct {
		sql, param, want string
	}{
		{"select $1 as a", `42`, `[{"a":"42"}]`},
		{"select $1 * 1 as a", `42`, `[{"a":42}]`},
		{"select $1::int8 as a", `9007199254740993`, `[{"a":"9007199254740993"}]`},
		{"select $1::bool as a", `true`, `[{"a":true}]`},
		{"select $1::float8 as a", `-1.5e3`, `[{"a":-1500}]`},
		{"select $1::jsonb->'k' as a", `{"k": ["x", {"y": null}]}`, `[{"a":["x",{"y":null}]}]`},
		{"select $1::json as a", `[{"k": 1}]`, ``},
		{"select $1::text[] as a", `["a", null, "NULL", "", "q\"b\\s\n", ["x"]]`, ``},
		{"select $1::text[] as a", `["a", null, "NULL", "", "q\"b\\s\n,{}"]`, `[{"a":["a",null,"NULL","","q\"b\\s\n,{}"]}]`},
		{"select $1::int[] as a", `[[1, 2], [3, null]]`, `[{"a":[[1,2],[3,null]]}]`},
		{"select $1::jsonb[] as a", `[{"a": "q\"b\\s"}, null, 1]`, `[{"a":[{"a":"q\"b\\s"},null,1]}]`},
		{"select $1::bytea as a", `"\\x4142"`, `[{"a":"\\x4142"}]`},
		{"select $1::text as a", `null`, `[{"a":null}]`},
		{"select $1::text as a", `"null"`, `[{"a":"null"}]`},
		{"select $1::text || 'é' as a", `"\ud83d\ude00"`, `[{"a":"😀é"}]`},
	} {
		req, err := sqlwire.Decode([]byte(`{"query":"` + tt.sql + `","params":[` + tt.param + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := run(t, pg, req, sqlwire.Options{})
		switch {
		case tt.want == "":
			var pgErr *pgconn.PgError
			if !errors.As(err, &pgErr) || pgErr.Code != "22P02" {
				t.Errorf("%s of %s: got %v, want 22P02", tt.sql, tt.param, err)
			}
		case err != nil:
			t.Errorf("%s of %s: %v", tt.sql, tt.param, err)
		case got[0].rows() != tt.want:
			t.Errorf("%s of %s: got %s, want %s", tt.sql, tt.param, got[0].rows(), tt.want)
		}
	}
}

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

func TestAnAnswerBeyondTheLimitStopsTheQuery(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		// In the target list, where PostgreSQL makes the rows one by one; in FROM it would make them all first.
		"many rows":      "select generate_series(1, 100000000), repeat('x', 100)",
		"one huge value": "select repeat('x', 50 * 1024 * 1024)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pg := connect(t)
			dst := bytes.NewBufferString("before")
			outcome, err := sqlwire.Execute(t.Context(), pg, single(sql), sqlwire.Options{}, 10_000, dst)
			var large *sqlwire.TooLargeError
			if !errors.As(err, &large) || err.Error() != "response is too large (max is 10000 bytes)" {
				t.Errorf("got %v", err)
			}
			if !outcome.Discard || dst.String() != "before" || dst.Cap() > 100_000 {
				t.Errorf("%+v, %d bytes of buffer", outcome, dst.Cap())
			}
		})
	}
}

func TestAnAnswerUpToTheLimitIsWhole(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	var dst bytes.Buffer
	req := single("select repeat('x', 5000) as a from generate_series(1, 3)")
	if _, err := sqlwire.Execute(t.Context(), pg, req, sqlwire.Options{}, 15_300, &dst); err != nil {
		t.Fatal(err)
	}
	dst.Reset()
	exec(t, pg, "set client_min_messages = error")
	if outcome, err := sqlwire.Execute(t.Context(), pg, single("select null, null, '' from generate_series(1, 700)"), sqlwire.Options{ArrayMode: true, RawText: true}, 15_000, &dst); err != nil || outcome.Rows != 700 {
		t.Fatalf("%+v, %v", outcome, err)
	}
}

func TestTheLimitEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	if _, err := sqlwire.Execute(t.Context(), pg, single("select 1"), sqlwire.Options{}, 1000, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	exec(t, pg, "select repeat('x', 1000 * 1000)")
	if _, err := sqlwire.Stream(t.Context(), pg, query("select 1"), sqlwire.Options{}, 0, &bytes.Buffer{}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	exec(t, pg, "select repeat('x', 65 * 1024 * 1024)")
}

// deaf does not hear that a context ended, so that the statement runs to its end.
type deaf struct{}

func (deaf) HandleCancel(context.Context) {}
func (deaf) HandleUnwatchAfterCancel()    {}

func TestACancelThatCameTooLateLeavesTheConnectionInDoubt(t *testing.T) {
	t.Parallel()
	cfg, err := pgconn.ParseConfig(pgtest.Shared().AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cfg.BuildContextWatcherHandler = func(*pgconn.PgConn) ctxwatch.Handler { return deaf{} }
	cfg.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) { cancel() }
	pg, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pg.Close(t.Context())
	outcome, err := sqlwire.Execute(ctx, pg, single("do $$ begin raise notice 'now'; end $$"), sqlwire.Options{}, 0, &bytes.Buffer{})
	if err != nil || !outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
}

func TestAContextThatEndsCancelsTheStatement(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared().AdminDSN(pgtest.Shared().Database(t))
	for name, tt := range map[string]struct {
		cancels bool
		req     sqlwire.Request
		discard bool
	}{
		"by a cancel request":            {true, single("select pg_sleep(60)"), false},
		"by a cancel request in a batch": {true, batch("select 1", "select pg_sleep(60)", "select 2"), false},
		"by a deadline":                  {false, single("select pg_sleep(60)"), true},
		"by a deadline in a batch":       {false, batch("select 1", "select pg_sleep(60)"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pg := connectTo(t, dsn, tt.cancels)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var dst bytes.Buffer
			outcome, err := sqlwire.Execute(ctx, pg, tt.req, sqlwire.Options{}, 0, &dst)
			if outcome.Discard != tt.discard {
				t.Errorf("%+v", outcome)
			}
			if code := errorKeys(t, err)["code"]; code == nil || *code != "57014" {
				t.Errorf("got %v", err)
			}
			if tt.discard != errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAContextThatHasEndedSendsNothing(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, req := range []sqlwire.Request{single("select 1"), batch("select 1")} {
		outcome, err := sqlwire.Execute(ctx, pg, req, sqlwire.Options{}, 0, &bytes.Buffer{})
		if !errors.Is(err, context.Canceled) || outcome.Discard {
			t.Errorf("%v, %+v", err, outcome)
		}
	}
	one(t, pg, sqlwire.Options{}, "select 1")
}

func TestABrokenConnectionIsDiscarded(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	_, outcome, err := run(t, pg, single("select pg_terminate_backend(pg_backend_pid())"), sqlwire.Options{})
	if err == nil || !outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
	_, outcome, err = run(t, pg, batch("select 1"), sqlwire.Options{})
	if err == nil || !outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
}

func TestTextOfAnUnknownEncodingStaysValidJSON(t *testing.T) {
	t.Parallel()
	admin := connect(t)
	name := "ascii_" + strconv.Itoa(int(admin.PID()))
	exec(t, admin, "create database "+name+" encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0")
	t.Cleanup(func() {
		cleanup := context.WithoutCancel(t.Context())
		pg, err := pgconn.Connect(cleanup, pgtest.Shared().AdminDSN(""))
		if err != nil {
			t.Fatal(err)
		}
		defer pg.Close(cleanup)
		if _, err := pg.Exec(cleanup, "drop database "+name+" with (force)").ReadAll(); err != nil {
			t.Error(err)
		}
	})
	pg := connectTo(t, pgtest.Shared().AdminDSN(name), true)
	r := one(t, pg, sqlwire.Options{}, `select E'a\xffb' as text, array[E'\xc3', 'b'] as texts, E'"\xff"'::json as json, E'\xff' as "k`+"\u00ff"+`"`)
	if want := `[{"text":"a�b","texts":["�","b"],"json":"\"�\"","kÿ":"�"}]`; r.rows() != want {
		t.Errorf("got %s, want %s", r.rows(), want)
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
