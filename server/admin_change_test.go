package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

func TestTheLogSaysWhatAnOperatorChanged(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	h.change(t, "/v1/clusters/main", `{"budget":40,"queue":10,"margin":3}`)
	h.change(t, "/v1/pools/acme", `{"weight":5}`)
	h.change(t, "/v1/pools/acme", `{"weight":null}`)
	var got []string
	for line := range strings.Lines(h.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if changed, there := entry["changed"]; there {
			got = append(got, fmt.Sprint(entry["msg"], " ", entry["cluster"], entry["tenant"], " ", changed))
		}
	}
	want := []string{
		`cluster changed by an operator main<nil> map[budget:map[new:40 old:"auto"] queue:map[new:10 old:1000]]`,
		`limits changed by an operator <nil>acme map[weight:map[new:5 old:null]]`,
		`limits changed by an operator <nil>acme map[weight:map[new:null old:5]]`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestChangesAtOnceAreNotLost(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	var wg sync.WaitGroup
	for _, body := range []string{`{"budget":50}`, `{"margin":7}`, `{"replicas":3}`, `{"dials":5}`, `{"queue":9}`, `{"spares":2}`} {
		wg.Go(func() {
			req := httptest.NewRequest(http.MethodPatch, "/v1/clusters/main", strings.NewReader(body))
			req.RemoteAddr, req.Host = "127.0.0.1:40000", "localhost:8081"
			h.server.AdminHandler().ServeHTTP(httptest.NewRecorder(), req)
		})
	}
	wg.Wait()
	c, _ := h.keeper.Cluster("main")
	if got := []int{c.Budget, c.Margin, c.Replicas, c.Dials, c.Queue, c.Spares}; !slices.Equal(got, []int{50, 7, 3, 5, 9, 2}) {
		t.Errorf("in force is %v", got)
	}
}

// What a change reads must still hold when it sets: from the one to the other
// no second change may come in between. What is read for the answer needs none.
func TestAChangeIsAloneFromReadingToSetting(t *testing.T) {
	t.Parallel()
	for path, body := range map[string]string{"/v1/clusters/main": `{"budget":50}`, "/v1/pools/acme": `{"weight":2}`} {
		h := newHarness(t, withClusters)
		var got []string
		h.keeper.onSettings = func(what string) { got = append(got, fmt.Sprint(what, " ", h.server.Changing())) }
		h.change(t, path, body)
		if want := []string{"read true", "set true", "read false"}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestATenantsLimitsAreChangedAndGivenBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats)
	for _, step := range []struct {
		body string
		want registry.Limits
		view string
	}{
		{`{"max_conns":8,"weight":3}`, registry.Limits{MaxConns: 8, Weight: 3}, `{"guaranteed_conns":null,"max_conns":8,"queue":null,"weight":3}`},
		{`{"guaranteed_conns":8,"queue":1000000}`, registry.Limits{MaxConns: 8, Weight: 3, GuaranteedConns: 8, Queue: 1000000}, `{"guaranteed_conns":8,"max_conns":8,"queue":1000000,"weight":3}`},
		{`{"weight":null,"guaranteed_conns":0}`, registry.Limits{MaxConns: 8, Queue: 1000000}, `{"guaranteed_conns":null,"max_conns":8,"queue":1000000,"weight":null}`},
		{`{"max_conns":null,"queue":null}`, registry.Limits{}, `{"guaranteed_conns":null,"max_conns":null,"queue":null,"weight":null}`},
	} {
		r := h.change(t, "/v1/pools/acme", step.body)
		if got := h.keeper.Limits(registry.MustParseID("acme")); r.status != http.StatusOK || got != step.want {
			t.Fatalf("%s: status %d, in force %+v: %s", step.body, r.status, got, r.body)
		}
		if pools := r.object(t)["pools"].([]any); len(pools) != 2 || !strings.Contains(r.body, `"limits":`+step.view) {
			t.Errorf("%s: %d pools: %s", step.body, len(pools), r.body)
		}
		if shown := h.admin(t, http.MethodGet, "/v1/pools/acme"); shown.body != r.body {
			t.Errorf("%s: answered %s, then shown %s", step.body, r.body, shown.body)
		}
	}
}

func TestLimitsMayBeSetBeforeThereIsAPool(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats)
	const want = `{"pools":[],"limits":{"guaranteed_conns":null,"max_conns":2,"queue":null,"weight":null}}`
	if r := h.change(t, "/v1/pools/hooli", `{"max_conns":2}`); r.status != http.StatusOK || r.body != want {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	if r := h.admin(t, http.MethodGet, "/v1/pools/hooli"); r.status != http.StatusOK || r.body != want {
		t.Errorf("shown: status %d: %s", r.status, r.body)
	}
	for path, want := range map[string]string{"/v1/pools/nobody": "404 tenant_unknown", "/v1/pools/No!": "400 bad_request", "/v1/pools": "405 method_not_allowed"} {
		r := h.change(t, path, `{"max_conns":2}`)
		if got := fmt.Sprint(r.status, " ", r.object(t)["code"]); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestBadChangesOfLimitsNameTheFieldAndWhatIsRight(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats, func(h *harness) { h.records.all[0].Limits = registry.Limits{MaxConns: 6, GuaranteedConns: 2} })
	for body, want := range map[string]string{
		`{"max_conns":0}`:                        `max_conns must be a whole number from 1 to 10000, or null for the record's own`,
		`{"max_conns":10001}`:                    `max_conns must be`,
		`{"queue":-1}`:                           `queue must be a whole number from 0 to 1000000`,
		`{"weight":1001}`:                        `weight must be a whole number from 1 to 1000`,
		`{"weight":"2"}`:                         `weight must be`,
		`{"guaranteed_conns":-1}`:                `guaranteed_conns must be`,
		`{"guaranteed_conns":7}`:                 `guaranteed_conns must not be above max_conns: 7 is above 6`,
		`{"max_conns":3,"guaranteed_conns":4}`:   `4 is above 3`,
		`{"max_conns":1}`:                        `guaranteed_conns must not be above max_conns: 2 is above 1`,
		`{"statement_timeout":"1s"}`:             `"statement_timeout" cannot be changed here; what can: max_conns, queue, weight, guaranteed_conns`,
		`{"max_conns":3,"max_conns":3}`:          `max_conns stands in the body twice`,
		`{"guaranteed_conns":2,"max_conns":"2"}`: `max_conns must be`,
	} {
		r := h.change(t, "/v1/pools/acme", body)
		if detail, _ := r.object(t)["detail"].(string); r.status != http.StatusBadRequest || !strings.Contains(detail, want) {
			t.Errorf("%s: status %d: %s, want %s", body, r.status, r.body, want)
		}
	}
	if got := h.keeper.called(); len(got) != 0 {
		t.Errorf("refused changes did %v", got)
	}
}

func TestASessionsNameLeadsToItsTenantsPools(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withStats)
	for query, want := range map[string]int{
		"":                           3,
		"?application_name=pk-acme":  2,
		"?application_name=pk-hooli": 0,
		"?application_name=acme":     0,
		"?application_name=":         0,
		"?application_name=%00":      0,
	} {
		r := h.admin(t, http.MethodGet, "/v1/pools"+query)
		if list := r.object(t)["pools"].([]any); r.status != http.StatusOK || len(list) != want {
			t.Errorf("%s: status %d, %d pools, want %d: %s", query, r.status, len(list), want, r.body)
		}
	}
	for _, key := range []string{`"application_name":`, `"weight":`, `"guaranteed":`} {
		if r := h.admin(t, http.MethodGet, "/v1/pools"); !strings.Contains(r.body, key) {
			t.Errorf("no %s in %s", key, r.body)
		}
	}
}

func TestChangesAreForThisMachineAlone(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters, withStats)
	for _, path := range []string{"/v1/clusters/main", "/v1/pools/acme"} {
		for _, refused := range [][]string{{"203.0.113.9:1"}, {"", "Host", "attacker.example"}, {"", "Origin", "https://attacker.example"}, {"", "Sec-Fetch-Site", "cross-site"}} {
			if status := guarded(h, http.MethodPatch, path, refused[0], refused[1:]...); status != http.StatusForbidden {
				t.Errorf("%s from %v: status %d", path, refused, status)
			}
		}
	}
	if got := h.keeper.called(); len(got) != 0 {
		t.Errorf("refused requests did %v", got)
	}
}

// Over real HTTP, with a body that comes in pieces.
func TestAChangeOverTheWire(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	_, admin, _ := h.serve(t)
	body := struct{ *strings.Reader }{strings.NewReader(`{"budget":21}`)} // no length that net/http would know
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, admin+"/v1/clusters/main", body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct {
		Budget  int
		Derived bool
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || res.StatusCode != http.StatusOK || got.Budget != 21 || got.Derived {
		t.Errorf("status %d, %+v, %v", res.StatusCode, got, err)
	}
}
