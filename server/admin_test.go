package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func withStats(h *harness) {
	stat := func(id, state string, leases int) pools.Stat {
		return pools.Stat{Tenant: registry.MustParseID(id), Cluster: "main", Version: 1, State: state, Leases: leases, Idle: 1, Acquired: 2, Max: 4, Opened: time.Unix(1, 0).UTC(), LastUsed: time.Unix(2, 0).UTC()}
	}
	h.keeper.stats = []pools.Stat{stat("globex", "ready", 2), stat("acme", "draining", 1), stat("acme", "ready", 0)}
	h.keeper.stats[1].Reason = pools.ReasonReplaced
}

func TestTenantsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var ids []string
	after := ""
	for range 10 {
		r := h.admin(t, http.MethodGet, "/v1/tenants?limit=2&after="+after)
		if r.status != http.StatusOK {
			t.Fatalf("status %d: %s", r.status, r.body)
		}
		page := r.object(t)
		for _, tenant := range page["tenants"].([]any) {
			ids = append(ids, tenant.(map[string]any)["id"].(string))
		}
		next, more := page["next"].(string)
		if !more {
			break
		}
		after = next
	}
	if want := []string{"acme", "hooli", "initech", "quick", "shared"}; !slices.Equal(ids, want) {
		t.Errorf("listed %v, want %v", ids, want)
	}
}

func TestTheLastPageNamesNoNextOne(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if r := h.admin(t, http.MethodGet, "/v1/tenants?limit=5"); strings.Contains(r.body, "next") {
		t.Errorf("five of five have a next page: %s", r.body)
	}
	h.records.all = nil
	if r := h.admin(t, http.MethodGet, "/v1/tenants"); r.body != `{"tenants":[]}` {
		t.Errorf("no tenants: %s", r.body)
	}
}

func TestBadPagesAre400(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	for _, query := range []string{"limit=0", "limit=1001", "limit=-1", "limit=many", "limit=9999999999999999999", "after=NOT+AN+ID", "after=" + strings.Repeat("x", 10000), "after=%00"} {
		if r := h.admin(t, http.MethodGet, "/v1/tenants?"+query); r.status != http.StatusBadRequest || r.object(t)["code"] != "bad_request" {
			t.Errorf("%.40s: status %d: %s", query, r.status, r.body)
		}
	}
}

func TestATenantIsShownWhateverItsStatusAndWithoutItsSecrets(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	dsn := h.records.all[0]
	dsn.DSN = registry.NewSecret("postgres://u:hidden@h/d")
	for id, want := range map[string]string{"acme": `"status":"active"`, "hooli": `"status":"suspended"`, "initech": `"shared_login":true`, "quick": `"statement_timeout":"50ms"`} {
		r := h.admin(t, http.MethodGet, "/v1/tenants/"+id)
		if r.status != http.StatusOK || !strings.Contains(r.body, want) {
			t.Errorf("%s: status %d, %s lacks %s", id, r.status, r.body, want)
		}
	}
	all := h.admin(t, http.MethodGet, "/v1/tenants").body + h.admin(t, http.MethodGet, "/v1/tenants/acme").body
	if strings.Contains(all, "pw-") || strings.Contains(all, "hidden") || !strings.Contains(all, `"own_dsn":true`) {
		t.Errorf("secrets: %s", all)
	}
}

func TestAdminAnswersWhatIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats)
	for path, want := range map[string]string{
		"/v1/tenants/nobody": "404 tenant_unknown", "/v1/tenants/No!": "400 bad_request", "/v1/pools/initech": "404 pool_unknown",
		"/v1/pools/%00": "400 bad_request", "/v1/nothing": "404 not_found", "/v1/pools/acme/evict": "405 method_not_allowed", "/v1/drain": "405 method_not_allowed",
		"/metrics": "404 not_found", "/sql": "404 not_found", "/v1/tenants/" + strings.Repeat("x", 10000): "400 bad_request",
	} {
		r := h.admin(t, http.MethodGet, path)
		if got := fmt.Sprint(r.status, " ", r.object(t)["code"]); got != want {
			t.Errorf("%.40s: %s, want %s", path, got, want)
		}
	}
	h.records.err = registry.ErrUnavailable
	for _, path := range []string{"/v1/tenants", "/v1/tenants/acme"} {
		if r := h.admin(t, http.MethodGet, path); r.status != http.StatusServiceUnavailable || r.object(t)["code"] != "registry_unavailable" {
			t.Errorf("%s: status %d: %s", path, r.status, r.body)
		}
	}
}

