package server_test

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// ask posts a query for acme, and returns the answer without its body.
func ask(t *testing.T, c *http.Client, url string, headers ...string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"query":"one"}`))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res, err
}

func TestTheDataListenerSpeaksTLSAndBothHTTPs(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for _, hsts := range []time.Duration{0, time.Hour} {
		h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.HSTS = hsts })
		h.serve(t)
		for protocol, want := range map[string]string{"http/1.1": "HTTP/1.1", "h2": "HTTP/2.0"} {
			res, err := ask(t, over(t, a.trusting(t, nil, nil), protocol), "https://"+h.server.Addr()+"/t/acme/sql")
			if err != nil || res.StatusCode != http.StatusOK || res.Proto != want {
				t.Fatalf("%s: %+v, %v", protocol, res, err)
			}
			want := map[time.Duration]string{0: "", time.Hour: "max-age=3600"}[hsts]
			if got := res.Header.Get("Strict-Transport-Security"); got != want {
				t.Errorf("hsts %v: the header is %q", hsts, got)
			}
		}
		if status := rawRequest(t, h.server.Addr(), "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"); status != "HTTP/1.0 400 Bad Request" {
			t.Errorf("plain HTTP is answered %q", status)
		}
	}
	h := newHarness(t, func(h *harness) { h.cfg.AdminListen = "" })
	if got := h.get(t, "/livez").header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("plain HTTP has %q", got)
	}
}

func TestAnOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	for version, refused := range map[string]uint16{"1.2": tls.VersionTLS11, "1.3": tls.VersionTLS12} {
		h := newHarness(t, withTLS(t, a), func(h *harness) { h.cfg.TLS.MinVersion = version })
		h.serve(t)
		for old, want := range map[uint16]bool{refused: false, refused + 1: true} {
			cfg := a.trusting(t, nil, nil)
			cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, old
			conn, err := (&tls.Dialer{Config: cfg}).DialContext(t.Context(), "tcp", h.server.Addr())
			if (err == nil) != want {
				t.Errorf("min_version %s, client %s: %v", version, tls.VersionName(old), err)
			}
			if err == nil {
				_ = conn.Close()
			}
		}
	}
}

// serial is that of the certificate that a new connection is shown.
func serial(t *testing.T, a *authority, address string) int64 {
	t.Helper()
	conn, err := (&tls.Dialer{Config: a.trusting(t, nil, nil)}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestARenewedCertificateIsUsedWithoutARestart(t *testing.T) {
	t.Parallel()
	a, folder := newAuthority(t), t.TempDir()
	// As Kubernetes mounts a secret: links to files behind a link that is
	// renamed over the old one.
	mount := func(name string, number int64) {
		a.files(t, filepath.Join(folder, name), number)
		link := filepath.Join(folder, "..data_tmp")
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link, filepath.Join(folder, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	mount("..2026_1", 1)
	for _, file := range []string{"tls.crt", "tls.key"} {
		if err := os.Symlink(filepath.Join("..data", file), filepath.Join(folder, file)); err != nil {
			t.Fatal(err)
		}
	}
	h := newHarness(t, func(h *harness) {
		h.cfg.TLS.Cert, h.cfg.TLS.Key = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	})
	h.serve(t)
	kept := over(t, a.trusting(t, nil, nil), "h2")
	if res, err := ask(t, kept, "https://"+h.server.Addr()+"/t/acme/sql"); err != nil || res.TLS.PeerCertificates[0].SerialNumber.Int64() != 1 {
		t.Fatalf("before: %v, %v", res, err)
	}
	mount("..2026_2", 2)
	waitFor(t, func() bool { return serial(t, a, h.server.Addr()) == 2 })
	if res, err := ask(t, kept, "https://"+h.server.Addr()+"/t/acme/sql"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("a connection that was there: %v, %v", res, err)
	}
	if n := strings.Count(h.log.String(), "a renewed certificate is in use"); n != 1 {
		t.Errorf("it is logged %d times", n)
	}
}

func TestABrokenPairLeavesTheLastGoodOneAndIsLoggedOnce(t *testing.T) {
	t.Parallel()
	a, folder := newAuthority(t), t.TempDir()
	cert, key := a.files(t, folder, 1)
	h := newHarness(t, func(h *harness) { h.cfg.TLS.Cert, h.cfg.TLS.Key = cert, key })
	h.serve(t)
	logged := func(text string) int { return strings.Count(h.log.String(), text) }
	steps := []struct {
		name string
		do   func()
		says string
	}{
		{"another key", func() { _, k := a.issue(t, 2, pkix.Name{}); write(t, key, k) }, "are no certificate with its key"},
		{"no PEM", func() { write(t, cert, []byte("hunter2")) }, "are no certificate with its key: tls: failed to find any PEM data"},
		{"no file", func() { _ = os.Remove(cert) }, "no such file"},
	}
	for _, step := range steps {
		before := logged(step.says)
		step.do()
		for range 2 { // the second look finds the same, and says nothing
			looked := time.Now()
			waitFor(t, func() bool {
				if got := serial(t, a, h.server.Addr()); got != 1 {
					t.Fatalf("%s: certificate %d is shown", step.name, got)
				}
				return logged(step.says) > before && time.Since(looked) > 1200*time.Millisecond
			})
		}
		if got := logged(step.says) - before; got != 1 {
			t.Errorf("%s is logged %d times", step.name, got)
		}
	}
	a.files(t, folder, 3)
	waitFor(t, func() bool { return serial(t, a, h.server.Addr()) == 3 })
	if strings.Contains(h.log.String(), "hunter2") || strings.Contains(h.log.String(), "PRIVATE KEY-----") {
		t.Errorf("the log shows what is in a file: %s", h.log)
	}
}

func TestATLSFileThatCannotBeUsedIsNamedAtTheStart(t *testing.T) {
	t.Parallel()
	a, folder := newAuthority(t), t.TempDir()
	cert, key := a.files(t, folder, 1)
	junk, missing := write(t, filepath.Join(folder, "junk"), []byte("hunter2")), filepath.Join(folder, "missing")
	rt := router.Defaults()
	rt.Resolvers = []string{"path"}
	way, err := router.New(rt, router.Deps{Tenants: demoRecords(), Pools: noPools{}})
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*server.Config){
		"server.tls.cert: open " + missing:                                         func(c *server.Config) { c.TLS.Cert, c.TLS.Key = missing, key },
		"server.tls.key: open " + missing:                                          func(c *server.Config) { c.TLS.Cert, c.TLS.Key = cert, missing },
		"server.tls.cert: " + junk + " and " + key + " are no certificate":         func(c *server.Config) { c.TLS.Cert, c.TLS.Key = junk, key },
		"server.admin_tls.key: open " + missing:                                    func(c *server.Config) { c.AdminTLS.Cert, c.AdminTLS.Key = cert, missing },
		"server.admin_tls.client_ca: open " + missing:                              func(c *server.Config) { c.AdminTLS.Cert, c.AdminTLS.Key, c.AdminTLS.ClientCA = cert, key, missing },
		"server.admin_tls.client_ca: " + junk + " has no certificate in PEM":       func(c *server.Config) { c.AdminTLS.Cert, c.AdminTLS.Key, c.AdminTLS.ClientCA = cert, key, junk },
		"server.admin_tls.cert: " + key + " and " + key + " are no certificate wi": func(c *server.Config) { c.AdminTLS.Cert, c.AdminTLS.Key = key, key },
	} {
		cfg := server.Defaults()
		change(&cfg)
		_, err := server.New(cfg, server.Deps{Router: way, Keeper: &fakeKeeper{}, Registry: demoRecords()})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestTheSettingsOfTLSFitTogether(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*server.Config){
		"server.tls.cert: is empty while server.tls.key is set":             func(c *server.Config) { c.TLS.Key = "k" },
		"server.tls.key: is empty while server.tls.cert is set":             func(c *server.Config) { c.TLS.Cert = "c" },
		`server.tls.min_version: "1.1" is neither 1.2 nor 1.3`:              func(c *server.Config) { c.TLS.MinVersion = "1.1" },
		"server.admin_tls.cert: is empty while":                             func(c *server.Config) { c.AdminTLS.Key = "k" },
		"server.admin_tls.key: is empty while":                              func(c *server.Config) { c.AdminTLS.Cert = "c" },
		`server.admin_tls.min_version: "" is neither`:                       func(c *server.Config) { c.AdminTLS.MinVersion = "" },
		"server.admin_tls.client_ca: clients show certificates over TLS on": func(c *server.Config) { c.AdminTLS.ClientCA = "a" },
		"server.hsts: -1s is no time to remember":                           func(c *server.Config) { c.HSTS = -time.Second },
		"server.hsts: 1ms is no time to remember":                           func(c *server.Config) { c.HSTS = time.Millisecond },
		"server.hsts: means nothing to browsers without TLS":                func(c *server.Config) { c.HSTS = time.Hour },
		"server.admin_listen: :8081 can be reached from other machines": func(c *server.Config) {
			c.AdminListen, c.AdminTLS.Cert, c.AdminTLS.Key = ":8081", "c", "k"
		},
	} {
		cfg := server.Defaults()
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	cfg := server.Defaults()
	cfg.AdminListen, cfg.AdminTLS.Cert, cfg.AdminTLS.Key, cfg.AdminTLS.ClientCA = ":8081", "c", "k", "a"
	cfg.TLS.Cert, cfg.TLS.Key, cfg.HSTS = "c", "k", 8760*time.Hour
	if err := cfg.Validate(); err != nil {
		t.Errorf("an admin listener with certificates for all to reach: %v", err)
	}
}
