package control_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

func TestItIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		w := newWorld(t)
		served, changed := w.serving(), w.open()
		return sourcetest.Fixture{Source: served, Replace: func(t *testing.T, tenants ...*registry.Tenant) {
			t.Helper()
			replace(t, changed, tenants)
			until(t, "the changes are applied", func() bool { return applied(t, served) })
		}}
	})
}

// applied reports whether all changes were applied by now.
func applied(t *testing.T, d *control.Database) bool {
	t.Helper()
	records, err := d.Records(soon(t), control.Filter{Limit: 1000})
	must(t, err)
	list, err := d.List(soon(t), registry.ID{}, 1000)
	must(t, err)
	if len(list) != len(records) {
		return false
	}
	replicas, err := d.Replicas(soon(t))
	must(t, err)
	for _, r := range records {
		if len(replicas) != 1 || replicas[0].Version < r.Version {
			return false
		}
	}
	return true
}

// replace changes records one by one. Those whose login goes to another are
// changed first by themselves.
func replace(t *testing.T, d *control.Database, tenants []*registry.Tenant) {
	t.Helper()
	wanted := map[registry.ID]bool{}
	for _, tenant := range tenants {
		wanted[tenant.ID] = true
	}
	old, err := d.Records(soon(t), control.Filter{Limit: 1000})
	must(t, err)
	known := map[registry.ID]bool{}
	for _, r := range old {
		if known[r.ID] = true; !wanted[r.ID] {
			must(t, d.Remove(soon(t), r.ID))
		}
	}
	for _, tenant := range tenants {
		if !known[tenant.ID] {
			create(t, d, &control.Record{Tenant: *tenant, Own: tenant.Limits, State: tenant.Status})
			continue
		}
		update(t, d, tenant.ID.String(), func(r *control.Record) {
			r.Tenant, r.Own, r.State = *tenant, tenant.Limits, tenant.Status
		})
	}
}

func status(d *control.Database, name string) registry.Status {
	t, err := d.Tenant(context.Background(), id(name)) // from memory
	if err != nil {
		return ""
	}
	return t.Status
}

func TestAChangeThroughOneIsSeenByTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.serving(named("one")), w.serving(named("two"))
	made := create(t, one, record("acme"))
	until(t, "the other serves it", func() bool { return status(two, "acme") == registry.StatusActive })
	must(t, two.Applied(soon(t), made.Version))

	suspended := update(t, two, "acme", func(r *control.Record) { r.State, r.Reason = registry.StatusSuspended, "unpaid" })
	must(t, two.Applied(soon(t), suspended.Version))
	if got := status(one, "acme"); got != registry.StatusSuspended {
		t.Errorf("after everybody applied the suspension the first one says %q", got)
	}
	must(t, one.Remove(soon(t), id("acme")))
	until(t, "it is gone", func() bool { return status(two, "acme") == "" })
	again := create(t, two, record("acme"))
	if again.Version <= suspended.Version {
		t.Errorf("a record that comes back has version %d after %d", again.Version, suspended.Version)
	}
	until(t, "it is back", func() bool { return status(one, "acme") == registry.StatusActive })
	replicas, err := one.Replicas(soon(t))
	must(t, err)
	if len(replicas) != 2 || replicas[0].Name != "one" || replicas[1].Name != "two" {
		t.Errorf("replicas: %+v", replicas)
	}
}

// gate is a way to the database that can be shut, for new connections.
type gate struct{ shut atomic.Bool }

func (g *gate) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if g.shut.Load() {
		return nil, errors.New("the gate is shut")
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

func through(dial pgconn.DialFunc) func(*control.Database) {
	return func(d *control.Database) { d.Through(dial) }
}

// killListeners ends the sessions that listen.
func (w *world) killListeners() {
	w.Helper()
	w.exec(`select pg_terminate_backend(pid, 10000) from pg_stat_activity
		where datname = current_database() and application_name = 'poolkeeper control listener'`)
}

func TestWithoutNotificationsAChangeIsSeenByPolling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := &gate{}
	d := w.database(poll(200*time.Millisecond), ttl(time.Second))
	through(g.dial)(d)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	must(t, d.Load(soon(t)))
	other := w.open()
	create(t, other, record("acme"))
	until(t, "it is served", func() bool { return status(d, "acme") == registry.StatusActive })
	g.shut.Store(true)
	w.killListeners()
	update(t, other, "acme", func(r *control.Record) { r.State = registry.StatusSuspended })
	// Lookups would go past what is in memory after a while, so they prove nothing.
	until(t, "polling finds it", func() bool { return d.Count()[registry.StatusSuspended] == 1 })
}

func TestWhatWasMissedIsReadAfterAReconnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := &gate{}
	d := w.database()
	through(g.dial)(d)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	other := w.open()
	create(t, other, record("acme"))
	create(t, other, record("globex"))
	must(t, d.Load(soon(t)))
	g.shut.Store(true)
	w.killListeners()
	update(t, other, "acme", func(r *control.Record) { r.State = registry.StatusSuspended })
	must(t, other.Remove(soon(t), id("globex")))
	g.shut.Store(false)
	until(t, "both changes are known", func() bool {
		n := d.Count()
		return n[registry.StatusSuspended] == 1 && n[registry.StatusActive] == 0
	})
}