func TestPoolsAreListedWithTheirNumbers(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats)
	list := h.admin(t, http.MethodGet, "/v1/pools").object(t)["pools"].([]any)
	var got []string
	for _, p := range list {
		pool := p.(map[string]any)
		got = append(got, fmt.Sprint(pool["tenant"], " ", pool["state"], " ", pool["leases"], " ", pool["max"]))
	}
	if want := []string{"acme ready 0 4", "acme draining 1 4", "globex ready 2 4"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	one := h.admin(t, http.MethodGet, "/v1/pools/acme").object(t)["pools"].([]any)
	if len(one) != 2 {
		t.Errorf("acme has %d pools, want 2", len(one))
	}
	if r := newHarness(t).admin(t, http.MethodGet, "/v1/pools"); r.body != `{"pools":[]}` {
		t.Errorf("no pools: %s", r.body)
	}
}

func TestAPoolIsEvicted(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats)
	if r := h.admin(t, http.MethodPost, "/v1/pools/acme/evict"); r.status != http.StatusOK || r.body != `{"evicted":"acme"}` {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	if r := h.admin(t, http.MethodPost, "/v1/pools/initech/evict"); r.status != http.StatusNotFound {
		t.Errorf("without a pool: status %d", r.status)
	}
	if r := h.admin(t, http.MethodPost, "/v1/pools/a%20b/evict"); r.status != http.StatusBadRequest {
		t.Errorf("with a bad id: status %d", r.status)
	}
	if got := h.keeper.called(); !slices.Equal(got, []string{"evict acme", "evict acme+read", "evict initech", "evict initech+read"}) {
		t.Errorf("the keeper was asked to %v", got)
	}
}

func TestADrainSaysNotReadyBeforeItRefusesWork(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats, func(h *harness) { h.cfg.NotReady, h.cfg.DrainTimeout = 30*time.Millisecond, 50*time.Millisecond })
	if r := h.get(t, "/readyz"); r.status != http.StatusOK {
		t.Fatalf("before: status %d", r.status)
	}
	var whenDrained reply
	began := time.Now()
	h.keeper.onDrain = func(ctx context.Context) error {
		whenDrained = h.get(t, "/readyz")
		if time.Since(began) < 30*time.Millisecond {
			t.Error("drained before not_ready was over")
		}
		<-ctx.Done()
		return ctx.Err()
	}
	r := h.admin(t, http.MethodPost, "/v1/drain")
	if r.status != http.StatusAccepted || r.body != `{"drained":false,"leases":3}` {
		t.Errorf("with leases held: status %d: %s", r.status, r.body)
	}
	if whenDrained.status != http.StatusServiceUnavailable || whenDrained.object(t)["code"] != "not_ready" || whenDrained.header.Get("Retry-After") == "" {
		t.Errorf("/readyz meanwhile: status %d: %s", whenDrained.status, whenDrained.body)
	}
	h.keeper.onDrain, h.keeper.stats = nil, nil
	if r := h.admin(t, http.MethodPost, "/v1/drain"); r.status != http.StatusOK || r.body != `{"drained":true,"leases":0}` {
		t.Errorf("with nothing held: status %d: %s", r.status, r.body)
	}
	if r := h.get(t, "/livez"); r.status != http.StatusOK {
		t.Errorf("/livez: status %d", r.status)
	}
}

