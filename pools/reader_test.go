package pools_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A reader's pool is a pool of its own beside its tenant's. The records of
// readers are what a registry makes of their tenants'.

// newReadableWorld is a newWorld in which the tenants have readers.
func newReadableWorld(t *testing.T, edit func(*pools.Config)) *world {
	t.Helper()
	w := newWorld(t, 15, edit)
	for _, name := range names(10) {
		w.give(name, name+"_reader")
	}
	return w
}

// give makes the record of a tenant's reader.
func (w *world) give(name, login string) {
	reader := tenant(name)
	reader.ID, reader.Login = reader.ID.Reader(), login
	w.records.put(reader)
}

// reads leases the reader of name, and gives it back.
func (w *world) reads(t *testing.T, name string) (*registry.Tenant, error) {
	t.Helper()
	l, err := w.Lease(t.Context(), id(name).Reader())
	if err != nil {
		return nil, err
	}
	defer l.Release()
	c, err := l.Acquire(t.Context())
	if err != nil {
		return nil, err
	}
	defer c.Release()
	return l.Tenant(), c.Walled()
}

// statOf finds the pool of a tenant or of a reader.
func (w *world) statOf(id registry.ID) (pools.Stat, bool) {
	all := w.Stats()
	at := slices.IndexFunc(all, func(s pools.Stat) bool { return s.Tenant == id && s.State == pools.StateReady })
	if at < 0 {
		return pools.Stat{}, false
	}
	return all[at], true
}

func TestAReaderHasAPoolOfItsOwnWithItsOwnLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newReadableWorld(t, nil)
		w.use(t, "t00")
		record, err := w.reads(t, "t00")
		mustBe(t, err, nil)
		if record.Login != "t00_reader" {
			t.Errorf("leased with login %q", record.Login)
		}
		own, reader := w.Stats()[0], w.Stats()[1]
		if reader.Tenant != id("t00").Reader() {
			own, reader = reader, own
		}
		if own.Tenant != id("t00") || reader.Tenant != id("t00").Reader() || own.ApplicationName == reader.ApplicationName {
			t.Errorf("pools are %+v", w.Stats())
		}
		if known, ok := w.TenantOf(reader.ApplicationName); !ok || known != reader.Tenant {
			t.Errorf("its sessions are %v's", known)
		}
		if opened := w.seen.count("t00+read opened dial"); opened != 1 {
			t.Errorf("the observer was told of %d connections: %v", opened, w.seen.counts)
		}
		w.endWithin(t, 200)
	})
}

func TestEvictingATenantLeavesItsReaderAndTheReverse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newReadableWorld(t, nil)
		tenant, reader := id("t00"), id("t00").Reader()
		both := func() {
			w.use(t, "t00")
			_, err := w.reads(t, "t00")
			mustBe(t, err, nil)
		}
		for _, gone := range []registry.ID{tenant, reader} {
			both()
			if !w.Evict(gone) {
				t.Errorf("%s had no pool", gone)
			}
			_, ownLives := w.statOf(tenant)
			_, readerLives := w.statOf(reader)
			if ownLives == (gone == tenant) || readerLives == (gone == reader) {
				t.Errorf("after %s was evicted: own %t, reader's %t", gone, ownLives, readerLives)
			}
		}
		w.endWithin(t, 200)
	})
}

func TestLimitsOfATenantAreNotItsReaders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newReadableWorld(t, nil)
		w.use(t, "t00")
		_, err := w.reads(t, "t00")
		mustBe(t, err, nil)
		mustBe(t, w.SetLimits(id("t00"), registry.Limits{MaxConns: 1}), nil)
		mustBe(t, w.SetLimits(id("t00").Reader(), registry.Limits{MaxConns: 2}), nil)
		own, _ := w.statOf(id("t00"))
		reader, _ := w.statOf(id("t00").Reader())
		if own.Max != 1 || reader.Max != 2 {
			t.Errorf("own %d, reader's %d", own.Max, reader.Max)
		}
		w.endWithin(t, 200)
	})
}

