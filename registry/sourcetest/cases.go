package sourcetest

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

func recordComesBack(t *testing.T, f Fixture) {
	given := &registry.Tenant{
		ID: registry.MustParseID("acme"), Name: "Acme & Sons: \"the\" best", Status: registry.StatusActive,
		Cluster: "other", Isolation: registry.IsolationSchema, Schema: "Acme schema",
		Database: "Data-Base", Login: "acme login", Password: registry.NewSecret("it's #1: a 'secret'"),
		Limits: registry.Limits{
			MaxConns: 3, Queue: 7, GuaranteedConns: 2, Weight: 5, StatementTimeout: 1500 * time.Millisecond,
			IdleInTransactionTimeout: time.Minute, IdleAfter: time.Hour, QueueTimeout: 750 * time.Millisecond,
			Rate: 0.25, Burst: 9, InFlight: 11, MaxBody: 4 << 10, MaxResult: 3 << 20, CacheFor: 90 * time.Second,
		},
		DDL: true, Labels: map[string]string{"Team.EU": "Red", "tier": "007", "on": "yes"},
	}
	f.Replace(t, given)
	got := *lookup(t, f.Source, "acme")
	if got.Version == 0 {
		t.Error("the record has no version")
	}
	got.Version, got.Born = 0, 0
	if !reflect.DeepEqual(&got, given) {
		t.Errorf("got  %+v\nwant %+v", &got, given)
	}
	if got.Password.Reveal() != given.Password.Reveal() {
		t.Error("the password is another")
	}
}

func bornAgain(t *testing.T, f Fixture) {
	born := func() uint64 { return lookup(t, f.Source, "acme").Born }
	f.Replace(t, tenant("acme"))
	first := born()
	f.Replace(t, suspended("acme"))
	f.Replace(t, with("acme", func(t *registry.Tenant) { t.Name = "anything" }), tenant("globex"))
	if got := born(); got != first {
		t.Errorf("a change makes another tenant: %d, then %d", first, got)
	}
	f.Replace(t, tenant("globex"))
	f.Replace(t, tenant("acme"), tenant("globex"))
	if got := born(); got == first && first != 0 {
		t.Errorf("a tenant that was added anew is the one before: %d", got)
	}
}

func inactiveIsFound(t *testing.T, f Fixture) {
	statuses := []registry.Status{registry.StatusPending, registry.StatusSuspended, registry.StatusRetired}
	var all []*registry.Tenant
	for i, status := range statuses {
		all = append(all, with(fmt.Sprintf("t%d", i), func(t *registry.Tenant) { t.Status = status }))
	}
	f.Replace(t, all...)
	for i, status := range statuses {
		if got := lookup(t, f.Source, fmt.Sprintf("t%d", i)).Status; got != status {
			t.Errorf("status is %s, want %s", got, status)
		}
	}
}

func unknown(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"))
	for _, id := range []registry.ID{{}, registry.MustParseID("acm"), registry.MustParseID("acme2")} {
		if got, err := f.Source.Tenant(t.Context(), id); !isUnknown(err) || got != nil {
			t.Errorf("Tenant(%q) = %v, %v; want ErrUnknown", id, got, err)
		}
	}
	f.Replace(t)
	if _, err := f.Source.Tenant(t.Context(), registry.MustParseID("acme")); !isUnknown(err) {
		t.Errorf("after its removal: %v; want ErrUnknown", err)
	}
}

func pages(t *testing.T, f Fixture) {
	f.Replace(t, tenant("c"), tenant("a"), tenant("b-1"), suspended("b"), tenant("a-2"))
	for _, page := range []struct {
		after string
		limit int
		want  string
	}{
		{"", 10, "[a a-2 b b-1 c]"},
		{"", 2, "[a a-2]"},
		{"a-2", 2, "[b b-1]"},
		{"b-1", 2, "[c]"},
		{"c", 2, "[]"},
		{"a-3", 1, "[b]"}, // removed since the last page
		{"", 0, "[]"},
		{"", -1, "[]"},
	} {
		var after registry.ID
		if page.after != "" {
			after = registry.MustParseID(page.after)
		}
		list, err := f.Source.List(t.Context(), after, page.limit)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, tenant := range list {
			ids = append(ids, tenant.ID.String())
		}
		if got := fmt.Sprint(ids); got != page.want {
			t.Errorf("List(%q, %d) = %s; want %s", page.after, page.limit, got, page.want)
		}
	}
}

