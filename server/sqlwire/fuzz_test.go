package sqlwire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// FuzzDecode checks Decode against encoding/json: what it takes is JSON with the same query, and what it refuses it refuses clearly.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"query":"select $1","params":["1",null,[1,"a\"b",{"x":1}]],"arrayMode":true}`,
		`{"queries":[{"query":"a"},{"query":"b","params":[true]}]}`,
		`{"query":"\ud83d\ude00\u0000"}`, `{"query":"q"} x`, `{"query":1}`, "{\"query\":\"\xff\"}", `[[[[`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := sqlwire.Decode(body)
		if err != nil {
			var bad *sqlwire.BadRequestError
			if !errors.As(err, &bad) || bad.Message == "" {
				t.Fatalf("not a BadRequestError: %v", err)
			}
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("taken, but encoding/json says %v", err)
		}
		if !got.Batch {
			var sql string
			if err := json.Unmarshal(want["query"], &sql); err != nil || sql != got.Queries[0].SQL {
				t.Fatalf("query %q, encoding/json says %q, %v", got.Queries[0].SQL, sql, err)
			}
		}
		for _, q := range got.Queries {
			for _, p := range append(q.Params, []byte(q.SQL)) {
				if bytes.IndexByte(p, 0) >= 0 || !utf8.Valid(p) {
					t.Fatalf("PostgreSQL would refuse %q", p)
				}
			}
		}
	})
}

// FuzzArray checks the writer of array literals against the reader: a JSON array of strings comes back as it was.
func FuzzArray(f *testing.F) {
	f.Add("a", "", "NULL")
	f.Add(`"`, `\`, "{},")
	f.Add("\n", " ", "é😀")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		strs := []string{a, b, c}
		body, err := json.Marshal(map[string]any{"query": "q", "params": []any{strs}})
		if err != nil {
			t.Fatal(err)
		}
		req, err := sqlwire.Decode(body)
		if err != nil {
			if strings.Contains(a+b+c, "\x00") {
				return
			}
			t.Fatal(err)
		}
		row := sqlwire.AppendTypedValue(nil, textArray, req.Queries[0].Params[0])
		var back [][]string
		if err := json.Unmarshal(row, &back); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		for i, s := range strs {
			if back[0][i] != strings.ToValidUTF8(s, "\uFFFD") && back[0][i] != runes(s) {
				t.Errorf("element %d: got %q, want %q", i, back[0][i], s)
			}
		}
	})
}

// runes replaces each byte that is not UTF-8, as encoding/json does.
func runes(s string) string { return string([]rune(s)) }
