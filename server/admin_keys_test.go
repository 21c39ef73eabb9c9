package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

const firstKey = "key000000001"

// withKeys gives acme five keys, the first of them in each state.
func withKeys(h *harness) {
	withOperator(h)
	at := time.Unix(100, 0)
	for i := range 5 {
		h.operator.keys = append(h.operator.keys, apikey.Key{
			ID: fmt.Sprintf("key%09d", i+1), Tenant: registry.MustParseID("acme"), Name: fmt.Sprint("number ", i+1), Scope: apikey.ScopeWrite, CreatedAt: at, CreatedBy: "alice",
		})
	}
	keys := h.operator.keys
	keys[1].ExpiresAt, keys[2].RevokedAt, keys[3].ExpiresAt = at, at, time.Now().Add(time.Hour)
	keys[2].ExpiresAt, keys[0].LastUsed = at, at
	keys[4].Tenant, keys[4].Scope = registry.MustParseID("quick"), apikey.ScopeRead
}

func TestAKeysTextIsInOneAnswerAndNowhereElse(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator, withTokens)
	r := sendFrom(t, "203.0.113.9:1234", h.server.AdminHandler(), http.MethodPost, "/v1/tenants/acme/api-keys", strings.NewReader(`{"name":"web","scope":"write"}`),
		"Host", "poolkeeper.internal:8081", "Authorization", "Bearer "+adminToken)
	hold(t, http.MethodPost, "/v1/tenants/acme/api-keys", r)
	if r.status != http.StatusCreated || r.object(t)["text"] != "pk_"+firstKey+"_"+secretOf || r.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("status %d, %v: %s", r.status, r.header, r.body)
	}
	key := r.object(t)["key"].(map[string]any)
	if key["id"] != firstKey || key["prefix"] != "pk_"+firstKey || key["tenant"] != "acme" || key["name"] != "web" || key["scope"] != "write" || key["status"] != "active" || key["created_by"] != "alice" {
		t.Errorf("made %v", key)
	}
	if got := h.operator.called(); !slices.Equal(got, []string{`alice: create key "web" write by alice acme`}) {
		t.Errorf("did %v", got)
	}
	local := newHarness(t, withOperator)
	local.operator.keys = h.operator.keys
	for _, path := range []string{"/v1/api-keys", "/v1/tenants/acme/api-keys"} {
		if shown := local.admin(t, http.MethodGet, path); shown.status != http.StatusOK || strings.Contains(shown.body, secretOf) || !strings.Contains(shown.body, firstKey) {
			t.Errorf("%s: status %d: %s", path, shown.status, shown.body)
		}
	}
	if strings.Contains(h.log.String(), secretOf) {
		t.Error("the key's text is in the log")
	}
}

func TestKeysAreListedPageByPageWithWhatTheyAreWorth(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withKeys)
	for path, want := range map[string]string{
		"/v1/tenants/acme/api-keys":  "[1 active 2 expired 3 revoked 4 active]",
		"/v1/api-keys":               "[1 active 2 expired 3 revoked 4 active 5 active]",
		"/v1/tenants/hooli/api-keys": "[]",
	} {
		for _, limit := range []string{"2", "4", "1000"} {
			var got []string
			after := ""
			for range 9 {
				page := h.admin(t, http.MethodGet, path+"?limit="+limit+"&after="+after).object(t)
				for _, k := range page["keys"].([]any) {
					key := k.(map[string]any)
					got = append(got, strings.TrimPrefix(key["name"].(string), "number ")+" "+key["status"].(string))
				}
				next, more := page["next"].(string)
				if !more {
					break
				}
				after = next
			}
			if fmt.Sprint(got) != want {
				t.Errorf("%s, %s at a time: %v, want %s", path, limit, got, want)
			}
		}
	}
	h.admin(t, http.MethodGet, "/v1/tenants/nobody/api-keys").is(t, 404, "tenant_unknown")
	h.admin(t, http.MethodGet, "/v1/tenants/No!/api-keys").is(t, 400, "bad_request")
	for _, query := range []string{"after=nope", "after=key00000000%00", "after=" + strings.Repeat("k", 5000), "limit=0", "limit=1001"} {
		h.admin(t, http.MethodGet, "/v1/api-keys?"+query).is(t, 400, "bad_request")
	}
}

