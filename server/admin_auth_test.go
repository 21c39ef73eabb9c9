package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server"
)

const (
	readToken  = "read-token-0123456789"
	adminToken = "admin-token-0123456789"
)

func withOperator(h *harness) { h.operator = newFakeOperator() }

func withTokens(h *harness) {
	h.cfg.AdminTokens = registry.NewSecret("# who may what\n\nalice admin " + adminToken + "\r\n  dash-board\tread " + readToken + "\n")
}

// remote asks from another machine.
func (h *harness) remote(t testing.TB, method, path, token string) reply {
	t.Helper()
	headers := []string{"Host", "poolkeeper.internal:8081"}
	if token != "" {
		headers = append(headers, "Authorization", token)
	}
	return sendFrom(t, "203.0.113.9:1234", h.server.AdminHandler(), method, path, nil, headers...)
}

func TestATokenOpensWhatItsRoleAllowsFromAnywhere(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator, withTokens, func(h *harness) { h.operator.folder = t.TempDir() })
	const read, admin = "Bearer " + readToken, "bearer " + adminToken
	for _, c := range []struct {
		method, path             string
		none, wrong, read, admin int
	}{
		{http.MethodGet, "/v1/tenants", 401, 401, 200, 200},
		{http.MethodGet, "/v1/tenants/acme", 401, 401, 200, 200},
		{http.MethodGet, "/v1/pools", 401, 401, 200, 200},
		{http.MethodGet, "/v1/openapi.json", 401, 401, 200, 200},
		{http.MethodGet, "/v1/exports/acme.dump", 401, 401, 403, 404},
		{http.MethodPost, "/v1/tenants/acme/suspend", 401, 401, 403, 200},
		{http.MethodPost, "/v1/tenants/acme/export", 401, 401, 403, 200},
		{http.MethodDelete, "/v1/tenants/acme?confirm=acme", 401, 401, 403, 200},
		{http.MethodPatch, "/v1/clusters/none", 401, 401, 403, 404},
		{http.MethodPost, "/v1/doctor", 401, 401, 403, 501},
		{http.MethodPost, "/v1/pools/acme/evict", 401, 401, 403, 404},
		{http.MethodGet, "/v1/api-keys", 401, 401, 200, 200},
		{http.MethodGet, "/v1/tenants/acme/api-keys", 401, 401, 200, 200},
		{http.MethodPost, "/v1/tenants/acme/api-keys", 401, 401, 403, 400},
		{http.MethodPatch, "/v1/tenants/acme/api-keys/key000000001", 401, 401, 403, 400},
		{http.MethodDelete, "/v1/tenants/acme/api-keys/key000000001", 401, 401, 403, 404},
		{http.MethodPost, "/v1/tenants/acme/reader", 401, 401, 403, 200},
		{http.MethodPost, "/v1/tenants/acme/flush", 401, 401, 403, 501},
	} {
		for token, want := range map[string]int{"": c.none, "Bearer wrong-token-0123456789": c.wrong, read: c.read, admin: c.admin} {
			r := h.remote(t, c.method, c.path, token)
			if r.status != want {
				t.Errorf("%s %s with %.12q: status %d, want %d: %s", c.method, c.path, token, r.status, want, r.body)
			}
			if want == 401 && (r.object(t)["code"] != "unauthorized" || r.header.Get("WWW-Authenticate") != `Bearer realm="poolkeeper"`) {
				t.Errorf("%s %s: %v %s", c.method, c.path, r.header, r.body)
			}
			if want == 403 && r.object(t)["code"] != "forbidden" {
				t.Errorf("%s %s: %s", c.method, c.path, r.body)
			}
		}
	}
	if log := h.log.String(); strings.Contains(log, readToken) || strings.Contains(log, adminToken) || !strings.Contains(log, `"actor":"alice"`) {
		t.Error("a token is in the log, or its name is not")
	}
}

func TestAlmostATokenOpensNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator, withTokens)
	for _, authorization := range []string{
		adminToken, "Basic " + adminToken, "Bearer", "Bearer ", "Bearer " + adminToken + "x", "Bearer " + adminToken[:len(adminToken)-1],
		"Bearer " + strings.ToUpper(adminToken), "Bearer alice", "Bearer alice admin " + adminToken, "Bearer " + adminToken + ", Bearer " + adminToken,
	} {
		if r := h.remote(t, http.MethodGet, "/v1/tenants", authorization); r.status != http.StatusUnauthorized {
			t.Errorf("%q: status %d", authorization, r.status)
		}
	}
	if r := h.admin(t, http.MethodGet, "/v1/tenants"); r.status != http.StatusUnauthorized {
		t.Errorf("without one from this machine: status %d", r.status)
	}
	if r := h.admin(t, http.MethodPost, "/v1/drain", "Sec-Fetch-Site", "cross-site"); r.status != http.StatusUnauthorized || len(h.keeper.called()) != 0 {
		t.Errorf("a web page: status %d", r.status)
	}
}

