package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAFileThatIsWrongIsRefusedWithAllThatIsWrong(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	h.operator.err = registry.Problems{{File: "t.yaml", Line: 3, Field: "tenants.a", Message: "is wrong"}, {Message: "so is this"}}
	for _, query := range []string{"", "?dry_run=true"} {
		r := h.ask(t, http.MethodPost, "/v1/apply"+query, "tenants: {}")
		r.is(t, 400, "invalid_file")
		if got := fmt.Sprint(r.object(t)["problems"]); got != "[map[field:tenants.a file:t.yaml line:3 message:is wrong] map[message:so is this]]" {
			t.Errorf("%s", got)
		}
	}
	many := make(registry.Problems, 1500)
	for i := range many {
		many[i] = &registry.Problem{Message: "wrong"}
	}
	h.operator.err = many
	r := h.ask(t, http.MethodPost, "/v1/apply", "")
	if n := len(r.object(t)["problems"].([]any)); n != 1000 || !strings.Contains(r.body, "1500 things") {
		t.Errorf("%d problems: %.300s", n, r.body)
	}
}

func TestAFileIsAppliedUnderTheNameThatItIsGiven(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	for query, want := range map[string]string{"?dry_run=true&file=fleet.yaml": "fleet.yaml", "?dry_run=true": "request"} {
		r := h.ask(t, http.MethodPost, "/v1/apply"+query, "tenants: {}\n")
		if r.status != 200 || r.body != `{"changes":[{"action":"change","tenant":"acme","fields":[{"field":"password","old":"","new":"(changed)"}]}],"same":2}` {
			t.Errorf("status %d: %s", r.status, r.body)
		}
		if d := h.operator.applied; len(d) != 1 || d[0].Path != want || string(d[0].Data) != "tenants: {}\n" || !d[0].Declares {
			t.Errorf("applied %+v", d)
		}
	}
	h.ask(t, http.MethodPost, "/v1/apply", "a: 1", "File", "other.yaml")
	if got := fmt.Sprint(h.operator.called(), h.operator.applied[0].Path); got != "[local: apply]other.yaml" {
		t.Errorf("did %s", got)
	}
}

func TestMigrationsArePlannedToldAndRun(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	if r := h.ask(t, http.MethodPost, "/v1/migrations", `{"dry_run":true,"direction":"down","run":"op-1","tenants":["acme"],"canary":["hooli"],"only_failed":true,"workers":3}`); r.body != `{"tenants":[{"tenant":"acme","from":-1,"files":["1_a.sql"]},{"tenant":"hooli","from":0,"files":[]}]}` {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	want := lifecycle.MigrateRequest{Down: true, Run: "op-1", Tenants: []registry.ID{registry.MustParseID("acme")}, Canary: []registry.ID{registry.MustParseID("hooli")}, OnlyFailed: true, Workers: 3}
	if fmt.Sprintf("%+v", h.operator.migrated) != fmt.Sprintf("%+v", want) {
		t.Errorf("asked for %+v", h.operator.migrated)
	}
	if r := h.ask(t, http.MethodPost, "/v1/migrations", ""); r.object(t)["result"].(map[string]any)["migrated"] != 2.0 {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	for query, drift := range map[string]bool{"": false, "?verify=true": true} {
		got := h.admin(t, http.MethodGet, "/v1/migrations"+query).object(t)
		if _, has := got["drift"]; got["behind"] != 1.0 || len(got["sets"].([]any)) != 2 || has != drift {
			t.Errorf("%s: %v", query, got)
		}
	}
}
