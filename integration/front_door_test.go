package integration_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// front is a running server over TLS: what clients reach, with everything real
// behind it.
type front struct {
	*fleet
	url     string
	address string
	roots   *x509.CertPool
	log     *syncBuffer
}

// frontPlan says what newFront makes. Every field may be left out.
type frontPlan struct {
	tenants map[string]string // marks by name
	edit    func(*registry.Tenant)
	pools   func(*pools.Config)
	server  func(*server.Config)
	router  func(*router.Config, *router.Deps)
	plain   bool // no TLS
	cache   *readcache.Cache
}

func newFront(t testing.TB, p frontPlan) *front {
	t.Helper()
	f := &fleet{server: pgtest.Shared()}
	f.database = f.server.Database(t)
	f.shared = f.database + "_app"
	f.prepare(t)
	var tenants []*registry.Tenant
	for name, mark := range p.tenants {
		record := f.create(t, name, mark)
		if p.edit != nil {
			p.edit(record)
		}
		tenants = append(tenants, record)
	}
	f.start(t, p.pools, tenants)
	d := &front{fleet: f, log: &syncBuffer{}}
	d.open(t, p)
	return d
}

func (d *front) open(t testing.TB, p frontPlan) {
	t.Helper()
	cfg, routes := server.Defaults(), router.Defaults()
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", ""
	scheme := "http://"
	if !p.plain {
		cfg.TLS.Cert, cfg.TLS.Key, d.roots = selfSigned(t)
		scheme = "https://"
	}
	if p.server != nil {
		p.server(&cfg)
	}
	routes.Resolvers, routes.Dev, routes.ProbeRate = []string{"path", "neon", "header"}, true, 0
	deps := router.Deps{Tenants: d.registry, Pools: d.Keeper}
	if p.router != nil {
		p.router(&routes, &deps)
	}
	way, err := router.New(routes, deps)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(cfg, server.Deps{
		Router: way, Keeper: d.Keeper, Registry: d.registry, Cache: p.cache,
		Log: slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	<-s.Ready()
	d.address, d.url = s.Addr(), scheme+s.Addr()
}

// selfSigned writes a certificate for this machine, and its key.
func selfSigned(t testing.TB) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	write := func(name, kind string, der []byte) string {
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		roots.AppendCertsFromPEM(text)
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("tls.crt", "CERTIFICATE", der), write("tls.key", "PRIVATE KEY", secret), roots
}

// client speaks HTTP/1.1 or h2 to the door.
func (d *front) client(t testing.TB, protocol string) *http.Client {
	t.Helper()
	protocols := &http.Protocols{}
	protocols.SetHTTP1(protocol == "http/1.1")
	protocols.SetHTTP2(protocol == "h2")
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: d.roots, MinVersion: tls.VersionTLS12}, Protocols: protocols, MaxIdleConnsPerHost: 16,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// said is an answer, read to its end.
type said struct {
	status int
	header http.Header
	body   string
}

// ask posts a query; headers alternate names and values.
func (d *front) ask(ctx context.Context, c *http.Client, tenant, body string, headers ...string) (said, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/t/"+tenant+"/sql", strings.NewReader(body))
	if err != nil {
		return said{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return said{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return said{res.StatusCode, res.Header, string(text)}, err
}

// running counts the statements in the database that have a text in them, its
// own not.
func (d *front) running(t testing.TB, text string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.server.AdminDSN(d.database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var n int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%' || $1 || '%'`, text).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// until waits for something to be so.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s did not happen within 20s", what)
		}
	}
}
