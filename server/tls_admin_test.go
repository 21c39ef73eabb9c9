package server_test

import (
	"crypto/x509/pkix"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

// certified has an admin listener that asks clients for certificates.
func certified(t *testing.T, a *authority) func(*harness) {
	t.Helper()
	folder := t.TempDir()
	cert, key := a.files(t, folder, 7)
	ca := write(t, filepath.Join(folder, "ca.crt"), a.pem())
	return func(h *harness) {
		h.cfg.AdminTLS.Cert, h.cfg.AdminTLS.Key, h.cfg.AdminTLS.ClientCA = cert, key, ca
		h.cfg.AdminListen = "0.0.0.0:0"
		h.metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") })
	}
}

func TestTheAdminListenerKnowsOperatorsByTheirCertificates(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	h := newHarness(t, certified(t, a), func(h *harness) { h.operator = newFakeOperator() })
	h.serve(t)
	_, port, _ := strings.Cut(h.server.AdminAddr(), "]:")
	url := "https://localhost:" + port
	cert, key := a.issue(t, 8, pkix.Name{CommonName: "ops\nalice", Organization: []string{"acme"}})
	alice := over(t, a.trusting(t, cert, key), "h2")
	if res, err := ask(t, alice, url+"/v1/pools/acme/evict"); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("alice: %v, %v", res, err)
	}
	if log := h.log.String(); !strings.Contains(log, "\"actor\":\"ops\uFFFDalice\"") {
		t.Errorf("the log does not name her: %s", log)
	}
	if res, err := alice.Post(url+"/v1/tenants/acme/suspend", "application/json", strings.NewReader("{}")); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("alice suspends: %v, %v", res, err)
	} else {
		_ = res.Body.Close()
	}
	if calls := h.operator.called(); len(calls) == 0 || !strings.HasPrefix(calls[0], "ops\uFFFDalice: ") {
		t.Errorf("the operator was told %q", calls)
	}
	if res, err := ask(t, alice, url+"/v1/pools/acme/evict", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); err != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("a page in her browser: %v, %v", res, err)
	}
	if res, err := alice.Get(url + "/metrics"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("metrics: %v, %v", res, err)
	} else {
		_ = res.Body.Close()
	}
	// Nobody else gets as far as a request.
	if res, err := ask(t, over(t, a.trusting(t, nil, nil), "h2"), url+"/v1/pools"); err == nil {
		t.Errorf("without a certificate: %v", res)
	}
	cert, key = stranger.issue(t, 9, pkix.Name{CommonName: "mallory"})
	if res, err := ask(t, over(t, a.trusting(t, cert, key), "http/1.1"), url+"/v1/pools"); err == nil {
		t.Errorf("with another authority's: %v", res)
	}
}

func TestACertificateIsNoTokenWhereTokensAreAskedFor(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	h := newHarness(t, certified(t, a), func(h *harness) {
		h.cfg.AdminTokens = registry.NewSecret("bob read " + strings.Repeat("t", 20))
	})
	h.serve(t)
	_, port, _ := strings.Cut(h.server.AdminAddr(), "]:")
	cert, key := a.issue(t, 8, pkix.Name{CommonName: "alice"})
	alice, url := over(t, a.trusting(t, cert, key), "h2"), "https://localhost:"+port+"/v1/pools/acme/evict"
	if res, err := ask(t, alice, url); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %v, %v", res, err)
	}
	if res, err := ask(t, alice, url, "Authorization", "Bearer "+strings.Repeat("t", 20)); err != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("with one that may read: %v, %v", res, err)
	}
}

func TestARevokedAuthorityIsNoticedWithoutARestart(t *testing.T) {
	t.Parallel()
	a, next := newAuthority(t), newAuthority(t)
	h := newHarness(t, certified(t, a))
	h.serve(t)
	_, port, _ := strings.Cut(h.server.AdminAddr(), "]:")
	cert, key := a.issue(t, 8, pkix.Name{CommonName: "alice"})
	knows := func() bool {
		_, err := ask(t, over(t, a.trusting(t, cert, key), "h2"), "https://localhost:"+port+"/v1/pools/acme/evict")
		return err == nil
	}
	if !knows() {
		t.Fatal("alice is not known")
	}
	write(t, h.cfg.AdminTLS.ClientCA, next.pem())
	waitFor(t, func() bool { return !knows() })
}