func TestAKeyIsRevokedAndItsEndIsMoved(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withKeys)
	const at = "/v1/tenants/acme/api-keys/" + firstKey
	for _, step := range []struct{ body, status, expires string }{
		{`{"expires_at":"2001-02-03T04:05:06+01:00"}`, "expired", "2001-02-03T03:05:06Z"},
		{`{"expires_at":"9998-01-01T00:00:00Z"}`, "active", "9998-01-01T00:00:00Z"},
		{`{"expires_at":null}`, "active", ""},
	} {
		r := h.change(t, at, step.body)
		if key := r.object(t); r.status != http.StatusOK || key["status"] != step.status || (key["expires_at"] != nil) != (step.expires != "") || step.expires != "" && key["expires_at"] != step.expires {
			t.Errorf("%s: status %d: %s", step.body, r.status, r.body)
		}
	}
	r := h.admin(t, http.MethodDelete, at)
	if key := r.object(t); r.status != http.StatusOK || key["status"] != "revoked" || key["revoked_at"] != "1970-01-01T00:00:30Z" || key["last_used_at"] != "1970-01-01T00:01:40Z" {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	for _, path := range []string{"/v1/tenants/acme/api-keys/key000000009", "/v1/tenants/quick/api-keys/" + firstKey, "/v1/tenants/acme/api-keys/" + strings.Repeat("k", 5000), "/v1/tenants/acme/api-keys/pk_x"} {
		h.admin(t, http.MethodDelete, path).is(t, 404, "key_unknown")
		h.change(t, path, `{"expires_at":null}`).is(t, 404, "key_unknown")
	}
	h.admin(t, http.MethodDelete, "/v1/tenants/No!/api-keys/"+firstKey).is(t, 400, "bad_request")
}

func TestABadKeyNamesTheFieldAndWhatIsRight(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withKeys)
	for body, want := range map[string]string{
		`{}`:                              "scope is missing; give write, or read for a key that can only read",
		`{"scope":null}`:                  "scope is missing",
		`{"scope":"admin"}`:               "scope must be write or read",
		`{"scope":7}`:                     "scope must be write or read",
		`{"scope":"write","name":7}`:      "name must be a text",
		`{"scope":"write","name":"a\nb"}`: "name must be a text of one line",
		`{"scope":"write","name":"` + strings.Repeat("é", 101) + `"}`: "of 100 characters at most",
		`{"scope":"write","expires_at":"tomorrow"}`:                   `expires_at must be a time such as "2030-01-31T00:00:00Z"`,
		`{"scope":"write","expires_at":"2001-01-01T00:00:00Z"}`:       "expires_at is past already",
		`{"scope":"write","expires_at":"9999-12-31T23:59:59-23:59"}`:  "of the years 1970 to 9999",
		`{"scope":"write","expires_at":"0001-01-01T00:00:00Z"}`:       "of the years 1970 to 9999",
		`{"scope":"write","expires_at":17}`:                           "expires_at must be a time",
		`{"scope":"write","text":"pk_mine"}`:                          `"text" cannot be given here; what can: name, scope, expires_at`,
	} {
		r := h.ask(t, http.MethodPost, "/v1/tenants/acme/api-keys", body)
		if r.is(t, 400, "bad_request"); !strings.Contains(r.body, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %s", body, r.body)
		}
	}
	for body, want := range map[string]string{
		`{}`: "expires_at is missing; give a time, or null for never", ``: "must be a JSON object", `{"name":"x"}`: "cannot be changed here",
		`{"expires_at":""}`: "expires_at must be a time", `{"expires_at":"0001-01-01T00:00:00Z"}`: "of the years 1970 to 9999",
	} {
		r := h.change(t, "/v1/tenants/acme/api-keys/"+firstKey, body)
		if r.is(t, 400, "bad_request"); !strings.Contains(r.body, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %s", body, r.body)
		}
	}
	if got := h.operator.called(); len(got) != 0 {
		t.Errorf("did %v", got)
	}
}

