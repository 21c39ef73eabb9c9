package registry_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// numbered gives records the versions that who changes a Live must give.
type numbered struct {
	live *registry.Live
	last map[registry.ID]*registry.Tenant
	n    uint64
}

func (n *numbered) next(tenants []*registry.Tenant) []*registry.Tenant {
	given := make([]*registry.Tenant, len(tenants))
	for i, tenant := range tenants {
		n.n++
		one := *tenant
		given[i] = version(&one, n.n)
	}
	return given
}

func (n *numbered) load(t *testing.T, tenants ...*registry.Tenant) {
	t.Helper()
	if refused := n.live.Load(n.next(tenants)); len(refused) > 0 {
		t.Fatal(refused)
	}
}

// apply tells only what is different from the last call.
func (n *numbered) apply(t *testing.T, tenants ...*registry.Tenant) {
	t.Helper()
	var removed []registry.ID
	now := map[registry.ID]*registry.Tenant{}
	for _, tenant := range tenants {
		now[tenant.ID] = tenant
	}
	for id := range n.last {
		if now[id] == nil {
			removed = append(removed, id)
			n.n++
		}
	}
	n.last = now
	if refused := n.live.Apply(n.next(tenants), removed); len(refused) > 0 {
		t.Fatal(refused)
	}
}

func TestLiveIsASource(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(*numbered, *testing.T, ...*registry.Tenant){
		"Loaded": (*numbered).load, "Applied": (*numbered).apply,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, func(*testing.T) sourcetest.Fixture {
				n := &numbered{live: registry.NewLive(sourcetest.Clusters())}
				return sourcetest.Fixture{Source: n.live, Rotates: true, Replace: func(t *testing.T, tenants ...*registry.Tenant) {
					t.Helper()
					replace(n, t, tenants...)
				}}
			})
		})
	}
}

// told is what watchers of a Live heard since the last call.
func told(t *testing.T, live *registry.Live) func() string {
	t.Helper()
	var heard []string
	go func() {
		_ = live.Watch(t.Context(), func(changes []registry.Change) {
			if len(changes) == 0 {
				heard = append(heard, "ask again")
			}
			for _, c := range changes {
				heard = append(heard, c.ID.String()+" "+string(c.Kind))
			}
		})
	}()
	synctest.Wait()
	heard = nil
	return func() string {
		all := strings.Join(heard, ", ")
		heard = nil
		return all
	}
}

func versionOf(t *testing.T, live *registry.Live, id string) uint64 {
	t.Helper()
	got, err := live.Tenant(t.Context(), registry.MustParseID(id))
	if err != nil {
		return 0
	}
	return got.Version
}

func home(id, schema string, v uint64) *registry.Tenant {
	t := version(tenant(id), v)
	t.Schema = schema
	return t
}

func TestWhoComesLaterToAPlaceIsRefusedUntilItIsFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		live := registry.NewLive(sourcetest.Clusters())
		heard := told(t, live)
		refused := live.Load([]*registry.Tenant{home("late", "same", 2), home("early", "same", 1), home("fine", "", 3)})
		want := `tenants.late.schema: leads to "same" in database "app" of cluster main, as for tenant early; only tenants of row isolation share one`
		if len(refused) != 1 || refused[0].ID.String() != "late" || refused[0].Err.Error() != want {
			t.Errorf("refused: %v", refused)
		}
		if got := heard(); got != "early added, fine added" {
			t.Errorf("told %s", got)
		}
		// A change is no reason to lose one's place, nor is another load.
		live.Apply([]*registry.Tenant{version(suspend(home("early", "same", 0)), 4)}, nil)
		if again := live.Load([]*registry.Tenant{home("late", "same", 2), home("early", "same", 5), home("fine", "", 3)}); len(again) != 1 || again[0].ID.String() != "late" {
			t.Errorf("refused at the second load: %v", again)
		}
		if got := heard(); got != "early suspended, early changed" {
			t.Errorf("told %s", got)
		}
		live.Apply([]*registry.Tenant{home("early", "another", 6)}, nil)
		if got := heard(); got != "early changed, late added" {
			t.Errorf("told %s", got)
		}
		if got := versionOf(t, live, "late"); got != 6 {
			t.Errorf("who came in by itself has version %d, want the call's", got)
		}
	})
}

