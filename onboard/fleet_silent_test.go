package onboard_test

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// silentServer takes connections and says nothing; it counts them.
func silentServer(t *testing.T) (address string, taken *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	taken = &atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			taken.Add(1)
			defer conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String(), taken
}

// A server that is silent costs one wait, and not one for each of thousands.
func TestOfASilentServerNotEveryTenantIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, taken := silentServer(t)
	w.cluster.DSN = registry.NewSecret("postgres://app@" + address + "/x?sslmode=disable")
	w.cluster.Admin = registry.NewSecret("postgres://admin@" + address + "/x?sslmode=disable")
	p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
	p.Patience(50 * time.Millisecond)
	var tenants []*registry.Tenant
	for _, name := range []string{"a", "b", "c", "d"} {
		tenants = append(tenants, w.tenant(name, registry.IsolationSchema))
	}
	failed := 0
	err := p.Migrate(t.Context(), tenants, onboard.MigrateOptions{Workers: 1}, func(m onboard.Migrated) {
		if m.Err == nil || (failed > 0) != strings.Contains(m.Err.Error(), "left out") {
			t.Errorf("%s: %v", m.Tenant, m.Err)
		}
		failed++
	})
	if err != nil || failed != len(tenants) {
		t.Errorf("%d of %d were told as failed: %v", failed, len(tenants), err)
	}
	if n := taken.Load(); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestASilentServerHoldsUpATenantNotForAsLongAsItsWorkMayTake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address, _ := silentServer(t)
	w.cluster.Admin = registry.NewSecret("postgres://admin@" + address + "/x?sslmode=disable")
	p := w.provisioner(onboard.Config{})
	p.Patience(50 * time.Millisecond)
	began := time.Now()
	err := p.Provision(t.Context(), w.tenant("a", registry.IsolationSchema))
	if err == nil || time.Since(began) > time.Minute {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
