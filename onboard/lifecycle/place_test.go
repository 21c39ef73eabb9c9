package lifecycle_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// roomy adds a cluster with ten times the room of main, at an address.
func (w *world) roomy(address string) {
	main := w.clusters["main"]
	other := main
	main.Budget, other.Budget = 10, 100
	dsn := registry.NewSecret("postgres://admin@" + address + "/postgres?sslmode=disable")
	other.DSN, other.Admin = dsn, dsn
	w.clusters["main"], w.clusters["other"] = main, other
}

// closedPort is an address where nothing listens.
func closedPort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func TestAServerThatIsDownGetsNoTenantHoweverMuchRoomItHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.roomy(closedPort(t)) })
	for _, name := range []string{"one", "two"} {
		if r := w.add(name); r.Cluster != "main" || r.Status != registry.StatusActive {
			t.Errorf("%s is %s on %s: %s", r.ID, r.Status, r.Cluster, r.Reason)
		}
	}
	named := w.spec("named")
	named.Tenant.Cluster = "other"
	op := w.ended(w.operator.Add(w.soon(), "test", named))
	if r := w.record("named"); op.State != control.Failed || r.Cluster != "other" || r.Reason == "" {
		t.Errorf("one that names it is on %s, %s: %s", r.Cluster, r.Status, r.Reason)
	}
}

// stocked is the world's stock on each cluster once there are so many.
func (w *world) stocked(n int) map[string]int {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { w.operator.Stock(ctx) })
	defer running.Wait()
	defer cancel()
	var on map[string]int
	until(w, "the spares are ready", func() bool {
		spares, err := w.db.Spares(ctx)
		must(w, err)
		on = map[string]int{}
		for _, s := range spares {
			if s.Ready {
				on[s.Tenant.Cluster]++
			}
		}
		return len(spares) == n && on["main"]+on["other"] == n
	})
	return on
}

func TestSparesLieWhereTenantsWillBePlaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.onboard.Spares = 4
		server := pgtest.StartWith(t, nil)
		other := w.clusters["main"]
		database := server.Database(t)
		other.DSN, other.Admin = registry.NewSecret(server.DSN(database, w.prefix+"_app", "shared")), registry.NewSecret(server.AdminDSN(database))
		w.clusters["other"] = other
	})
	if on := w.stocked(4); on["main"] != 2 || on["other"] != 2 {
		t.Errorf("of two clusters with as much room, the spares are on %v", on)
	}
	for _, name := range []string{"one", "two", "three", "four"} {
		w.add(name)
	}
	if spares, err := w.db.Spares(t.Context()); err != nil || len(spares) != 0 {
		t.Errorf("after as many tenants, %d spares are left: %v", len(spares), err)
	}
}

func TestSparesAreMigratedBeforeSomebodyClaimsThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.onboard.Spares = 1 })
	w.stocked(1)
	w.migration("00002_more.sql", "CREATE TABLE more (id int)")
	w.db, w.operator = w.process() // the next release
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.operator.Stock(ctx) })
	until(t, "the spare has the new migration", func() bool {
		spares, err := w.db.Spares(ctx)
		return err == nil && len(spares) == 1 && spares[0].Ready && spares[0].Migrated == 2
	})
	cancel()
	running.Wait()
	r := w.add("one")
	if !w.steps.has("claim of the spare") || w.steps.has("migration 00002_more.sql") {
		t.Error("the tenant has waited for a migration of its spare")
	}
	if r.Migrated != 2 {
		t.Errorf("it is at %d", r.Migrated)
	}
}
