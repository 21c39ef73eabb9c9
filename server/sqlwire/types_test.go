package sqlwire_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

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