func TestAReaderIsShownWithoutItsPassword(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	if r := h.admin(t, http.MethodGet, "/v1/tenants/acme"); strings.Contains(r.body, "read_login") {
		t.Errorf("before: %s", r.body)
	}
	made := h.admin(t, http.MethodPost, "/v1/tenants/acme/reader")
	shown := h.admin(t, http.MethodGet, "/v1/tenants/acme")
	for _, r := range []reply{made, shown, h.admin(t, http.MethodGet, "/v1/tenants")} {
		if r.status != http.StatusOK || !strings.Contains(r.body, `"read_login":"acme_reader"`) || strings.Contains(r.body, "pw-") {
			t.Errorf("status %d: %s", r.status, r.body)
		}
	}
	if made.header.Get("ETag") == "" || made.header.Get("ETag") != shown.header.Get("ETag") {
		t.Errorf("ETag %q, then %q", made.header.Get("ETag"), shown.header.Get("ETag"))
	}
	h.admin(t, http.MethodPost, "/v1/tenants/nobody/reader").is(t, 404, "tenant_unknown")
	h.admin(t, http.MethodPost, "/v1/tenants/initech/reader").is(t, 409, "no_reader")
	h.ask(t, http.MethodPost, "/v1/tenants/initech/api-keys", `{"scope":"read"}`).is(t, 409, "no_reader")
	h.ask(t, http.MethodPost, "/v1/tenants/acme/reader", `{"login":"x"}`).is(t, 400, "bad_request")
}

func TestWhyThereIsNoKeyIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   string
		says   string
	}{
		{fmt.Errorf("making a key: %w: control.keyset is not set; make one", control.ErrKeyset), 409, "no_keyset", `"detail":"control.keyset is not set; make one"`},
		{fmt.Errorf("%w: it has 100 that are active; revoke one", control.ErrTooManyKeys), 409, "too_many_keys", `"detail":"it has 100 that are active; revoke one"`},
		{registry.Problems{{Field: "name", Message: "is longer than 100 characters"}}, 400, "bad_request", "name"},
		{&control.BusyError{What: "rotate"}, 409, "busy", "rotate"},
		{control.ErrHeldUp, 503, "held_up", "pg_locks"},
		{fmt.Errorf("%w: %w: give it another isolation", lifecycle.ErrUnsupported, registry.ErrNoReader), 409, "no_reader", `"detail":"give it another isolation"`},
		{lifecycle.ErrState, 409, "state", ""},
		{control.ErrUnknown, 404, "tenant_unknown", ""},
		{registry.ErrUnavailable, 503, "registry_unavailable", ""},
		{errors.New("hidden words"), 500, "internal", ""},
	} {
		h := newHarness(t, withOperator)
		h.operator.err = c.err
		r := h.ask(t, http.MethodPost, "/v1/tenants/acme/api-keys", `{"scope":"read"}`)
		r.is(t, c.status, c.code)
		if !strings.Contains(r.body, c.says) || strings.Contains(r.body, "hidden") {
			t.Errorf("%v: %s", c.err, r.body)
		}
		h.admin(t, http.MethodGet, "/v1/api-keys").is(t, c.status, c.code)
		h.admin(t, http.MethodPost, "/v1/tenants/acme/reader").is(t, c.status, c.code)
	}
	h := newHarness(t)
	h.admin(t, http.MethodGet, "/v1/api-keys").is(t, 409, "no_control")
	h.ask(t, http.MethodPost, "/v1/tenants/acme/api-keys", `{"scope":"write"}`).is(t, 409, "no_control")
}

