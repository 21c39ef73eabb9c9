package server_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// example is a call of the admin API as the documentation shows it.
var example = regexp.MustCompile(`(?m)^curl -s (?:-X ([A-Z]+) )?(?:-H '([^:']+): ([^']+)' )?'?localhost:8081(/v1/[^' \n]+)'?(?: -d '([^']+)')?$`)

// examplesIn finds the calls of a file.
func examplesIn(t *testing.T, file string, least int) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	calls := example.FindAllStringSubmatch(string(text), -1)
	if shown := strings.Count(string(text), "\ncurl "); len(calls) < least || len(calls) != shown {
		t.Errorf("%s: %d calls are found of %d", file, len(calls), shown)
	}
	return calls
}

// call sends what a call of the documentation does.
func (h *harness) call(t *testing.T, call []string) reply {
	t.Helper()
	method, header, value, path, body := call[1], call[2], call[3], call[4], call[5]
	if method == "" {
		method = http.MethodGet
	}
	var headers []string
	if header != "" {
		headers = []string{header, value}
	}
	return h.ask(t, method, path, body, headers...)
}

func TestTheCallsInTheDocumentationWork(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	for _, call := range examplesIn(t, "../docs/budget.md", 6) {
		if r := h.call(t, call); r.status != http.StatusOK {
			t.Errorf("%s: status %d: %s", call[0], r.status, r.body)
		}
	}
}

func TestTheCallsInTheAdminAPIsDocumentationWork(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "acme.dump"), []byte("dump"), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := examplesIn(t, "../docs/admin-api.md", 47)
	for _, call := range calls {
		h := newHarness(t, withClusters, withOperator, withStats, func(h *harness) {
			h.operator.folder = folder
			h.operator.keys = []apikey.Key{{ID: "m2k8vq0x7c4d", Tenant: registry.MustParseID("acme"), Scope: apikey.ScopeWrite}}
			h.flush = func(context.Context, registry.ID) error { return nil }
			h.warm = func(context.Context, registry.ID) error { return nil }
			h.doctor = func(context.Context) (adminwire.DoctorReport, error) { return adminwire.DoctorReport{}, nil }
		})
		want := http.StatusOK
		if strings.Contains(call[4], "/operations/") {
			h.ask(t, http.MethodPost, "/v1/tenants/acme/rotate", "") // op-0001
		}
		switch {
		case call[1] == http.MethodPost && (call[4] == "/v1/tenants" || strings.HasSuffix(call[4], "/clone") || strings.HasSuffix(call[4], "/api-keys")):
			want = http.StatusCreated
		case call[3] == "wait=0":
			want = http.StatusAccepted
		case call[1] == http.MethodDelete && strings.Contains(call[4], "/operations/"):
			want = http.StatusConflict // it has ended already
		}
		if r := h.call(t, call); r.status != want {
			t.Errorf("%s: status %d: %s", call[0], r.status, r.body)
		}
	}
}

func TestTheDocumentationHasEveryRoute(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	calls := append(examplesIn(t, "../docs/admin-api.md", 47), examplesIn(t, "../docs/budget.md", 6)...)
	for _, p := range c.paths {
		methods, _, _ := c.at(c.doc, "paths", p.template)
		for method := range methods.(map[string]any) {
			if !slices.ContainsFunc(calls, func(call []string) bool {
				where, _, _ := strings.Cut(call[4], "?")
				return p.match.MatchString(where) && strings.EqualFold(method, call[1]+strings.Repeat("GET", 1-min(1, len(call[1]))))
			}) {
				t.Errorf("%s %s has no example", method, p.template)
			}
		}
	}
}
