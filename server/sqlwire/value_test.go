package sqlwire_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// Types by OID, as in pg_type.
const (
	typeBool, typeBytea, typeInt8, typeInt2, typeInt4, typeText, typeOID = 16, 17, 20, 21, 23, 25, 26
	typeJSON, typeFloat4, typeFloat8, typeNumeric, typeJSONB             = 114, 700, 701, 1700, 3802
	boolArray, int4Array, textArray, int8Array, float8Array, jsonbArray  = 1000, 1007, 1009, 1016, 1022, 3807
	boxArray, int2vector, enumOfUser                                     = 1020, 22, 16_500
)

func TestTypedValuesBecomeJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		oid  uint32
		text string
		want string
	}{
		{typeBool, "t", `true`},
		{typeBool, "f", `false`},
		{typeBool, "?", `"?"`},
		{typeInt2, "-32768", `-32768`},
		{typeInt4, "2147483647", `2147483647`},
		{typeInt8, "9007199254740993", `"9007199254740993"`},
		{typeOID, "42", `"42"`},
		{typeFloat4, "1.5", `1.5`},
		{typeFloat8, "1e+20", `1e+20`},
		{typeFloat8, "-0", `-0`},
		{typeFloat8, "NaN", `"NaN"`},
		{typeFloat8, "Infinity", `"Infinity"`},
		{typeFloat4, "-Infinity", `"-Infinity"`},
		{typeNumeric, "1.50", `"1.50"`},
		{typeText, "", `""`},
		{typeText, "a\"b\\c\n\r\t\x01\x7f/é\u2028😀", `"a\"b\\c\n\r\t\u0001` + "\x7f/é\u2028😀\""},
		{typeText, "bad \xff\xc3 end\xe2\x82", `"bad ` + "\uFFFD\uFFFD end\uFFFD\uFFFD\""},
		{typeBytea, `\x414243`, `"\\x414243"`},
		{typeJSON, `{"a": 1,` + "\n" + `  "b": [null]}`, `{"a": 1,   "b": [null]}`},
		{typeJSON, `"\ud800"`, `"\ud800"`},
		{typeJSON, ` null `, ` null `},
		{typeJSONB, `{"n": 1e400, "s": "\u00e9"}`, `{"n": 1e400, "s": "\u00e9"}`},
		{typeJSON, `{"broken`, `"{\"broken"`},
		{typeJSON, ``, `""`},
		{typeJSON, `1 2`, `"1 2"`},
		{typeJSON, "\"\xff\"", `"\"` + "\uFFFD" + `\""`},
		{typeJSON, strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), `"` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `"`},
		{int2vector, "1 2", `"1 2"`},
		{enumOfUser, "happy", `"happy"`},
	} {
		if got := string(sqlwire.AppendTypedValue(nil, tt.oid, []byte(tt.text))); got != "["+tt.want+"]" {
			t.Errorf("%d %.60q: got %.60s, want [%.60s]", tt.oid, tt.text, got, tt.want)
		}
	}
}