func TestAPlaceIsFreeWhenTheLastOfItsRowTenantsLeft(t *testing.T) {
	t.Parallel()
	live := registry.NewLive(sourcetest.Clusters())
	row := func(id string, v uint64) *registry.Tenant {
		t := home(id, "shared", v)
		t.Isolation = registry.IsolationRow
		return t
	}
	live.Load([]*registry.Tenant{row("a", 1), row("b", 2), home("c", "shared", 3)})
	live.Apply(nil, []registry.ID{registry.MustParseID("a")})
	if refused := live.Apply([]*registry.Tenant{home("d", "shared", 5)}, nil); len(refused) != 1 || !strings.Contains(refused[0].Err.Error(), "as for tenant b;") {
		t.Errorf("refused: %v", refused)
	}
	if versionOf(t, live, "c") != 0 {
		t.Error("c lives where b does")
	}
	live.Apply(nil, []registry.ID{registry.MustParseID("b")})
	if versionOf(t, live, "c") == 0 || versionOf(t, live, "d") != 0 {
		t.Error("the place belongs to c, which came before d")
	}
}

func TestARecordThatBecomesWrongIsUnknownAndTheOthersStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		live := registry.NewLive(sourcetest.Clusters())
		live.Load([]*registry.Tenant{home("a", "", 1), home("b", "", 2)})
		heard := told(t, live)
		refused := live.Apply([]*registry.Tenant{home("a", "public", 3), home("c", "", 4), {}}, nil)
		if got := fmt.Sprint(refused); got != `[{a tenants.a.schema: is "public", which everybody can see; give the tenant another one} { tenants: has a record without an id; ParseID makes one}]` {
			t.Errorf("refused: %s", got)
		}
		if got := heard(); got != "a removed, c added" {
			t.Errorf("told %s", got)
		}
		live.Distrust()
		if got := heard(); got != "ask again" {
			t.Errorf("told %s", got)
		}
	})
}

// Nobody tells the number of a removal; that of the record whose login is its
// own again must grow nevertheless, and stay below the next that is given.
func TestAFlipGetsTheHighestVersionOfTheCall(t *testing.T) {
	t.Parallel()
	live := registry.NewLive(sourcetest.Clusters())
	intruder := home("intruder", "", 7)
	intruder.Login = "acme"
	live.Load([]*registry.Tenant{home("acme", "", 1), home("other", "", 5)})
	live.Apply([]*registry.Tenant{intruder}, nil)
	if got := versionOf(t, live, "acme"); got != 7 {
		t.Errorf("with the intruder: version %d, want 7", got)
	}
	live.Apply(nil, []registry.ID{intruder.ID})
	if got := versionOf(t, live, "acme"); got != 8 {
		t.Errorf("without the intruder: version %d, want 8", got)
	}
	if got := versionOf(t, live, "other"); got != 5 {
		t.Errorf("who has nothing to do with it has version %d, want 5", got)
	}
}

func TestALiveCountsItsRecordsByStatus(t *testing.T) {
	t.Parallel()
	live := registry.NewLive(sourcetest.Clusters())
	live.Load([]*registry.Tenant{home("a", "", 1), home("b", "", 2), version(suspend(tenant("c")), 3), home("d", "b", 4)})
	live.Apply([]*registry.Tenant{version(suspend(tenant("a")), 5)}, []registry.ID{registry.MustParseID("c")})
	want := map[registry.Status]int{
		registry.StatusPending: 0, registry.StatusActive: 1, registry.StatusSuspended: 1, registry.StatusRetired: 0,
	}
	if got := live.Count(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhatIsWrongWithAClusterIsToldOfItsRecords(t *testing.T) {
	t.Parallel()
	live := registry.NewLive(map[string]registry.Cluster{"main": {DSN: registry.NewSecret("hush")}})
	refused := live.Load([]*registry.Tenant{home("a", "", 1)})
	if len(refused) != 1 || !strings.Contains(refused[0].Err.Error(), "clusters.main.dsn: is no connection string") {
		t.Errorf("refused: %v", refused)
	}
	if list, _ := live.List(t.Context(), registry.ID{}, 10); len(list) != 0 {
		t.Errorf("served: %v", list)
	}
}

func TestManyChangesAtOnceKeepTheOrder(t *testing.T) {
	t.Parallel()
	live := registry.NewLive(sourcetest.Clusters())
	var all []*registry.Tenant
	for i := range 1000 {
		all = append(all, home(fmt.Sprintf("t%d", (i*7919)%1000), "", uint64(i+1)))
	}
	live.Load(all)
	live.Apply(nil, []registry.ID{all[5].ID, all[17].ID})
	live.Load(append(all[:300:300], all[500:]...))
	list, err := live.List(t.Context(), registry.ID{}, 2000)
	must(t, err)
	if len(list) != 800 || !slices.IsSortedFunc(list, func(a, b *registry.Tenant) int { return strings.Compare(a.ID.String(), b.ID.String()) }) {
		t.Errorf("%d records, in order or not", len(list))
	}
}
