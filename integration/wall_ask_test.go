package integration_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// reply is what a client gets.
type reply struct {
	status int
	code   string // SQLSTATE or the problem's; "" for none
	text   string // all of the body
	rows   [][]string
}

// outcome is the code of a refusal, or ok.
func (r reply) outcome() string {
	if r.status == http.StatusOK {
		return "ok"
	}
	return r.code
}

// one is the only value of the only row, or what came instead.
func (r reply) one() string {
	if len(r.rows) == 1 && len(r.rows[0]) == 1 {
		return r.rows[0][0]
	}
	return r.text
}

// ask sends statements as one request: a batch when there are several, and
// whatever the header says.
func (s *siege) ask(t testing.TB, tenant string, header http.Header, statements ...string) reply {
	t.Helper()
	body := marshal(t, map[string]any{"query": statements[0]})
	if len(statements) > 1 {
		var queries []map[string]any
		for _, sql := range statements {
			queries = append(queries, map[string]any{"query": sql})
		}
		body = marshal(t, map[string]any{"queries": queries})
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/sql", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header.Set("X-Tenant-ID", s.id(tenant).String())
	req.Header.Set("Neon-Raw-Text-Output", "true")
	req.Header.Set("Neon-Array-Mode", "true")
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return readReply(t, res.StatusCode, text)
}

func readReply(t testing.TB, status int, text []byte) reply {
	t.Helper()
	var a struct {
		Code    string      `json:"code"`
		Rows    [][]*string `json:"rows"`
		Results []struct {
			Rows [][]*string `json:"rows"`
		} `json:"results"`
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&a); err != nil {
		t.Fatalf("status %d: %v: %s", status, err, text)
	}
	rows := a.Rows
	for _, r := range a.Results {
		rows = slices.Concat(rows, r.Rows)
	}
	r := reply{status: status, code: a.Code, text: string(text)}
	for _, row := range rows {
		var values []string
		for _, v := range row {
			if v == nil {
				values = append(values, "null")
			} else {
				values = append(values, *v)
			}
		}
		r.rows = append(r.rows, values)
	}
	return r
}
