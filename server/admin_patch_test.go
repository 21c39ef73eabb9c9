package server_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/server"
)

// named is what a patch has that is not nil, as JSON.
func named(t *testing.T, p lifecycle.Patch) string {
	t.Helper()
	var fields map[string]any
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		t.Fatal(err)
	}
	isNil := func(_ string, v any) bool { return v == nil }
	maps.DeleteFunc(fields, isNil)
	if limits, there := fields["Limits"].(map[string]any); there {
		maps.DeleteFunc(limits, isNil)
	}
	text, _ = json.Marshal(fields)
	return string(text)
}

func TestAPatchChangesWhatItNamesAndNullTakesAway(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`:                        `{}`,
		`{"name":"Acme"}`:           `{"Name":"Acme"}`,
		`{"name":null,"plan":null}`: `{"Name":"","Plan":""}`,
		`{"labels":{"a":"1","b":null},"plan":"pro"}`:               `{"Labels":{"a":"1","b":null},"Plan":"pro"}`,
		`{"limits":{"max_conns":5,"queue":null}}`:                  `{"Limits":{"MaxConns":5,"Queue":0}}`,
		`{"limits":{"weight":3,"idle_after":"1m30s"}}`:             `{"Limits":{"IdleAfter":90000000000,"Weight":3}}`,
		`{"limits":{"statement_timeout":"0s"}}`:                    `{"Limits":{"StatementTimeout":0}}`,
		`{"limits":{"rate":2.5,"burst":9,"in_flight":4}}`:          `{"Limits":{"Burst":9,"InFlight":4,"Rate":2.5}}`,
		`{"limits":{"queue_timeout":"2s","cache_for":"1h"}}`:       `{"Limits":{"CacheFor":3600000000000,"QueueTimeout":2000000000}}`,
		`{"limits":{"max_body":1024,"max_result":1073741824}}`:     `{"Limits":{"MaxBody":1024,"MaxResult":1073741824}}`,
		`{"limits":{"rate":0,"max_body":0,"cache_for":null}}`:      `{"Limits":{"CacheFor":0,"MaxBody":0,"Rate":0}}`,
		`{"limits":{"rate":1e6,"burst":1000000,"in_flight":null}}`: `{"Limits":{"Burst":1000000,"InFlight":0,"Rate":1000000}}`,
		`{"limits":null}`: `{"Limits":{"Burst":0,"CacheFor":0,"GuaranteedConns":0,"IdleAfter":0,"IdleInTransactionTimeout":0,"InFlight":0,"MaxBody":0,"MaxConns":0,"MaxResult":0,"Queue":0,"QueueTimeout":0,"Rate":0,"StatementTimeout":0,"Weight":0}}`,
		" {\n\"limits\" : { \"guaranteed_conns\" : 0 } }": `{"Limits":{"GuaranteedConns":0}}`,
	} {
		h := newHarness(t, withOperator)
		r := h.ask(t, http.MethodPatch, "/v1/tenants/acme", body, "Content-Type", "application/merge-patch+json")
		if r.status != http.StatusOK || r.header.Get("ETag") != `"6"` {
			t.Fatalf("%s: status %d: %s", body, r.status, r.body)
		}
		if got := named(t, h.operator.patches[0]); got != want {
			t.Errorf("%s:\n%s, want\n%s", body, got, want)
		}
	}
}

func FuzzMergePatch(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"name":null,"plan":"p","labels":{"a":null,"b":"c"},"limits":{"max_conns":5,"idle_after":"3s","weight":null}}`, `{"limits":null}`,
		`{"limits":{"limits":{}}}`, `{"name":"\u0000"}`, `[`, `{"labels":{"a":{"b":{}}}}`, strings.Repeat(`{"limits":`, 2000), `{"limits":{"weight":1e3}}`, "{\"name\":\"\xff\"}",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := server.ParsePatch(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Errorf("%q is not JSON and was taken", body)
		}
		for _, text := range []*string{p.Name, p.Plan} {
			if text != nil && strings.ContainsRune(*text, 0) {
				t.Errorf("%q has a NUL", *text)
			}
		}
		checkPatchedLimits(t, p.Limits)
	})
}

func checkPatchedLimits(t *testing.T, l *lifecycle.LimitsPatch) {
	t.Helper()
	if l == nil {
		return
	}
	for _, n := range []*int{l.MaxConns, l.Queue, l.GuaranteedConns, l.Weight} {
		if n != nil && (*n < 0 || *n > 1_000_000) {
			t.Errorf("a limit of %d", *n)
		}
	}
	for _, d := range []*time.Duration{l.StatementTimeout, l.IdleInTransactionTimeout, l.IdleAfter} {
		if d != nil && *d != 0 && (*d < time.Millisecond || *d > 24*24*time.Hour) {
			t.Errorf("a limit of %s", *d)
		}
	}
}