func TestAnUnreachableDatabaseIsAnErrorAndNotAnOldAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving(poll(100*time.Millisecond), ttl(time.Second))
	create(t, d, record("acme"))
	until(t, "it is served", func() bool { return status(d, "acme") == registry.StatusActive })
	_, err := w.admin().Exec(t.Context(), fmt.Sprintf("alter database %s with allow_connections false", w.name()))
	must(t, err)
	_, err = w.admin().Exec(t.Context(), "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1", w.name())
	must(t, err)
	until(t, "lookups fail", func() bool {
		_, err := d.Tenant(t.Context(), id("acme"))
		return err != nil && !errors.Is(err, registry.ErrUnknown)
	})
	_, err = w.admin().Exec(t.Context(), fmt.Sprintf("alter database %s with allow_connections true", w.name()))
	must(t, err)
	until(t, "it is served again", func() bool { return status(d, "acme") == registry.StatusActive })
}

func TestARestoredDatabaseIsReadAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving(poll(200 * time.Millisecond))
	create(t, d, record("acme"))
	create(t, d, record("globex"))
	until(t, "both are served", func() bool { return status(d, "acme") != "" && status(d, "globex") != "" })
	// As after a restore of what was before: no tombstone, and the numbers go
	// back. In one transaction, or half of it could be seen.
	w.exec(`alter table poolkeeper.tenants disable trigger user;
		delete from poolkeeper.tenants where id = 'globex';
		update poolkeeper.tenants set status = 'suspended', state = 'suspended';
		alter table poolkeeper.tenants enable trigger user`)
	until(t, "the old state is known", func() bool {
		return status(d, "acme") == registry.StatusSuspended && status(d, "globex") == ""
	})
}

func TestPlansAreLaidUnderAndFollowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	plans := func(conns int) map[string]registry.Plan {
		return map[string]registry.Plan{"gold": {Limits: registry.Limits{MaxConns: conns, Queue: 7}}}
	}
	d := w.serving(func(_ *control.Config, o *control.Options) { o.Plans = plans(5) })
	create(t, d, with("acme", func(r *control.Record) { r.Plan, r.Own.Queue = "gold", 3 }))
	made := create(t, d, with("globex", func(r *control.Record) { r.Plan, r.Own.MaxConns = "gold", 2 }))
	must(t, d.Applied(soon(t), made.Version))
	limits := func(name string) registry.Limits {
		got, err := d.Tenant(t.Context(), id(name))
		must(t, err)
		return got.Limits
	}
	if a, g := limits("acme"), limits("globex"); a != (registry.Limits{MaxConns: 5, Queue: 3}) || g != (registry.Limits{MaxConns: 2, Queue: 7}) {
		t.Errorf("limits are %+v and %+v", a, g)
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls, ended := make(chan []registry.Change, 8), make(chan error, 1)
	go func() { ended <- d.Watch(ctx, func(c []registry.Change) { calls <- c }) }()
	<-calls
	d.SetPlans(plans(9))
	told := <-calls
	if len(told) != 1 || told[0] != (registry.Change{ID: id("acme"), Kind: registry.LimitsChanged}) {
		t.Errorf("told %v", told)
	}
	if a := limits("acme"); a.MaxConns != 9 {
		t.Errorf("limits are %+v after the plan changed", a)
	}
	if r := read(t, d, "acme"); r.Limits.MaxConns != 9 || r.Own != (registry.Limits{Queue: 3}) {
		t.Errorf("the record says %+v of its own, %+v in all", r.Own, r.Limits)
	}
	cancel()
	must(t, <-ended)
}

func TestARecordThatCannotBeServedIsLeftOutAndLoggedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var log buffer
	other := w.open()
	create(t, other, record("acme"))
	create(t, other, with("lost", func(r *control.Record) { r.Login = "x" }))
	w.exec("update poolkeeper.tenants set password = (select password from poolkeeper.tenants where id = 'acme') where id = 'lost'")
	d := w.serving(logging(&log))
	if status(d, "acme") == "" || status(d, "lost") != "" {
		t.Errorf("served: acme %q, lost %q", status(d, "acme"), status(d, "lost"))
	}
	w.killListeners()
	made := update(t, other, "acme", func(r *control.Record) { r.DDL = true })
	must(t, other.Applied(soon(t), made.Version))
	if n := strings.Count(log.String(), "tenant=lost"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, log.String())
	}
	if _, err := d.Record(t.Context(), id("lost")); err == nil || strings.Contains(err.Error(), "secret of") {
		t.Errorf("a password that was moved: %v", err)
	}
}

func TestABurstOfChangesIsAppliedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, other := w.serving(), w.open()
	var last uint64
	for i := range 200 {
		last = create(t, other, with(fmt.Sprintf("t%d", i), func(r *control.Record) { r.Password = registry.Secret{}; r.Login = "" })).Version
	}
	must(t, d.Applied(soon(t), last))
	if n := d.Count()[registry.StatusActive]; n != 200 {
		t.Errorf("%d tenants are served, want 200", n)
	}
}
