package registry_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// anyTenant draws records that often want the same places and logins, and are
// sometimes wrong.
func anyTenant(t *rapid.T, id string) *registry.Tenant {
	from := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(t, what) }
	tenant := &registry.Tenant{
		ID: registry.MustParseID(id), Cluster: from("cluster", "main", "main", "other", "nowhere"),
		Status:    registry.Status(from("status", "active", "active", "suspended", "pending")),
		Isolation: registry.Isolation(from("isolation", "schema", "schema", "row", "database")),
		Schema:    from("schema", "s1", "s2", "s3"), Database: from("database", "", "", "d1", "d2"),
		Login:  from("login", "", "l1", "l2", "l3", "boss", "spare"),
		Limits: registry.Limits{MaxConns: rapid.IntRange(0, 2).Draw(t, "max_conns")},
	}
	tenant.ReadLogin = from("read_login", "", "", "l1", "r1", "r1", "r2", "spare")
	if rapid.IntRange(0, 9).Draw(t, "by dsn") == 0 {
		tenant.Database, tenant.Login = "", ""
		tenant.DSN = registry.NewSecret("host=alias.internal user=" + from("dsn", "l1", "l2") + " dbname=d1")
	}
	return tenant
}

// world is what a Live was told, and what it said.
type world struct {
	live    *registry.Live
	given   map[registry.ID]*registry.Tenant // the last of each id
	served  map[registry.ID]*registry.Tenant // after the last call
	version uint64
}

func (w *world) step(t *rapid.T) {
	var changed []*registry.Tenant
	var removed []registry.ID
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g"}), 1, 4, rapid.ID).Draw(t, "ids") {
		w.version++
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			removed = append(removed, registry.MustParseID(id))
			delete(w.given, registry.MustParseID(id))
		default:
			tenant := version(anyTenant(t, id), w.version)
			changed = append(changed, tenant)
			w.given[tenant.ID] = tenant
		}
	}
	var refused []registry.Refused
	if rapid.IntRange(0, 4).Draw(t, "load") == 0 {
		refused = w.live.Load(slices.Collect(maps.Values(w.given)))
	} else {
		refused = w.live.Apply(changed, removed)
	}
	w.check(t, refused)
}

// check compares with a Static, to which all records that are served must be
// right together, and each that is not must be wrong with them.
func (w *world) check(t *rapid.T, refused []registry.Refused) {
	list, err := w.live.List(t.Context(), registry.ID{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	static, err := registry.NewStatic(sourcetest.Clusters(), list...)
	if err != nil {
		t.Fatalf("what is served together cannot be: %v", err)
	}
	served := map[registry.ID]*registry.Tenant{}
	for _, got := range list {
		served[got.ID] = got
		want, err := static.Tenant(t.Context(), got.ID)
		if err != nil || want.SharedLogin != got.SharedLogin || want.SharedReadLogin != got.SharedReadLogin {
			t.Fatalf("of %s are shared: login %t, read login %t; want %t, %t (%v)",
				got.ID, got.SharedLogin, got.SharedReadLogin, want.SharedLogin, want.SharedReadLogin, err)
		}
		w.versions(t, got)
	}
	for _, r := range refused {
		if served[r.ID] != nil || r.Err == nil {
			t.Fatalf("%s is refused (%v) and served", r.ID, r.Err)
		}
	}
	for id, tenant := range w.given {
		if served[id] == nil {
			if static.Replace(append(slices.Clone(list), tenant)...) == nil {
				t.Fatalf("%s is not served, and nothing is wrong with it", id)
			}
		}
	}
	w.served = served
}

// versions grow with what they number, and with nothing else.
func (w *world) versions(t *rapid.T, got *registry.Tenant) {
	was := w.served[got.ID]
	if was == nil || was == got {
		return
	}
	if got.Version <= was.Version || got.Version > w.version {
		t.Fatalf("version of %s went from %d to %d; the last one given is %d", got.ID, was.Version, got.Version, w.version)
	}
}

func TestALiveIsWhatAStaticOfTheSameRecordsIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &world{live: registry.NewLive(sourcetest.Clusters()), given: map[registry.ID]*registry.Tenant{}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			w.step(t)
		}
	})
}