func TestTheTokensNameIsTheActor(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator, withTokens)
	h.remote(t, http.MethodPost, "/v1/tenants/acme/suspend", "Bearer "+adminToken)
	h.remote(t, http.MethodPost, "/v1/tenants/acme/rotate", "Bearer "+adminToken)
	local := newHarness(t, withOperator)
	local.admin(t, http.MethodPost, "/v1/tenants/acme/resume")
	got := append(h.operator.called(), local.operator.called()...)
	if want := []string{"alice: suspend acme", "alice: rotate acme", "local: resume acme"}; !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}

func TestTheScrapeTokenDoesNotOpenTheAdminAPI(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator, withTokens, func(h *harness) {
		h.cfg.ScrapeToken = registry.NewSecret("scrape-token")
		h.metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	})
	for token, want := range map[string][2]int{"Bearer scrape-token": {200, 401}, "Bearer " + adminToken: {401, 200}} {
		metrics, tenants := h.remote(t, http.MethodGet, "/metrics", token).status, h.remote(t, http.MethodGet, "/v1/tenants", token).status
		if got := [2]int{metrics, tenants}; got != want {
			t.Errorf("%s: %v, want %v", token, got, want)
		}
	}
}

func TestTheAdminListenerMayBeReachedFromElsewhereWithTokens(t *testing.T) {
	t.Parallel()
	cfg := server.Defaults()
	cfg.AdminListen = ":8081"
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "server.admin_tokens") {
		t.Errorf("without tokens: %v", err)
	}
	cfg.AdminTokens = registry.NewSecret("alice admin " + adminToken)
	if err := cfg.Validate(); err != nil {
		t.Errorf("with tokens: %v", err)
	}
	h := newHarness(t, withOperator, withTokens, func(h *harness) { h.cfg.AdminListen = "0.0.0.0:0" })
	_, admin, _ := h.serve(t)
	if !strings.Contains(admin, "[::]") && !strings.Contains(admin, "0.0.0.0") {
		t.Errorf("listens on %s", admin)
	}
}

func TestWrongTokensAreNamedByTheirLineAndNotShown(t *testing.T) {
	t.Parallel()
	const secret = "a-very-secret-token"
	for text, want := range map[string]string{
		"":                                               "has no token",
		"# alice admin " + secret:                        "has no token",
		"alice admin":                                    "line 1: has 2 words",
		"\n\nalice admin " + secret + " x":               "line 3: has 4 words",
		"alice root " + secret:                           "line 1: the role, its second word, must be read or admin",
		secret + " alice admin":                          "line 1: the role",
		"alice " + secret + " admin":                     "line 1: the role",
		"alice admin short":                              "line 1: the token, its third word, has 5 characters; it needs 16",
		"a,b admin " + secret:                            "line 1: the name",
		"alice admin " + secret + "\u00e4":               "line 1: the token, its third word, has a character",
		"a admin " + secret + "\nb read " + secret:       "line 2: the token is that of line 1 too",
		"a admin " + secret + "\na read " + secret + "2": "line 2: the name is that of line 1 too",
		strings.Repeat("n", 101) + " admin " + secret:    "line 1: the name",
	} {
		cfg := server.Defaults()
		_, err := server.ParseTokens(text)
		if err == nil || !strings.Contains(err.Error(), "server.admin_tokens: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: the error shows the token: %v", text, err)
		}
		if cfg.AdminTokens = registry.NewSecret(text); text != "" && cfg.Validate() == nil {
			t.Errorf("%q is valid", text)
		}
	}
	if got, err := server.ParseTokens("x read 0123456789abcdef\n#\n y\tadmin  fedcba9876543210 \n"); err != nil || fmt.Sprint(got) != "[x read y admin]" {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzTokens(f *testing.F) {
	f.Add("alice admin " + adminToken)
	f.Add("# c\n\na read 0123456789abcdef\nb\tadmin\t0123456789abcdeg\r\n")
	f.Add("a read 0123456789abcdef\na read 0123456789abcdef")
	f.Add("\x00 \u00a0 \u2028")
	f.Fuzz(func(t *testing.T, text string) {
		tokens, err := server.ParseTokens(text)
		if err == nil && len(tokens) == 0 {
			t.Error("no token and no error: the API would be open")
		}
		if err == nil {
			return
		}
		for word := range strings.FieldsSeq(text) {
			if len(word) >= 16 && strings.Contains(err.Error(), word) && !strings.Contains("server.admin_tokens: letters, digits", word) {
				t.Errorf("the error shows %q: %v", word, err)
			}
		}
	})
}
