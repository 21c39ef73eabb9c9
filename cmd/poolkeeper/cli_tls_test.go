package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server"
)

// authority signs certificates for a test.
type authority struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	folder string
	file   string // its own certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a := &authority{key: key, cert: template, folder: t.TempDir()}
	a.file = a.write(t, "ca.crt", "CERTIFICATE", a.sign(t, template, &key.PublicKey))
	return a
}

func (a *authority) sign(t *testing.T, template *x509.Certificate, of *ecdsa.PublicKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, of, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (a *authority) write(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	return write(t, filepath.Join(a.folder, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// issue returns the files of a certificate for this machine.
func (a *authority) issue(t *testing.T, name string, end time.Time) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert = a.write(t, name+".crt", "CERTIFICATE", a.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, &k.PublicKey))
	return cert, a.write(t, name+".key", "PRIVATE KEY", secret)
}

// guardedAdmin starts serve with an admin listener that asks for certificates
// of the authority.
func guardedAdmin(t *testing.T, a *authority) *program {
	t.Helper()
	path := serveConfig(t, "")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a.issue(t, "admin", time.Now().Add(time.Hour))
	relative, err := filepath.Rel(filepath.Dir(path), a.folder)
	if err != nil {
		t.Fatal(err)
	}
	files := fmt.Sprintf("server: {admin_tls: {cert: %[1]s/admin.crt, key: %[1]s/admin.key, client_ca: %[1]s/ca.crt}, ", relative)
	write(t, path, strings.Replace(string(text), "server: {", files, 1))
	return start(t, "serve", "--config", path)
}

func TestOperatorsReachAnAdminListenerOfAPrivateAuthority(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	p := guardedAdmin(t, a)
	cert, key := a.issue(t, "alice", time.Now().Add(time.Hour))
	expired, expiredKey := a.issue(t, "carol", time.Now().Add(-time.Hour))
	foreign, foreignKey := stranger.issue(t, "mallory", time.Now().Add(time.Hour))
	none, empty := filepath.Join(t.TempDir(), "none.pem"), write(t, filepath.Join(t.TempDir(), "empty.pem"), "nothing")
	ca, url := a.file, "https://"+p.Admin
	for _, c := range []struct {
		name, flags string
		env         []string
		code        int
		want        string
	}{
		{"flags", "--ca " + ca + " --cert " + cert + " --key " + key, nil, exitOK, ""},
		{"variables", "", []string{"POOLKEEPER_CA=" + ca, "POOLKEEPER_CERT=" + cert, "POOLKEEPER_KEY=" + key}, exitOK, ""},
		{"a flag goes before its variable", "--ca " + ca, []string{"POOLKEEPER_CA=" + none, "POOLKEEPER_CERT=" + cert, "POOLKEEPER_KEY=" + key}, exitOK, ""},
		{"the system's authorities", "", nil, exitFailed, "--ca names the file of the authority of its certificate, or POOLKEEPER_CA"},
		{"another authority", "--ca " + stranger.file, nil, exitFailed, "--ca names the file"},
		{"no certificate", "--ca " + ca, nil, exitFailed, "Does it ask for certificates? --cert and --key name"},
		{"a certificate of another authority", "--ca " + ca + " --cert " + foreign + " --key " + foreignKey, nil, exitFailed, "Does it ask for certificates?"},
		{"one that has expired", "--ca " + ca + " --cert " + expired + " --key " + expiredKey, nil, exitFailed, "--cert " + expired + " expired on "},
		{"no file", "--ca " + none, nil, exitUsage, "--ca: open " + none + ": no such file"},
		{"no file of a variable", "", []string{"POOLKEEPER_CA=" + none}, exitUsage, "POOLKEEPER_CA: open " + none},
		{"no authority", "--ca " + empty, nil, exitUsage, "--ca " + empty + " has no certificate in PEM"},
		{"no key", "--cert " + cert, nil, exitUsage, "--cert " + cert + " is a certificate without its private key; --key names it"},
		{"no certificate of the key", "", []string{"POOLKEEPER_KEY=" + key}, exitUsage, "POOLKEEPER_KEY " + key + " is a private key without its certificate"},
		{"the key of another", "--cert " + cert + " --key " + foreignKey, nil, exitUsage, "--cert " + cert + " and --key " + foreignKey + " are no certificate with its key"},
		{"not with plain HTTP", "--server http://127.0.0.1:1 --ca " + ca, nil, exitUsage, "an https:// URL has it"},
		{"not without a server", "--direct --ca " + ca, nil, exitUsage, "leave out --server, --token-from, --ca"},
	} {
		line := strings.Fields("tenant list " + c.flags)
		code, _, stderr := execute(t, append([]string{"POOLKEEPER_SERVER=" + url}, c.env...), line...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "PRIVATE") || c.code == exitOK && stderr != "" {
			t.Errorf("%s: %d %s", c.name, code, stderr)
		}
	}
}

func TestTLSWithAServerThatHasNoneIsSaidSo(t *testing.T) {
	t.Parallel()
	code, _, stderr := faked(t, fakeAdmin{}, "tenant", "list")
	if code != exitFailed || !strings.Contains(stderr, "--server must name the admin API") { // plain HTTP goes through
		t.Fatalf("%d %s", code, stderr)
	}
	p := start(t, "serve", "--config", serveConfig(t, ""))
	if code, _, stderr := execute(t, nil, "tenant", "list", "--server", "https://"+p.Admin); code != exitFailed || !strings.Contains(stderr, "It has no TLS") {
		t.Errorf("%d %s", code, stderr)
	}
}

func TestTheBannerShowsHTTPSWhereThereIsTLS(t *testing.T) {
	t.Parallel()
	cfg := server.Defaults()
	at := Addresses{Data: "0.0.0.0:8443", Admin: "127.0.0.1:8081"}
	who := []*registry.Tenant{{ID: registry.MustParseID("acme"), Status: registry.StatusActive, Isolation: registry.IsolationSchema}}
	cfg.TLS.Cert = "tls.crt"
	text := banner(urlsOf(at, cfg), &database{}, who)
	for _, want := range []string{
		"data API   https://127.0.0.1:8443\n", "admin API  http://127.0.0.1:8081\n", "https://acme.localhost:8443/sql",
		"fetchEndpoint = 'https://127.0.0.1:8443/sql'", "curl -s http://127.0.0.1:8081/v1/pools",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "http://127.0.0.1:8443") {
		t.Errorf("the data listener speaks no plain HTTP:\n%s", text)
	}
	cfg.TLS.Cert, cfg.AdminTLS.Cert = "", "tls.crt"
	if text := banner(urlsOf(at, cfg), &database{}, who); !strings.Contains(text, "data API   http://127") || !strings.Contains(text, "curl -s https://127.0.0.1:8081/v1/pools") {
		t.Errorf("the admin listener alone has TLS:\n%s", text)
	}
}
