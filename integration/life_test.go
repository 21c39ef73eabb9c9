package integration_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAConnectionThatDiedWhileItRestedIsNotLent(t *testing.T) {
	t.Parallel()
	for _, trust := range []pools.SQL{pools.Untrusted, pools.Trusted} {
		f := newFleet(t, func(c *pools.Config) { c.SQL = trust }, "own")
		l := f.lease(t, "own-0")
		if got := owner(t, l); got != "own-0" {
			t.Fatalf("rows of %q", got)
		}
		<-time.After(1100 * time.Millisecond) // a shorter rest is not asked about
		admin(t, f.server, f.database, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '"+l.Tenant().Login+"'")
		if got := owner(t, l); got != "own-0" {
			t.Errorf("%s: rows of %q", trust, got)
		}
		l.Release()
	}
}

// tlsFront is a TLS end in front of the test's server, which has none: it
// answers the request for encryption and passes everything on.
func tlsFront(t *testing.T, port int) int {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
	var lc net.ListenConfig
	ln, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go pass(c, cfg, port)
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func pass(c net.Conn, cfg *tls.Config, port int) {
	defer c.Close()
	var request [8]byte // SSLRequest
	if _, err := io.ReadFull(c, request[:]); err != nil {
		return
	}
	if _, err := c.Write([]byte{'S'}); err != nil {
		return
	}
	var d net.Dialer
	back, err := d.DialContext(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return
	}
	defer back.Close()
	front := tls.Server(c, cfg)
	go func() {
		_, _ = io.Copy(back, front)
		_ = back.Close()
	}()
	_, _ = io.Copy(front, back)
}

func TestEverythingWorksOverTLSCancelIncluded(t *testing.T) {
	t.Parallel()
	f := newFleet(t, nil, "own")
	cfg := pools.Defaults()
	cfg.MaxConns, cfg.CancelTimeout = 1, time.Minute // a loaded machine may be slow to cancel
	port := tlsFront(t, f.server.Port())
	cfg.Clusters = map[string]registry.Cluster{"main": {DSN: registry.NewSecret(
		"postgres://" + f.shared + ":" + password + "@127.0.0.1:" + strconv.Itoa(port) + "/" + f.database + "?sslmode=require")}}
	k, err := pools.New(cfg, f.registry, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	l, err := k.Lease(t.Context(), id("own-0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	var before, after int
	if err := l.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&before); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err = l.Exec(ctx, "SELECT pg_sleep(20)")
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "57014" {
		t.Errorf("cancelled statement: %v", err)
	}
	<-time.After(1100 * time.Millisecond) // long enough that its socket is asked
	if err := l.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&after); err != nil || after != before {
		t.Errorf("the connection was not kept: %d, %d, %v", before, after, err)
	}
}