func kinds(t *testing.T, f Fixture) {
	calls := watch(t, f.Source, nil)
	f.Replace(t, tenant("acme"), suspended("hooli"))
	expect(t, calls, "acme added", "hooli added")
	f.Replace(t, suspended("acme"), tenant("hooli"), tenant("initech"))
	expect(t, calls, "acme suspended", "hooli changed", "initech added")
	f.Replace(t, with("acme", func(t *registry.Tenant) { t.Status = registry.StatusRetired }), tenant("hooli"))
	expect(t, calls, "acme changed", "initech removed")
	f.Replace(t, with("hooli", func(t *registry.Tenant) { t.Labels = map[string]string{"a": "b"} }))
	expect(t, calls, "acme removed", "hooli changed")
}

// limits checks both ways: what is told as a change of limits alone must be
// one; what is one may also be told as any change.
func limits(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"))
	calls := watch(t, f.Source, nil)
	for _, change := range []func(*registry.Limits){
		func(l *registry.Limits) { l.MaxConns = 9 },
		func(l *registry.Limits) { l.Queue = 9 },
		func(l *registry.Limits) { l.GuaranteedConns = 9 },
		func(l *registry.Limits) { l.Weight = 9 },
		func(l *registry.Limits) { *l = registry.Limits{MaxConns: 3, Queue: 3, GuaranteedConns: 3, Weight: 3} },
		func(l *registry.Limits) { l.Rate = 0.5 },
		func(l *registry.Limits) { l.Burst = 9 },
		func(l *registry.Limits) { l.InFlight = 9 },
		func(l *registry.Limits) { l.MaxBody = 4 << 10 },
		func(l *registry.Limits) { l.MaxResult = 4 << 10 },
		func(l *registry.Limits) { l.CacheFor = time.Second },
		func(l *registry.Limits) { l.QueueTimeout = time.Second },
	} {
		f.Replace(t, with("acme", func(t *registry.Tenant) { change(&t.Limits) }))
		if got := next(t, calls); len(got) != 1 || got[0].Kind != registry.LimitsChanged && got[0].Kind != registry.Changed {
			t.Errorf("a change of limits alone is told as %v", got)
		}
	}
	f.Replace(t, tenant("acme"))
	next(t, calls)
	for _, change := range []func(*registry.Tenant){
		func(t *registry.Tenant) { t.Limits.MaxConns, t.DDL = 9, true },
		func(t *registry.Tenant) { t.Limits.StatementTimeout = time.Second },
		func(t *registry.Tenant) { t.Limits.IdleInTransactionTimeout = time.Second },
		func(t *registry.Tenant) { t.Limits.IdleAfter = time.Second },
		func(t *registry.Tenant) { t.Limits.Weight, t.Password = 9, registry.NewSecret("other") },
	} {
		f.Replace(t, with("acme", change))
		expect(t, calls, "acme changed")
	}
	f.Replace(t, suspended("acme"))
	expect(t, calls, "acme suspended")
	f.Replace(t, with("acme", func(t *registry.Tenant) { t.Status, t.Limits.Weight = registry.StatusSuspended, 9 }))
	expect(t, calls, "acme changed")
}

func sameIsNotTold(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"), tenant("globex"))
	calls := watch(t, f.Source, nil)
	version := lookup(t, f.Source, "globex").Version
	f.Replace(t, tenant("globex"), tenant("acme"))
	f.Replace(t, tenant("globex"), with("acme", func(t *registry.Tenant) { t.DDL = true }))
	expect(t, calls, "acme changed")
	if now := lookup(t, f.Source, "globex").Version; now != version {
		t.Errorf("version of what stayed the same went from %d to %d", version, now)
	}
}

func listening(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"))
	watch(t, f.Source, nil) // fails when the first call has changes, or none comes
}