func TestADrainMayOutlastTheReadTimeout(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) {
		h.cfg.ReadTimeout, h.cfg.ReadHeaderTimeout, h.cfg.NotReady = time.Second, time.Second, 2*time.Second
	})
	_, admin, _ := h.serve(t)
	if res := do(t, admin+"/v1/drain", nil); res.StatusCode != http.StatusOK {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestTheAdminAPIAnswersToThisMachineAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats, func(h *harness) {
		h.metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metric 1\n") })
	})
	for name, refused := range map[string]struct {
		peer    string
		headers []string
	}{
		"another machine":       {peer: "203.0.113.9:1234"},
		"another machine, IPv6": {peer: "[2001:db8::1]:1234"},
		"no peer at all":        {peer: "@"},
		"a rebound name":        {headers: []string{"Host", "attacker.example"}},
		"an outer address":      {headers: []string{"Host", "203.0.113.9:8081"}},
		"no host":               {headers: []string{"Host", ""}},
	} {
		for _, path := range []string{"/v1/tenants", "/v1/pools", "/metrics"} {
			if status := guarded(h, http.MethodGet, path, refused.peer, refused.headers...); status != http.StatusForbidden {
				t.Errorf("%s: %s: status %d", name, path, status)
			}
		}
		if status := guarded(h, http.MethodGet, "/livez", refused.peer, refused.headers...); status != http.StatusOK {
			t.Errorf("%s: /livez: status %d", name, status)
		}
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://attacker.example"}, {"Origin", "null"}} {
		if status := guarded(h, http.MethodPost, "/v1/pools/acme/evict", "", headers...); status != http.StatusForbidden {
			t.Errorf("a page with %v: status %d", headers, status)
		}
	}
	if got := h.keeper.called(); len(got) != 0 {
		t.Errorf("refused requests did %v", got)
	}
	for _, host := range []string{"localhost:8081", "127.0.0.1", "[::1]:8081", "[::1]"} {
		if status := guarded(h, http.MethodGet, "/metrics", "[::1]:1234", "Host", host); status != http.StatusOK {
			t.Errorf("%s: status %d", host, status)
		}
	}
}

// guarded asks from peer ("" is this machine), and returns the status.
func guarded(h *harness, method, path, peer string, headers ...string) int {
	req := httptest.NewRequest(method, path, nil)
	req.RemoteAddr, req.Host = "127.0.0.1:40000", "localhost:8081"
	if peer != "" {
		req.RemoteAddr = peer
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.server.AdminHandler().ServeHTTP(w, req)
	return w.Code
}

func TestMetricsWithATokenAreForWhoeverHasIt(t *testing.T) {
	t.Parallel()
	h := newHarness(t, func(h *harness) {
		h.cfg.ScrapeToken = registry.NewSecret("scrape-token")
		h.metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metric 1\n") })
	})
	for authorization, want := range map[string]int{
		"": 401, "Bearer": 401, "Bearer ": 401, "Bearer wrong": 401, "Bearer scrape-token ": 401, "scrape-token": 401, "Basic scrape-token": 401,
		"Bearer scrape-token": 200, "bearer scrape-token": 200, "BEARER  scrape-token": 200, "bearer Scrape-Token": 401, "bearerscrape-token": 401,
	} {
		if got := guarded(h, http.MethodGet, "/metrics", "203.0.113.9:1", "Authorization", authorization, "Host", "poolkeeper:8081"); got != want {
			t.Errorf("%q: status %d, want %d", authorization, got, want)
		}
	}
	if got := guarded(h, http.MethodGet, "/v1/pools", "203.0.113.9:1", "Authorization", "Bearer scrape-token"); got != http.StatusForbidden {
		t.Errorf("the token opens the admin API: status %d", got)
	}
	if strings.Contains(h.log.String(), "scrape-token") {
		t.Error("the token is in the log")
	}
}

func TestHealthIsTheSameOnBothListeners(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.records.err, h.acquireErr = registry.ErrUnavailable, pools.ErrDatabase // neither matters to /readyz
	for _, handler := range []http.Handler{h.server.Handler(), h.server.AdminHandler()} {
		for _, path := range []string{"/livez", "/readyz"} {
			if r := send(t, handler, http.MethodGet, path, nil); r.status != http.StatusOK || r.object(t)["status"] == "" || r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: status %d: %s", path, r.status, r.body)
			}
			if r := send(t, handler, http.MethodHead, path, nil); r.status != http.StatusOK || r.body != "" {
				t.Errorf("HEAD %s: status %d, body %q", path, r.status, r.body)
			}
		}
	}
	if r := h.admin(t, http.MethodGet, "/livez"); r.object(t)["version"] != "v1.2.3" {
		t.Errorf("admin: %s", r.body)
	}
	if r := h.get(t, "/livez"); strings.Contains(r.body, "version") {
		t.Errorf("the data listener tells its version: %s", r.body)
	}
}
