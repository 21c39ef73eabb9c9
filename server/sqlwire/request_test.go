package sqlwire_test

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

func query(sql string, params ...string) sqlwire.Query {
	q := sqlwire.Query{SQL: sql}
	for _, p := range params {
		if p == "<NULL>" {
			q.Params = append(q.Params, nil)
		} else {
			q.Params = append(q.Params, []byte(p))
		}
	}
	return q
}

func single(sql string, params ...string) sqlwire.Request {
	return sqlwire.Request{Queries: []sqlwire.Query{query(sql, params...)}}
}

func batch(sql ...string) sqlwire.Request {
	r := sqlwire.Request{Batch: true}
	for _, s := range sql {
		r.Queries = append(r.Queries, query(s))
	}
	return r
}

func same(a, b sqlwire.Query) bool {
	if a.SQL != b.SQL || len(a.Params) != len(b.Params) || (a.ArrayMode == nil) != (b.ArrayMode == nil) {
		return false
	}
	for i := range a.Params {
		if (a.Params[i] == nil) != (b.Params[i] == nil) || !bytes.Equal(a.Params[i], b.Params[i]) {
			return false
		}
	}
	return a.ArrayMode == nil || *a.ArrayMode == *b.ArrayMode
}

func TestABodyIsDecodedAsClientsSendIt(t *testing.T) {
	t.Parallel()
	on, off := true, false
	withMode := func(q sqlwire.Query, m *bool) sqlwire.Query { q.ArrayMode = m; return q }
	tests := map[string]struct {
		body  string
		batch bool
		want  []sqlwire.Query
	}{
		"no params":           {`{"query":"select 1"}`, false, []sqlwire.Query{query("select 1")}},
		"null params":         {`{"query":"select 1","params":null}`, false, []sqlwire.Query{query("select 1")}},
		"empty params":        {`{"query":"select 1","params":[]}`, false, []sqlwire.Query{query("select 1")}},
		"strings and null":    {`{"query":"q","params":["1",null,"","null"]}`, false, []sqlwire.Query{query("q", "1", "<NULL>", "", "null")}},
		"params first":        {`{"params":["1"],"query":"q"}`, false, []sqlwire.Query{query("q", "1")}},
		"array mode":          {`{"query":"q","arrayMode":true}`, false, []sqlwire.Query{withMode(query("q"), &on)}},
		"array mode off":      {`{"query":"q","arrayMode":false}`, false, []sqlwire.Query{withMode(query("q"), &off)}},
		"array mode null":     {`{"query":"q","arrayMode":null}`, false, []sqlwire.Query{query("q")}},
		"unknown keys":        {`{"a":{"b":[1,{"c":null}]},"query":"q","z":-1.5e+3}`, false, []sqlwire.Query{query("q")}},
		"white space":         {" \r\n\t{ \"query\" : \"q\" , \"params\" : [ \"1\" , null ] } \n", false, []sqlwire.Query{query("q", "1", "<NULL>")}},
		"escapes":             {`{"query":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","params":["\u0041\"b"]}`, false, []sqlwire.Query{query("a\"\\/\b\f\n\r\té😀", "A\"b")}},
		"escaped key":         {`{"qu\u0065ry":"q"}`, false, []sqlwire.Query{query("q")}},
		"case counts":         {`{"Query":"no","QUERY":"no","query":"q"}`, false, []sqlwire.Query{query("q")}},
		"empty query":         {`{"query":""}`, false, []sqlwire.Query{query("")}},
		"empty batch":         {`{"queries":[]}`, true, nil},
		"batch":               {`{"queries":[{"query":"a","params":["1"]},{"query":"b","arrayMode":true}]}`, true, []sqlwire.Query{query("a", "1"), withMode(query("b"), &on)}},
		"queries of a query":  {`{"queries":[{"query":"a","queries":7}]}`, true, []sqlwire.Query{query("a")}},
		"raw JSON parameters": {`{"query":"q","params":[1,-1.50,1E5,true,false,{"a": [1, "\u0000"]}]}`, false, []sqlwire.Query{query("q", "1", "-1.50", "1E5", "true", "false", `{"a": [1, "\u0000"]}`)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := sqlwire.Decode([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got.Batch != tt.batch || len(got.Queries) != len(tt.want) {
				t.Fatalf("got %+v", got)
			}
			for i := range tt.want {
				if !same(got.Queries[i], tt.want[i]) {
					t.Errorf("query %d: got %+v, want %+v", i, got.Queries[i], tt.want[i])
				}
			}
		})
	}
}

func TestAJSONArrayBecomesAnArrayLiteral(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`[]`:                           `{}`,
		`[1,2.50,-3e2]`:                `{1,2.50,-3e2}`,
		`[true,false,null]`:            `{true,false,NULL}`,
		`["NULL","","a b","{x,y}"]`:    `{"NULL","","a b","{x,y}"}`,
		`["q\"uote","back\\slash"]`:    `{"q\"uote","back\\slash"}`,
		`["line\nend","\u00e9"]`:       "{\"line\nend\",\"é\"}",
		`[[1,2],[3,null]]`:             `{{1,2},{3,NULL}}`,
		`[[],[ ]]`:                     `{{},{}}`,
		`[{"a":"b\"c"},{}]`:            `{"{\"a\":\"b\\\"c\"}","{}"}`,
		`[ 1 , [ "x" ] , {"a": 1} ]`:   `{1,{"x"},"{\"a\": 1}"}`,
		`[["a\\\\b"],[{"k":[1,"2"]}]]`: `{{"a\\\\b"},{"{\"k\":[1,\"2\"]}"}}`,
	} {
		got, err := sqlwire.Decode([]byte(`{"query":"q","params":[` + in + `]}`))
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if literal := string(got.Queries[0].Params[0]); literal != want {
			t.Errorf("%s: got %s, want %s", in, literal, want)
		}
	}
}

func TestABadBodyIsRefusedWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100_000)
	many := `{"query":"q","params":[` + strings.Repeat("1,", 65_535) + `1]}`
	manyQueries := `{"queries":[` + strings.Repeat(`{"query":""},`, 65_535) + `{"query":""}]}`
	for _, tt := range [][2]string{
		{"", "request body is empty"},
		{" \n", "request body is empty"},
		{"select 1", "request body must be a JSON object"},
		{`[]`, "request body must be a JSON object"},
		{`"query"`, "request body must be a JSON object"},
		{"\xef\xbb\xbf{}", "request body must be a JSON object"},
		{"{\"query\":\"\xff\"}", "request body is not valid UTF-8"},
		{`{}`, `request has neither "query" nor "queries"`},
		{`{"params":[]}`, `request has neither "query" nor "queries"`},
		{`{"query":"q","queries":[]}`, `request has both "query" and "queries"`},
		{`{"queries":[],"params":[]}`, `"params" and "arrayMode" of a batch belong to each of its queries`},
		{`{"queries":[],"arrayMode":true}`, `"params" and "arrayMode" of a batch belong to each of its queries`},
		{`{"query":"a","query":"a"}`, "query is given twice"},
		{`{"query":"a","params":[],"params":[]}`, "params is given twice"},
		{`{"queries":[{"query":"a","query":"b"}]}`, "queries[0].query is given twice"},
		{`{"query":1}`, "query must be a string"},
		{`{"query":null}`, "query must be a string"},
		{`{"query":["select 1"]}`, "query must be a string"},
		{`{"query":"q","params":"1"}`, "params must be an array"},
		{`{"query":"q","params":{"0":1}}`, "params must be an array"},
		{`{"query":"q","arrayMode":"true"}`, "arrayMode must be true or false"},
		{`{"query":"q","arrayMode":1}`, "arrayMode must be true or false"},
		{`{"query":"q","arrayMode":[]}`, "arrayMode must be true or false"},
		{`{"queries":{}}`, "queries must be an array"},
		{`{"queries":null}`, "queries must be an array"},
		{`{"queries":["select 1"]}`, "queries[0] must be an object"},
		{`{"queries":[{"query":"a"},{}]}`, "queries[1].query is missing"},
		{`{"queries":[{"query":"a"},{"query":2}]}`, "queries[1].query must be a string"},
		{`{"queries":[{"query":"a","params":7}]}`, "queries[0].params must be an array"},
		{`{"query":"a\u0000b"}`, "query contains a NUL character"},
		{`{"query":"q","params":["a","\u0000"]}`, "params[1] contains a NUL character"},
		{`{"query":"q","params":[["\u0000"]]}`, "params[0] contains a NUL character"},
		{`{"queries":[{"query":"q","params":["\u0000"]}]}`, "queries[0].params[0] contains a NUL character"},
		{"{\"query\":\"a\x00b\"}", "malformed JSON at byte 11: control character in a string"},
		{"{\"query\":\"a\nb\"}", "malformed JSON at byte 11: control character in a string"},
		{`{"query":"\ud83d"}`, "malformed JSON at byte 17: lone surrogate in the string before"},
		{`{"query":"\ud83d\u0041"}`, "malformed JSON at byte 23: lone surrogate in the string before"},
		{`{"query":"\udc00"}`, "malformed JSON at byte 17: lone surrogate in the string before"},
		{`{"query":"\x41"}`, "malformed JSON at byte 10: bad escape in a string"},
		{`{"query":"\u00g0"}`, "malformed JSON at byte 10: bad escape in a string"},
		{`{"query":"\`, "malformed JSON at byte 10: bad escape in a string"},
		{`{"query":"a`, "malformed JSON at byte 11: string without an end"},
		{`{"query":"a"`, "malformed JSON at byte 12: expected ',' or '}'"},
		{`{"query":"a",}`, "malformed JSON at byte 13: expected a key"},
		{`{"query" "a"}`, "malformed JSON at byte 9: expected ':'"},
		{`{query:"a"}`, "malformed JSON at byte 1: expected a key"},
		{`{"query":"a"} {}`, "malformed JSON at byte 14: something follows the object"},
		{`{"query":"a"}x`, "malformed JSON at byte 13: something follows the object"},
		{"{\"query\":\"a\"}\x00", "malformed JSON at byte 13: something follows the object"},
		{`{"query":"a","params":[1,]}`, "malformed JSON at byte 25: expected a value"},
		{`{"query":"a","params":[1 2]}`, "malformed JSON at byte 25: expected ',' or ']'"},
		{`{"query":"a","params":[01]}`, "malformed JSON at byte 24: expected ',' or ']'"},
		{`{"query":"a","params":[-]}`, "malformed JSON at byte 24: expected a digit"},
		{`{"query":"a","params":[1.]}`, "malformed JSON at byte 25: expected a digit after '.'"},
		{`{"query":"a","params":[1e]}`, "malformed JSON at byte 25: expected a digit in the exponent"},
		{`{"query":"a","params":[+1]}`, "malformed JSON at byte 23: expected a value"},
		{`{"query":"a","params":[NaN]}`, "malformed JSON at byte 23: expected a value"},
		{`{"query":"a","params":[nil]}`, "malformed JSON at byte 23: expected a value"},
		{`{"query":"a","params":[{"a"}]}`, "malformed JSON at byte 27: expected ':'"},
		{`{"query":"a","params":[` + deep, "JSON is nested too deeply (max is 512)"},
		{`{"query":"a","x":` + deep, "JSON is nested too deeply (max is 512)"},
		{`{"query":"a","params":[` + strings.Repeat(`{"a":`, 100_000), "JSON is nested too deeply (max is 512)"},
		{many, "params has too many elements (max is 65535)"},
		{manyQueries, "queries has too many elements (max is 65535)"},
	} {
		_, err := sqlwire.Decode([]byte(tt[0]))
		if bad, ok := errors.AsType[*sqlwire.BadRequestError](err); !ok {
			t.Errorf("%.80s: got %v, want a BadRequestError", tt[0], err)
		} else if bad.Message != tt[1] {
			t.Errorf("%.80s: got %q, want %q", tt[0], bad.Message, tt[1])
		}
	}
}

// In a body a parameter takes two bytes, and in memory twelve times that.
func TestABatchHasSoManyParametersAndNoMore(t *testing.T) {
	t.Parallel()
	one := `{"query":"","params":[` + strings.Repeat("1,", 65_534) + `1]},`
	full := `{"queries":[` + strings.Repeat(one, 16) + `{"query":"","params":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16`
	if r, err := sqlwire.Decode([]byte(full + `]}]}`)); err != nil || len(r.Queries) != 17 {
		t.Errorf("1048576 parameters: %v", err)
	}
	var bad *sqlwire.BadRequestError
	_, err := sqlwire.Decode([]byte(full + `,17]}]}`))
	if !errors.As(err, &bad) || bad.Message != "queries have too many parameters together (max is 1048576)" {
		t.Errorf("one more: %v", err)
	}
}

func TestNestingUpToTheLimitIsTaken(t *testing.T) {
	t.Parallel()
	body := `{"query":"q","params":[` + strings.Repeat("[", 510) + strings.Repeat("]", 510) + `]}`
	if _, err := sqlwire.Decode([]byte(body)); err != nil {
		t.Error(err)
	}
}

func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"query":"select * from items where id = $1 and name = $2","params":["` + strconv.Itoa(b.N) + `","x"]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sqlwire.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