func answersWhenTold(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"))
	seen := make(chan registry.Status, 1)
	calls := watch(t, f.Source, func(changes []registry.Change) {
		for _, c := range changes {
			if got, err := f.Source.Tenant(t.Context(), c.ID); err == nil {
				seen <- got.Status
			}
		}
	})
	f.Replace(t, suspended("acme"))
	expect(t, calls, "acme suspended")
	if got := <-seen; got != registry.StatusSuspended {
		t.Errorf("while the suspension is told the source still says %s", got)
	}
}

func everyWatcher(t *testing.T, f Fixture) {
	one, two := watch(t, f.Source, nil), watch(t, f.Source, nil)
	f.Replace(t, tenant("acme"))
	expect(t, one, "acme added")
	expect(t, two, "acme added")
}

func watchEnds(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Source.Watch(ctx, func([]registry.Change) {}); err != nil {
		t.Errorf("Watch returned %v; want nil", err)
	}
}

func versionGrows(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"))
	last := lookup(t, f.Source, "acme").Version
	for i, change := range []func(*registry.Tenant){
		func(t *registry.Tenant) { t.Name = "Acme" },
		func(t *registry.Tenant) { t.Status = registry.StatusPending },
		func(t *registry.Tenant) { t.Plan = "" },
		func(t *registry.Tenant) { t.Cluster = "other" },
		func(t *registry.Tenant) { t.Schema = "elsewhere" },
		func(t *registry.Tenant) { t.Database = "elsewhere" },
		func(t *registry.Tenant) { t.Isolation, t.Database = registry.IsolationDatabase, "own" },
		func(t *registry.Tenant) { t.Login = "somebody" },
		func(t *registry.Tenant) { t.Password = registry.NewSecret("one") },
		func(t *registry.Tenant) { t.Password = registry.NewSecret("two") },
		func(t *registry.Tenant) { t.Login, t.DSN = "", registry.NewSecret("postgres://a@main.internal/b") },
		func(t *registry.Tenant) { t.Limits.MaxConns = 9 },
		func(t *registry.Tenant) { t.Limits.GuaranteedConns = 1 },
		func(t *registry.Tenant) { t.Limits.Weight = 2 },
		func(t *registry.Tenant) { t.Limits.Rate = 2.5 },
		func(t *registry.Tenant) { t.Limits.CacheFor = time.Second },
		func(t *registry.Tenant) { t.Limits.IdleAfter = time.Second },
		func(t *registry.Tenant) { t.DDL = true },
		func(t *registry.Tenant) { t.Labels = map[string]string{"a": ""} },
	} {
		f.Replace(t, with("acme", change))
		now := lookup(t, f.Source, "acme").Version
		if now <= last {
			t.Errorf("change %d: version went from %d to %d", i, last, now)
		}
		last = now
	}
}

func rotation(t *testing.T, f Fixture) {
	if !f.Rotates {
		t.Skip("its records have one password at a time")
	}
	passwords := func(now, next string) *registry.Tenant {
		return with("acme", func(t *registry.Tenant) {
			t.Password, t.NextPassword = registry.NewSecret(now), registry.NewSecret(next)
		})
	}
	f.Replace(t, passwords("one", ""))
	calls := watch(t, f.Source, nil)
	for _, step := range [][2]string{{"one", "two"}, {"two", ""}, {"two", "three"}, {"two", "four"}} {
		f.Replace(t, passwords(step[0], step[1]))
		expect(t, calls, "acme changed")
		if got := lookup(t, f.Source, "acme"); got.Password.Reveal() != step[0] || got.NextPassword.Reveal() != step[1] {
			t.Errorf("want %v; got %q and %q", step, got.Password.Reveal(), got.NextPassword.Reveal())
		}
	}
}

func comesBackNewer(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"))
	f.Replace(t, with("acme", func(t *registry.Tenant) { t.DDL = true }))
	before := lookup(t, f.Source, "acme").Version
	f.Replace(t)
	f.Replace(t, tenant("acme"))
	if now := lookup(t, f.Source, "acme").Version; now <= before {
		t.Errorf("version was %d before the removal and is %d after the return", before, now)
	}
}
