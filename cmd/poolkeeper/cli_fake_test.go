package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var updateGolden = flag.Bool("update", false, "write the golden files")

// fakeAdmin is an admin API that knows a few answers, by method and path, with
// the query if that matters: a status, a space and the body. What it does not
// know is not found.
type fakeAdmin map[string]string

func (f fakeAdmin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, known := f[r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/v1")]
	if !known {
		answer, known = f[r.Method+" "+strings.TrimPrefix(r.URL.Path, "/v1")]
	}
	if !known {
		answer = `404 {"title":"There is nothing at this path","status":404,"code":"not_found"}`
	}
	var status int
	code, body, _ := strings.Cut(answer, " ")
	_, _ = fmt.Sscan(code, &status)
	if strings.HasSuffix(r.URL.Path, "/events") {
		w.Header().Set("Content-Type", "text/event-stream")
	}
	if !strings.HasSuffix(r.URL.Path, "/apply") {
		w.Header().Set("X-Operation-Id", "0000000042")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// faked runs a command line against a fake admin API.
func faked(t *testing.T, api http.Handler, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	server := httptest.NewServer(api)
	defer server.Close()
	code, stdout, stderr = execute(t, []string{"POOLKEEPER_SERVER=" + server.URL}, args...)
	return code, stdout, strings.ReplaceAll(stderr, server.URL, "http://SERVER")
}

// matchesGolden compares what a command did with a file, or writes the file.
func matchesGolden(t *testing.T, name string, args []string, code int, stdout, stderr string) {
	t.Helper()
	local := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Local().Format(time.DateTime)
	got := strings.ReplaceAll(fmt.Sprintf("$ poolkeeper %s\n%s--- errors\n%s--- exit %d\n", strings.Join(args, " "), stdout, stderr, code), local, "2026-01-02 03:04:05")
	path := filepath.Join("testdata", "cli", name+".txt")
	if *updateGolden {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update writes it):\n%s\nwant\n%s", path, got, want)
	}
}

// problem is an answer of RFC 9457.
func problem(status int, code, title, detail string) string {
	text, _ := json.Marshal(map[string]any{"title": title, "status": status, "detail": detail, "code": code})
	return fmt.Sprintf("%d %s", status, text)
}

const (
	fakeAt = `"2026-01-02T03:04:05Z"`

	fakeAcme = `{"id":"acme","name":"Acme Inc.","status":"suspended","state":"suspended","declared":"active","reason":"invoice 7","plan":"pro",
		"cluster":"main","isolation":"schema","schema":"acme","login":"acme_login","own_dsn":false,"shared_login":false,"ddl":true,
		"read_login":"acme_reader","limits":{"max_conns":8,"queue":5,"statement_timeout":"30s","rate":0.5,"burst":7,"max_body":524288,"cache_for":"10s"},"own_limits":{"max_conns":8,"rate":0.5},"labels":{"tier":"gold","region":"eu"},
		"migrated":3,"migration_error":"column x is there","version":7,"created_at":` + fakeAt + `,"updated_at":` + fakeAt + `}`
	fakeEvil = `{"id":"evil","name":"E\u001b[31mvil\u202e","status":"active","cluster":"main","isolation":"row","own_dsn":false,"shared_login":true,
		"ddl":false,"limits":{},"version":1}`

	fakeOp = `{"id":"0000000042","kind":"migrate","actor":"alice","state":%q,"done":%d,"total":3,"started":` + fakeAt + `,"updated":` + fakeAt
)

func fakeKey(id, name, status, more string) string {
	return fmt.Sprintf(`{"id":%q,"prefix":"pk_%s","tenant":"acme","name":"%s","scope":"write","status":%q,"created_at":%s,"created_by":"alice"%s}`,
		id, id, name, status, fakeAt, more)
}

func fakeMigration(state string, done int, more string) string {
	return fmt.Sprintf(fakeOp, state, done) + more + "}"
}

// partly is the end of a migration of which a tenant failed.
func partly() string {
	return fakeMigration("failed", 3, `,"failures":[{"tenant":"acme","error":"onboard: tenant acme: column x is there"}],"code":"migrations_failed",
		"error":"for 1 of 3","result":{"migrated":2,"failed":1,"skipped":0,"applied":4,"took_ms":1234},"ended":`+fakeAt)
}

// events is a stream of operations.
func events(operations ...string) string {
	var b strings.Builder
	for i, op := range operations {
		fmt.Fprintf(&b, "event: operation\nid: %d\ndata: %s\n\n", i, strings.Join(strings.Fields(strings.ReplaceAll(op, "\n", " ")), " "))
	}
	return b.String()
}
