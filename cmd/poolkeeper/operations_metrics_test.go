package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scrape asks the replica for its metrics and reports each line that is not
// there.
func (r *replica) scrape(t *testing.T, want ...string) {
	t.Helper()
	status, text := send(t, request{method: http.MethodGet, url: "http://" + r.Admin + "/metrics"})
	for _, line := range want {
		if status != http.StatusOK || !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("%d: the metrics have no line %q", status, line)
		}
	}
}

func TestWhatOperatorsDoIsInTheMetrics(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	r := startReplica(t, path)
	r.scrape(t, `poolkeeper_operations_total{kind="add",outcome="failed"} 0`, `poolkeeper_operations_running{kind="migrate"} 0`,
		`poolkeeper_onboard_total{outcome="ok"} 0`, `poolkeeper_control_fresh 1`)
	within(t, patience, "the listener", func() bool {
		_, text := send(t, request{method: http.MethodGet, url: "http://" + r.Admin + "/metrics"})
		return strings.Contains(text, "\npoolkeeper_control_listening 1\n")
	})
	one := "one" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if status, answer := r.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+one+`"}`); status != http.StatusCreated {
		t.Fatal(status, answer)
	}
	if status, answer := r.call(t, http.MethodPost, "/v1/tenants/"+one+"/clone", `{"id":"c`+one+`"}`); status != http.StatusCreated {
		t.Fatal(status, answer)
	}
	r.scrape(t, `poolkeeper_operations_total{kind="add",outcome="done"} 1`, `poolkeeper_operations_total{kind="clone",outcome="done"} 1`,
		`poolkeeper_operations_running{kind="add"} 0`, `poolkeeper_onboard_total{outcome="ok"} 2`, `poolkeeper_onboard_total{outcome="failed"} 0`,
		`poolkeeper_migrations_total{outcome="ok"} 0`)
}

func TestTheAuditTrailNamesLimitsAsTheyAreNamedElsewhere(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	r := startReplica(t, path)
	one := "l" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if status, answer := r.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+one+`"}`); status != http.StatusCreated {
		t.Fatal(status, answer)
	}
	const limits = `{"cache_for":"10s","max_body":2048,"max_conns":3,"queue":0,"rate":0.5}`
	if status, answer := r.call(t, http.MethodPatch, "/v1/tenants/"+one, `{"limits":`+limits+`}`); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	_, answer := r.call(t, http.MethodGet, "/v1/audit?limit=1", "")
	detail, err := json.Marshal(answer["events"].([]any)[0].(map[string]any)["detail"])
	if err != nil || string(detail) != `{"limits":`+limits+`}` {
		t.Errorf("the trail says %s, %v", detail, err)
	}
}

func TestMigrationsAreInTheMetrics(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	folder := t.TempDir()
	write(t, filepath.Join(folder, "00001_items.sql"), "-- +goose Up\nCREATE TABLE items (id int);\n")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, replacedLine(string(text), "onboard: {", "onboard: {migrations: "+strconv.Quote(folder)+"}"))
	before := startReplica(t, path)
	one := "m" + strconv.FormatInt(time.Now().UnixNano(), 36)
	for _, id := range []string{one, "x" + one} {
		if status, answer := before.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+id+`"}`); status != http.StatusCreated {
			t.Fatal(status, answer)
		}
	}
	// The second migration fails for one of them.
	write(t, filepath.Join(folder, "00002_more.sql"), "-- +goose Up\nDO $$ BEGIN IF current_schema() LIKE 'x%' THEN RAISE 'no'; END IF; END $$;\n")
	after := startReplica(t, path)
	if status, answer := after.call(t, http.MethodPost, "/v1/migrations", `{}`); status != http.StatusOK || answer["state"] != "failed" {
		t.Fatal(status, answer)
	}
	want := []string{
		`poolkeeper_migrations_total{outcome="ok"} 1`, `poolkeeper_migrations_total{outcome="failed"} 1`,
		`poolkeeper_operations_total{kind="migrate",outcome="failed"} 1`, `poolkeeper_onboard_total{outcome="failed"} 0`,
	}
	after.scrape(t, want...)
	if status, answer := after.call(t, http.MethodPost, "/v1/migrations", `{"tenants":["`+one+`"]}`); status != http.StatusOK || answer["state"] != "done" {
		t.Fatal(status, answer)
	}
	after.scrape(t, want...) // there was nothing to run
}

// replacedLine is text with another line in place of the one that begins so.
func replacedLine(text, begin, line string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		if strings.HasPrefix(lines[i], begin) {
			lines[i] = line
		}
	}
	return strings.Join(lines, "\n")
}
