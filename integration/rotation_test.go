package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// changing is a fleet whose one tenant's record the test changes. Each keeper
// on it is told when the test says so, as replicas are: not at once.
type changing struct {
	*fleet
	record atomic.Pointer[registry.Tenant]
}

// Tenant is pools.Tenants.
func (c *changing) Tenant(_ context.Context, id registry.ID) (*registry.Tenant, error) {
	switch t := c.record.Load(); {
	case t.ID != id:
		return nil, registry.ErrUnknown
	case !t.Active():
		return nil, registry.ErrInactive
	default:
		return t, nil
	}
}

func newChanging(t *testing.T, mark string) *changing {
	t.Helper()
	c := &changing{fleet: newFleet(t, nil)}
	c.record.Store(c.create(t, "own-0", mark))
	return c
}

// change stores another version of the record and tells nobody.
func (c *changing) change(edit func(*registry.Tenant)) {
	next := *c.record.Load()
	next.Version++
	edit(&next)
	c.record.Store(&next)
}

// tell lets a keeper know of the record.
func (c *changing) tell(k *pools.Keeper, kind registry.ChangeKind) {
	k.Apply(registry.Change{ID: c.record.Load().ID, Kind: kind})
}

// setPassword is what a rotation does on the server.
func (c *changing) setPassword(t *testing.T, to string) {
	t.Helper()
	admin(t, c.server, c.database, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", pgx.Identifier{c.record.Load().Login}.Sanitize(), to))
}

// keeper starts one more process's keeper.
func (c *changing) keeper(t *testing.T, edit func(*pools.Config)) *pools.Keeper {
	t.Helper()
	cfg := pools.Defaults()
	cfg.Clusters = map[string]registry.Cluster{"main": {DSN: registry.NewSecret(c.server.DSN(c.database, c.shared, password))}}
	if edit != nil {
		edit(&cfg)
	}
	k, err := pools.New(cfg, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := k.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return k
}

// work has many callers use the tenant all the time, every third of whom ends
// their connection, so that there are dials at every moment. The returned
// function reports how often it went well; none may fail.
func work(t *testing.T, k *pools.Keeper, tenant registry.ID) (done func() int64) {
	t.Helper()
	var good atomic.Int64
	var stop atomic.Bool
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				if err := once(t.Context(), k, tenant, i%3 == 0); err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				good.Add(1)
			}
		})
	}
	finish := sync.OnceFunc(func() { stop.Store(true); workers.Wait() })
	t.Cleanup(finish)
	return func() int64 { finish(); return good.Load() }
}

func once(ctx context.Context, k *pools.Keeper, tenant registry.ID, discard bool) error {
	l, err := k.Lease(ctx, tenant)
	if err != nil {
		return err
	}
	defer l.Release()
	c, err := l.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	if discard {
		c.Discard()
	}
	var owner string
	return c.QueryRow(ctx, "SELECT min(tenant) FROM items").Scan(&owner)
}

// dialled returns when the tenant was given new connections, and so tells that
// dials were made after what came before.
func dialled(t *testing.T, k *pools.Keeper, tenant registry.ID) {
	t.Helper()
	for range 5 {
		if err := once(t.Context(), k, tenant, true); err != nil {
			t.Errorf("a request failed: %v", err)
		}
	}
}

// Criterion: a password is rotated under load without one failed request, in
// a process that hears of every step, in one that hears of none until the end,
// and in one that has to ask.
func TestARotationFailsNoRequest(t *testing.T) {
	t.Parallel()
	c := newChanging(t, "own")
	tenant := c.record.Load().ID
	told := c.keeper(t, nil)
	deaf := c.keeper(t, nil)
	c.change(func(t *registry.Tenant) { t.NextPassword = registry.NewSecret("pw-0") })
	var inForce atomic.Pointer[registry.Secret]
	asking := c.keeper(t, func(cfg *pools.Config) {
		cfg.Refresh = func(context.Context, *registry.Tenant) (registry.Secret, error) { return *inForce.Load(), nil }
	})
	finish := []func() int64{work(t, told, tenant), work(t, deaf, tenant), work(t, asking, tenant)}
	for round := range 6 {
		now, next := registry.NewSecret(fmt.Sprintf("pw-%d", round)), registry.NewSecret(fmt.Sprintf("pw-%d", round+1))
		for _, k := range []*pools.Keeper{told, deaf} { // one step behind at most
			c.tell(k, registry.Changed)
			dialled(t, k, tenant)
		}
		inForce.Store(&now)
		c.setPassword(t, now.Reveal())
		for _, k := range []*pools.Keeper{told, deaf, asking} {
			dialled(t, k, tenant)
		}
		c.change(func(t *registry.Tenant) { t.Password, t.NextPassword = now, registry.Secret{} })
		c.tell(told, registry.Changed)
		dialled(t, told, tenant)
		c.change(func(t *registry.Tenant) { t.NextPassword = next })
	}
	for _, done := range finish {
		if n := done(); n == 0 {
			t.Error("nothing was asked meanwhile")
		}
	}
}

// Criterion: what a suspension means for the server: at once none of the
// tenant's connections rests, and with the last lease the last one is gone.
func TestASuspensionEndsTheTenantsConnections(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{"own", "shared", "database"} {
		t.Run(mark, func(t *testing.T) {
			t.Parallel()
			c := newChanging(t, mark)
			k := c.keeper(t, nil)
			tenant := c.record.Load().ID
			l, err := k.Lease(t.Context(), tenant)
			if err != nil {
				t.Fatal(err)
			}
			held := make([]*pools.Conn, 3)
			for i := range held {
				if held[i], err = l.Acquire(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			held[1].Release()
			held[2].Release()
			name := k.Stats()[0].ApplicationName
			c.sees(t, name, 3)

			c.change(func(t *registry.Tenant) { t.Status = registry.StatusSuspended })
			c.tell(k, registry.Suspended)
			if _, err := k.Lease(t.Context(), tenant); !errors.Is(err, registry.ErrInactive) {
				t.Errorf("a suspended tenant's lease: %v", err)
			}
			c.sees(t, name, 1)
			if _, err := held[0].Exec(t.Context(), "SELECT 1"); err != nil {
				t.Errorf("what runs is cut: %v", err)
			}
			held[0].Release()
			l.Release()
			c.sees(t, name, 0)
			if s := k.Stats(); len(s) != 0 {
				t.Errorf("%+v", s)
			}

			c.change(func(t *registry.Tenant) { t.Status = registry.StatusActive })
			c.tell(k, registry.Changed)
			if err := k.Warm(t.Context(), tenant); err != nil {
				t.Errorf("a tenant that was resumed: %v", err)
			}
		})
	}
}

// sees waits until the server has n sessions of a name.
func (c *changing) sees(t *testing.T, name string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, c.server.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	for seen := -1; seen != n; {
		err := db.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", name).Scan(&seen)
		if err != nil {
			t.Fatalf("the server has %d sessions of the tenant, want %d: %v", seen, n, err)
		}
	}
}