func TestATenantsCacheIsFlushed(t *testing.T) {
	t.Parallel()
	var flushed []string
	answers := map[string]error{"quick": errors.New("hidden words")}
	h := newHarness(t, func(h *harness) {
		h.flush = func(_ context.Context, id registry.ID) error {
			flushed = append(flushed, id.String())
			return answers[id.String()]
		}
	})
	for _, id := range []string{"acme", "hooli"} { // a suspended one's too
		if r := h.admin(t, http.MethodPost, "/v1/tenants/"+id+"/flush"); r.status != http.StatusOK || r.body != `{"flushed":"`+id+`"}` {
			t.Errorf("status %d: %s", r.status, r.body)
		}
	}
	if r := h.admin(t, http.MethodPost, "/v1/tenants/quick/flush"); strings.Contains(r.body, "hidden") || r.header.Get("Retry-After") != "1" {
		t.Errorf("%v %s", r.header, r.body)
	} else {
		r.is(t, 503, "cache_unavailable")
	}
	h.admin(t, http.MethodPost, "/v1/tenants/nobody/flush").is(t, 404, "tenant_unknown")
	h.admin(t, http.MethodPost, "/v1/tenants/No!/flush").is(t, 400, "bad_request")
	if fmt.Sprint(flushed) != "[acme hooli quick]" {
		t.Errorf("flushed %v", flushed)
	}
	newHarness(t).admin(t, http.MethodPost, "/v1/tenants/acme/flush").is(t, 501, "unsupported")
}

// withReader is withStats with the pools of acme's reader.
func withReader(h *harness) {
	withStats(h)
	reader := h.keeper.stats[2]
	reader.Tenant, reader.Max = reader.Tenant.Reader(), 2
	h.keeper.stats = append([]pools.Stat{reader}, h.keeper.stats...)
}

func TestAReadersPoolIsItsTenants(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withReader, func(h *harness) { h.warm = func(context.Context, registry.ID) error { return nil } })
	for route, want := range map[string]string{
		"GET /v1/pools":                                 "[acme write ready acme write draining acme read ready globex write ready]",
		"GET /v1/pools/acme":                            "[acme write ready acme write draining acme read ready]",
		"POST /v1/pools/acme/warm":                      "[acme write ready acme write draining acme read ready]",
		"GET /v1/pools?application_name=pk-acme":        "[acme write ready acme write draining]",
		"GET /v1/pools?application_name=pk-acme%2Bread": "[acme read ready]",
	} {
		method, path, _ := strings.Cut(route, " ")
		r := h.admin(t, method, path)
		var got []string
		for _, p := range r.object(t)["pools"].([]any) {
			pool := p.(map[string]any)
			got = append(got, fmt.Sprint(pool["tenant"], " ", pool["access"], " ", pool["state"]))
		}
		if fmt.Sprint(got) != want || strings.Contains(r.body, "+read") {
			t.Errorf("%s: %v, want %s: %s", route, got, want, r.body)
		}
	}
	h.admin(t, http.MethodGet, "/v1/pools/acme+read").is(t, 400, "bad_request")
}

func TestAnEvictionAndAWarmingAreForTheReaderToo(t *testing.T) {
	t.Parallel()
	var warmed []string
	outages := map[string]error{}
	h := newHarness(t, withReader, func(h *harness) {
		h.warm = func(_ context.Context, id registry.ID) error {
			warmed = append(warmed, id.String())
			return outages[id.String()]
		}
	})
	h.keeper.stats = h.keeper.stats[:1] // the reader's alone is open
	if r := h.admin(t, http.MethodPost, "/v1/pools/acme/evict"); r.status != http.StatusOK || r.body != `{"evicted":"acme"}` {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	h.admin(t, http.MethodPost, "/v1/pools/acme/warm")
	outages["acme+read"] = pools.ErrBudget
	h.admin(t, http.MethodPost, "/v1/pools/acme/warm").is(t, 503, "capacity")
	if got := fmt.Sprint(h.keeper.called(), warmed); got != "[evict acme evict acme+read] [acme acme+read acme acme+read]" {
		t.Errorf("did %s", got)
	}
}