func TestArraysBecomeJSONArrays(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		oid  uint32
		text string
		want string
	}{
		{int4Array, `{}`, `[]`},
		{int4Array, `{1,NULL,-3}`, `[1,null,-3]`},
		{int4Array, `{{1,2},{3,4}}`, `[[1,2],[3,4]]`},
		{int4Array, `[1:1][-2:-1][3:5]={{{1,2,3},{4,5,6}}}`, `[[[1,2,3],[4,5,6]]]`},
		{int8Array, `{9007199254740993}`, `["9007199254740993"]`},
		{float8Array, `{1.5,NaN,-Infinity,1e-07}`, `[1.5,"NaN","-Infinity",1e-07]`},
		{boolArray, `{t,f,NULL}`, `[true,false,null]`},
		{textArray, `{a,"b c","",NULL,"NULL","null",null}`, `["a","b c","",null,"NULL","null","null"]`},
		{textArray, `{"{x}","a,b","q\"","b\\s","é` + "\n" + `"}`, `["{x}","a,b","q\"","b\\s","é\n"]`},
		{textArray, `{"[1:2]={a}"}`, `["[1:2]={a}"]`},
		{jsonbArray, `{"{\"a\": \"b\\\"c\"}",NULL,1}`, `[{"a": "b\"c"},null,1]`},
		{boxArray, `{(1,1),(0,0);(3,3),(2,2)}`, `["(1,1),(0,0)","(3,3),(2,2)"]`},
		{textArray, `{"bad ` + "\xff" + `"}`, `["bad ` + "\uFFFD" + `"]`},
		// What is no array stays whole.
		{int4Array, ``, `""`},
		{int4Array, `{`, `"{"`},
		{int4Array, `{1`, `"{1"`},
		{int4Array, `{1,`, `"{1,"`},
		{int4Array, `{1,}`, `"{1,}"`},
		{int4Array, `{,1}`, `"{,1}"`},
		{int4Array, `{1}}`, `"{1}}"`},
		{int4Array, `{1}x`, `"{1}x"`},
		{int4Array, `{{1}2}`, `"{{1}2}"`},
		{textArray, `{"a`, `"{\"a"`},
		{textArray, `{"a\`, `"{\"a\\"`},
		{textArray, `{"a"b}`, `"{\"a\"b}"`},
		{int4Array, `[1:2]`, `"[1:2]"`},
		{int4Array, strings.Repeat("{", 20) + strings.Repeat("}", 20), `"` + strings.Repeat("{", 20) + strings.Repeat("}", 20) + `"`},
		{enumOfUser, `{a,b}`, `"{a,b}"`},
	} {
		if got := string(sqlwire.AppendTypedValue(nil, tt.oid, []byte(tt.text))); got != "["+tt.want+"]" {
			t.Errorf("%d %s: got %s, want [%s]", tt.oid, tt.text, got, tt.want)
		}
	}
}

func TestRowsKeepTheOrderOfColumns(t *testing.T) {
	t.Parallel()
	values := [][]byte{[]byte("1"), nil, []byte("3"), {}}
	for _, tt := range []struct {
		names     []string
		arrayMode bool
		want      string
	}{
		{[]string{"b", "a", "d", "c"}, false, `{"b":"1","a":null,"d":"3","c":""}`},
		{[]string{"b", "a", "d", "c"}, true, `["1",null,"3",""]`},
		{[]string{"a", "b", "a", "c"}, false, `{"a":"3","b":null,"c":""}`},
		{[]string{"a", "a", "a", "a"}, false, `{"a":""}`},
		{[]string{"a", "a", "a", "a"}, true, `["1",null,"3",""]`},
		{[]string{"?column?", `q"`, "__proto__", ""}, false, `{"?column?":"1","q\"":null,"__proto__":"3","":""}`},
		{nil, false, `{}`},
		{nil, true, `[]`},
	} {
		if got := string(sqlwire.AppendRow(nil, tt.names, tt.arrayMode, values[:len(tt.names)])); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.names, got, tt.want)
		}
	}
}

func TestACommandTagGivesCommandAndCount(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]string{
		"":                  `"command":"","rowCount":null`,
		"SELECT 5":          `"command":"SELECT","rowCount":5`,
		"INSERT 0 3":        `"command":"INSERT","rowCount":3`,
		"INSERT":            `"command":"INSERT","rowCount":null`,
		"UPDATE 0":          `"command":"UPDATE","rowCount":0`,
		"MERGE 2":           `"command":"MERGE","rowCount":2`,
		"CREATE TABLE":      `"command":"CREATE","rowCount":null`,
		"SHOW":              `"command":"SHOW","rowCount":null`,
		"EXPLAIN":           `"command":"EXPLAIN","rowCount":null`,
		"BEGIN":             `"command":"BEGIN","rowCount":null`,
		"SELECT 9999999999": `"command":"SELECT","rowCount":9999999999`,
	} {
		if got := string(sqlwire.AppendTag(nil, tag)); got != want {
			t.Errorf("%q: got %s, want %s", tag, got, want)
		}
	}
}

// FuzzTypedValue checks that whatever PostgreSQL says, of whatever type, the row is valid JSON on one line.
func FuzzTypedValue(f *testing.F) {
	for _, oid := range []uint32{typeBool, typeInt4, typeFloat8, typeText, typeJSONB, boolArray, textArray, jsonbArray, boxArray} {
		f.Add(oid, []byte(`{"a",NULL,{1,"b\"c"}}`))
		f.Add(oid, []byte("[1:2]={\xff,\n}"))
		f.Add(oid, []byte(`{"x": [1, 2]}`))
	}
	f.Fuzz(func(t *testing.T, oid uint32, text []byte) {
		row := sqlwire.AppendTypedValue(nil, oid, text)
		if !json.Valid(row) || !utf8.Valid(row) || strings.ContainsAny(string(row), "\n\r") {
			t.Errorf("%d %q: %q is not one line of valid JSON", oid, text, row)
		}
	})
}

func BenchmarkAppendRow(b *testing.B) {
	names := []string{"id", "name", "description", "created_at"}
	values := [][]byte{[]byte("123456"), []byte("a name"), []byte("some longer text without anything special in it"), []byte("2026-01-02 03:04:05.678+00")}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = sqlwire.AppendRow(dst[:0], names, false, values)
	}
}
