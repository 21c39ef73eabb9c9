package control_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestATenantIsLockedForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.open(named("one")), w.open(named("two"))
	locked, unlock, err := one.Lock(t.Context(), id("acme"), "rotate")
	must(t, err)
	for _, d := range []*control.Database{one, two} {
		_, _, err = d.Lock(t.Context(), id("acme"), "delete")
		busy := (*control.BusyError)(nil)
		if !errors.As(err, &busy) || *busy != (control.BusyError{Tenant: id("acme"), What: "rotate", Holder: "one"}) {
			t.Errorf("locked twice: %v", err)
		}
	}
	_, free, err := two.Lock(t.Context(), id("globex"), "rotate")
	must(t, err)
	free()
	if locked.Err() != nil {
		t.Error("the context ended while the lock was held")
	}
	unlock()
	unlock()
	if locked.Err() == nil {
		t.Error("the context goes on without the lock")
	}
	_, free, err = two.Lock(t.Context(), id("acme"), "delete")
	must(t, err)
	free()
}

func TestALockIsKeptByItsHeartbeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const silence = 2 * time.Second // a loaded machine has time for the next heartbeat
	one, two := w.open(ttl(silence)), w.open()
	locked, unlock, err := one.Lock(t.Context(), id("acme"), "work")
	must(t, err)
	defer unlock()
	var first time.Time
	end := func() (at time.Time) {
		must(t, w.conn().QueryRow(t.Context(), "select expires from poolkeeper.locks").Scan(&at))
		return at
	}
	first = end()
	until(t, "it outlives its first end twice over", func() bool { return end().Sub(first) > 2*silence })
	if locked.Err() != nil {
		t.Errorf("it was lost: %v", context.Cause(locked))
	}
	if _, _, err := two.Lock(t.Context(), id("acme"), "work"); err == nil {
		t.Error("another took it")
	}
}

// A holder that died leaves its row; nobody renews it.
func TestTheLockOfADeadHolderIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	w.exec(`insert into poolkeeper.locks (tenant, what, holder, instance, token, expires)
		values ('acme', 'work', 'dead', 'dead/1', 'x', clock_timestamp() + interval '3 s')`)
	if _, _, err := d.Lock(t.Context(), id("acme"), "work"); err == nil {
		t.Fatal("it was taken before its end")
	}
	until(t, "it can be taken", func() bool {
		_, unlock, err := d.Lock(t.Context(), id("acme"), "work")
		if err == nil {
			unlock()
		}
		return err == nil
	})
}

func TestALostLockEndsItsContext(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(w *world){
		"taken away": func(w *world) { w.exec("delete from poolkeeper.locks") },
		"unreachable": func(w *world) {
			_, err := w.admin().Exec(w.Context(), "alter database "+w.name()+" with allow_connections false")
			must(w, err)
			_, err = w.admin().Exec(w.Context(), "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1", w.name())
			must(w, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			d := w.open(ttl(time.Second))
			locked, unlock, err := d.Lock(t.Context(), id("acme"), "work")
			must(t, err)
			defer unlock()
			lose(w)
			select {
			case <-locked.Done():
			case <-time.After(tooLong):
				t.Fatal("the work goes on")
			}
			if !errors.Is(context.Cause(locked), control.ErrLost) {
				t.Errorf("the cause is %v", context.Cause(locked))
			}
		})
	}
}

func TestRemovingATenantLeavesTheLockToWhoHoldsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	create(t, d, record("acme"))
	locked, unlock, err := d.Lock(t.Context(), id("acme"), "delete")
	must(t, err)
	must(t, d.Remove(locked, id("acme")))
	var n int
	must(t, w.conn().QueryRow(t.Context(), "select count(*) from poolkeeper.locks").Scan(&n))
	unlock()
	if n != 1 {
		t.Error("the lock under which the tenant was removed is gone")
	}
	must(t, d.Remove(t.Context(), id("acme")))
}
