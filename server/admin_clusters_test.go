package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func withClusters(h *harness) {
	main := registry.ClusterDefaults()
	main.DSN, main.Admin, main.SpareDSN = registry.NewSecret("postgres://u:hidden@h/d"), registry.NewSecret("postgres://a:hidden@h/d"), registry.NewSecret("postgres://s:hidden@h/d")
	second := registry.ClusterDefaults()
	second.Budget, second.Spares = 40, 4
	h.keeper.clusters = map[string]registry.Cluster{"main": main, "second": second}
}

func TestClustersAreListedWithTheirBudgets(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	r := h.admin(t, http.MethodGet, "/v1/clusters")
	var got []string
	for _, c := range r.object(t)["clusters"].([]any) {
		cluster := c.(map[string]any)
		settings := cluster["settings"].(map[string]any)
		got = append(got, fmt.Sprint(cluster["cluster"], " ", cluster["budget"], " ", cluster["derived"], " ", cluster["in_use"], " ", settings["budget"], " ", settings["queue"], " ", settings["spares"]))
	}
	if want := []string{"main 17 true 9 auto 1000 0", "second 40 false 9 40 1000 4"}; !slices.Equal(got, want) {
		t.Errorf("listed %v, want %v", got, want)
	}
	one := h.admin(t, http.MethodGet, "/v1/clusters/second")
	if one.status != http.StatusOK || one.object(t)["budget"] != 40.0 {
		t.Errorf("one: status %d: %s", one.status, one.body)
	}
	if strings.Contains(r.body+one.body, "hidden") {
		t.Errorf("secrets: %s", r.body)
	}
	if r := newHarness(t).admin(t, http.MethodGet, "/v1/clusters"); r.body != `{"clusters":[]}` {
		t.Errorf("no clusters: %s", r.body)
	}
}

func TestAClusterThatIsNotThereIs404(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	for _, path := range []string{"/v1/clusters/third", "/v1/clusters/%00", "/v1/clusters/MAIN", "/v1/clusters/" + strings.Repeat("x", 10000)} {
		for _, r := range []reply{h.admin(t, http.MethodGet, path), h.change(t, path, `{"budget":1}`)} {
			if r.status != http.StatusNotFound || r.object(t)["code"] != "cluster_unknown" {
				t.Errorf("%.40s: status %d: %s", path, r.status, r.body)
			}
		}
	}
}

func TestAnOperatorChangesWhatIsNamedAndNothingElse(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	want := h.keeper.clusters["second"]
	for _, step := range []struct {
		body string
		set  func()
	}{
		{`{"budget":60}`, func() { want.Budget = 60 }},
		{`{"budget":"auto","margin":0,"replicas":2}`, func() { want.Budget, want.Margin, want.Replicas = 0, 0, 2 }},
		{` { "dials" : 1 , "queue":1,
		   "spares":1000} `, func() { want.Dials, want.Queue, want.Spares = 1, 1, 1000 }},
		{`{}`, func() {}},
		{`{"budget":100000,"margin":10000,"replicas":1000,"dials":1000,"queue":1000000,"spares":0}`, func() {
			want = registry.Cluster{Budget: 100000, Margin: 10000, Replicas: 1000, Dials: 1000, Queue: 1000000}
		}},
	} {
		step.set()
		r := h.change(t, "/v1/clusters/second", step.body)
		if r.status != http.StatusOK || r.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%s: status %d: %s", step.body, r.status, r.body)
		}
		if got := h.keeper.clusters["second"]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: in force is %v, want %v", step.body, got, want)
		}
		if shown := h.admin(t, http.MethodGet, "/v1/clusters/second"); shown.body != r.body {
			t.Errorf("%s: answered %s, then shown %s", step.body, r.body, shown.body)
		}
	}
	if before := registry.ClusterDefaults(); h.keeper.clusters["main"].Budget != before.Budget {
		t.Error("the other cluster was changed")
	}
}

func TestAChangeThatSaysWhatIsInForceDoesNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters, withStats)
	h.change(t, "/v1/clusters/second", `{"budget":40,"spares":4}`)
	h.change(t, "/v1/pools/acme", `{"queue":null}`)
	if got := h.keeper.called(); len(got) != 0 || strings.Contains(h.log.String(), "by an operator") {
		t.Errorf("the keeper was asked to %v: %s", got, h.log.String())
	}
}

