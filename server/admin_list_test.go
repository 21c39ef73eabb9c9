package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestTenantsAreFiltered(t *testing.T) {
	t.Parallel()
	withLabels := func(h *harness) {
		h.records.all[0].Labels, h.records.all[0].Plan, h.records.all[0].Name = map[string]string{"tier": "gold", "eu": ""}, "pro", "Zebra"
		h.records.all[1].Labels = map[string]string{"tier": "tin"}
	}
	h := newHarness(t, withLabels)
	for query, want := range map[string]string{
		"status=suspended": "hooli", "plan=pro": "acme", "cluster=main&limit=1": "acme+", "cluster=other": "", "label=tier=gold": "acme", "label=tier=gold&label=eu=": "acme",
		"label=tier=gold&label=tier2=x": "", "label=eu=1": "", "prefix=zEB": "acme", "prefix=s": "shared", "prefix=hoo&status=active": "", "status=active&limit=2&after=acme": "initech quick+",
	} {
		if got := idsOf(t, h.admin(t, http.MethodGet, "/v1/tenants?"+query)); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func idsOf(t testing.TB, r reply) string {
	t.Helper()
	page := r.object(t)
	var ids []string
	for _, tenant := range page["tenants"].([]any) {
		ids = append(ids, tenant.(map[string]any)["id"].(string))
	}
	text := strings.Join(ids, " ")
	if _, more := page["next"]; more {
		text += "+"
	}
	return text
}

func TestTheControlDatabaseIsAskedForWhatIsWanted(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	h.admin(t, http.MethodGet, "/v1/tenants?status=active&plan=pro&cluster=main&label=a=b&label=c=d=e&prefix=x&failed=true&after=acme&limit=7")
	got := h.operator.filters[0]
	want := control.Filter{
		Status: "active", Plan: "pro", Cluster: "main", Labels: map[string]string{"a": "b", "c": "d=e"}, Prefix: "x", Failed: true, After: registry.MustParseID("acme"), Limit: 8,
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("asked for %+v", got)
	}
	if got := idsOf(t, h.admin(t, http.MethodGet, "/v1/tenants?limit=2")); got != "acme hooli+" {
		t.Errorf("%s", got)
	}
}

func TestWhoIsBehindIsSaidByTheMigrationsOfItsOwnSet(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	// The newest of the tenants' set is 4 and of the shared one 2; all are at 3.
	if got := idsOf(t, h.admin(t, http.MethodGet, "/v1/tenants?behind=true")); got != "acme hooli quick shared" {
		t.Errorf("behind are %q", got)
	}
	if got := idsOf(t, h.admin(t, http.MethodGet, "/v1/tenants?behind=true&limit=2&after=hooli")); got != "quick shared" {
		t.Errorf("behind after hooli are %q", got)
	}
	if got := idsOf(t, h.admin(t, http.MethodGet, "/v1/tenants?behind=true&limit=1&after=hooli")); got != "quick+" {
		t.Errorf("the page has %q", got)
	}
}