// What a registry tells of a tenant it tells of the reader too. With limits
// alone said to have changed, each pool looks for itself.
func TestOnlyThePoolWhoseOwnRecordIsAnotherIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newReadableWorld(t, nil)
		tenant, reader := id("t00"), id("t00").Reader()
		w.use(t, "t00")
		_, err := w.reads(t, "t00")
		mustBe(t, err, nil)
		w.edit("t00", func(t *registry.Tenant) { t.ReadPassword = registry.NewSecret("new") })
		w.records.mu.Lock()
		next := *w.records.all[reader]
		next.Password, next.Version = registry.NewSecret("new"), 2
		w.records.all[reader] = &next
		w.records.mu.Unlock()
		w.Apply(registry.Change{ID: tenant, Kind: registry.LimitsChanged})
		w.Apply(registry.Change{ID: reader, Kind: registry.LimitsChanged})
		synctest.Wait()
		if _, lives := w.statOf(tenant); !lives {
			t.Error("the tenant's own pool was replaced for its reader's password")
		}
		if _, lives := w.statOf(reader); lives {
			t.Error("the reader's pool has the old password")
		}
		w.endWithin(t, 200)
	})
}

func TestASuspensionClosesBothPools(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newReadableWorld(t, nil)
		w.use(t, "t00")
		_, err := w.reads(t, "t00")
		mustBe(t, err, nil)
		for _, id := range []registry.ID{id("t00"), id("t00").Reader()} {
			w.records.mu.Lock()
			gone := *w.records.all[id]
			gone.Status = registry.StatusSuspended
			w.records.all[id] = &gone
			w.records.mu.Unlock()
			w.Apply(registry.Change{ID: id, Kind: registry.Suspended})
		}
		synctest.Wait()
		if n := w.server.Open(); n != 0 || len(w.Stats()) != 0 {
			t.Errorf("%d sessions and %+v are left", n, w.Stats())
		}
		_, err = w.reads(t, "t00")
		mustBe(t, err, registry.ErrInactive)
		w.endWithin(t, 200)
	})
}

// A login that may only read cannot make anything ready.
func TestAReadersPoolIsPreparedByItsTenantsRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReadying()
		w := newReadableWorld(t, func(c *pools.Config) { c.Prepare = r.prepare })
		reading := start(func() error { _, err := w.reads(t, "t00"); return err })
		if asked := <-r.calls; asked.ID != id("t00") || asked.Login != "t00" {
			t.Errorf("asked to prepare %s with login %q", asked.ID, asked.Login)
		}
		r.end <- nil
		mustBe(t, <-reading, nil)

		w.records.mu.Lock()
		delete(w.records.all, id("t01")) // the reader's record alone is still believed
		w.records.mu.Unlock()
		_, err := w.reads(t, "t01")
		mustBe(t, err, pools.ErrPrepare)
		mustBe(t, err, registry.ErrUnknown)
		w.endWithin(t, 200)
	})
}

// The preparation of both is one thing: what failed for the tenant is not
// tried at once for its reader.
func TestAFailedPreparationIsRememberedForBoth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReadying()
		w := newReadableWorld(t, func(c *pools.Config) { c.Prepare = r.prepare })
		failing := start(func() error { return w.run(t, "t00", "select 1") })
		r.end <- context.DeadlineExceeded
		mustBe(t, <-failing, pools.ErrPrepare)
		_, err := w.reads(t, "t00")
		mustBe(t, err, pools.ErrPrepare)
		if n := len(r.calls); n != 1 {
			t.Errorf("%d calls of Prepare", n)
		}
		w.endWithin(t, 200)
	})
}

func TestARefusedPasswordOfAReaderIsAskedForByItsOwnRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked []registry.ID
		w := newReadableWorld(t, func(c *pools.Config) {
			c.Refresh = func(_ context.Context, t *registry.Tenant) (registry.Secret, error) {
				asked = append(asked, t.ID)
				return registry.NewSecret("right"), nil
			}
		})
		w.server.SetPassword("t00_reader", "right")
		_, err := w.reads(t, "t00")
		mustBe(t, err, nil)
		if !slices.Equal(asked, []registry.ID{id("t00").Reader()}) {
			t.Errorf("asked about %v", asked)
		}
		w.endWithin(t, 200)
	})
}