func TestBadChangesOfAClusterNameTheFieldAndWhatIsRight(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withClusters)
	for body, want := range map[string]string{
		`{"budget":0}`:                        `budget must be a whole number from 1 to 100000, or "auto"`,
		`{"budget":100001}`:                   `budget must be a whole number from 1 to 100000`,
		`{"budget":"40"}`:                     `budget must be`,
		`{"budget":null}`:                     `budget must be`,
		`{"budget":40.0}`:                     `budget must be`,
		`{"budget":4e1}`:                      `budget must be`,
		`{"budget":true}`:                     `budget must be`,
		`{"budget":[1]}`:                      `budget must be`,
		`{"margin":-1}`:                       `margin must be a whole number from 0 to 10000`,
		`{"margin":"auto"}`:                   `margin must be`,
		`{"replicas":0}`:                      `replicas must be a whole number from 1 to 1000`,
		`{"dials":1001}`:                      `dials must be a whole number from 1 to 1000`,
		`{"queue":1000001}`:                   `queue must be a whole number from 1 to 1000000`,
		`{"queue":99999999999999999999}`:      `queue must be`,
		`{"spares":1001}`:                     `spares must be a whole number from 0 to 1000`,
		`{"spares":40}`:                       `spares must be below the budget, of which they are a part: 40 is not below 40`,
		`{"budget":4}`:                        `spares must be below the budget`,
		`{"dsn":"postgres://x"}`:              `"dsn" cannot be changed here; what can: budget, margin, replicas, dials, queue, spares`,
		`{"Budget":40}`:                       `"Budget" cannot be changed here`,
		`{"budget":30,"x":1}`:                 `"x" cannot be changed here`,
		`{"budget":30,"budget":31}`:           `budget stands in the body twice`,
		`{"budget":30} {}`:                    `one JSON object`,
		`{"budget":30}]`:                      `one JSON object`,
		`{"budget":30`:                        `not JSON`,
		`{"budget"}`:                          `not JSON`,
		`{"budget":}`:                         `not JSON`,
		`[]`:                                  `must be a JSON object`,
		`null`:                                `must be a JSON object`,
		``:                                    `must be a JSON object`,
		`{"` + strings.Repeat("x", 300) + `"`: `not JSON`,
	} {
		r := h.change(t, "/v1/clusters/second", body)
		detail, _ := r.object(t)["detail"].(string)
		if r.status != http.StatusBadRequest || r.header.Get("Content-Type") != "application/problem+json" || !strings.Contains(detail, want) {
			t.Errorf("%.60s: status %d: %s, want %s", body, r.status, r.body, want)
		}
	}
	if r := h.change(t, "/v1/clusters/second", `{"`+strings.Repeat("x", 30000)+`":1}`); len(r.body) > 1000 {
		t.Errorf("the answer to a long name has %d bytes", len(r.body))
	}
	if r := h.change(t, "/v1/clusters/second", `{"budget":`+strings.Repeat(" ", 70<<10)+`1}`); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: status %d", r.status)
	}
	if got := h.keeper.called(); len(got) != 0 {
		t.Errorf("refused changes did %v", got)
	}
}

func TestWhatTheKeeperRefusesIsTold(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"400 bad_request": errors.New("pools: no room for 40 spares in a derived budget of 20"),
		"503 capacity":    pools.ErrClosed,
	} {
		h := newHarness(t, withClusters, func(h *harness) { h.keeper.setErr = err })
		for path, body := range map[string]string{"/v1/clusters/main": `{"spares":40}`, "/v1/pools/acme": `{"weight":2}`} {
			r := h.change(t, path, body)
			if got := fmt.Sprint(r.status, " ", r.object(t)["code"]); got != want || r.status == http.StatusBadRequest && !strings.Contains(r.body, "no room for 40") {
				t.Errorf("%s: %s, want %s: %s", path, got, want, r.body)
			}
		}
		if strings.Contains(h.log.String(), "by an operator") {
			t.Errorf("logged as changed: %s", h.log.String())
		}
	}
}
