package registry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// tenant is an active record of schema isolation.
func tenant(id string) *registry.Tenant {
	return &registry.Tenant{
		ID: registry.MustParseID(id), Status: registry.StatusActive, Cluster: "main",
		Isolation: registry.IsolationSchema, Login: id,
	}
}

func suspend(t *registry.Tenant) *registry.Tenant {
	t.Status = registry.StatusSuspended
	return t
}

func version(t *registry.Tenant, v uint64) *registry.Tenant {
	t.Version = v
	return t
}

func newStatic(t testing.TB, tenants ...*registry.Tenant) *registry.Static {
	t.Helper()
	s, err := registry.NewStatic(sourcetest.Clusters(), tenants...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newRegistry(t testing.TB, src registry.Source, obs registry.Observer) *registry.Registry {
	t.Helper()
	r, err := registry.New(registry.Defaults(), src, obs)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// results counts what an observer was told.
type results struct {
	mu    sync.Mutex
	count map[string]int
}

func (o *results) Lookup(result string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count = map[string]int{}
	}
	o.count[result]++
}

func (o *results) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := fmt.Sprint(o.count)
	o.count = map[string]int{}
	return text
}

// run runs the registry until the test ends and returns when it listens.
func run(t *testing.T, r *registry.Registry) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// running is run for a Static: listening has begun when a change is told.
func running(t *testing.T, r *registry.Registry, s *registry.Static, tenants ...*registry.Tenant) {
	t.Helper()
	heard := make(chan struct{}, 1)
	r.Subscribe(func(registry.Change) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	run(t, r)
	probe := tenant("probe-for-listening")
	for listening := false; !listening; {
		must(t, s.Replace(append(tenants, probe)...))
		must(t, s.Replace(tenants...))
		select {
		case <-heard:
			listening = true
		default:
			runtime.Gosched()
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOnlyAnActiveTenantIsReturned(t *testing.T) {
	t.Parallel()
	pending, retired := tenant("pending"), tenant("retired")
	pending.Status, retired.Status = registry.StatusPending, registry.StatusRetired
	obs := &results{}
	r := newRegistry(t, newStatic(t, tenant("acme"), suspend(tenant("hooli")), pending, retired), obs)
	for _, test := range []struct {
		id   string
		want error
	}{
		{"acme", nil},
		{"hooli", registry.ErrInactive},
		{"pending", registry.ErrInactive},
		{"retired", registry.ErrInactive},
		{"nobody", registry.ErrUnknown},
	} {
		for _, how := range []string{"from the source", "from the cache"} {
			got, err := r.Tenant(t.Context(), registry.MustParseID(test.id))
			if !errors.Is(err, test.want) || (got != nil) != (test.want == nil) {
				t.Errorf("%s %s: %v, %v; want %v", test.id, how, got, err, test.want)
			}
		}
	}
	if got, want := obs.take(), "map[hit:4 loaded:4 negative_hit:1 unknown:1]"; got != want {
		t.Errorf("the observer was told %s, want %s", got, want)
	}
}

func TestTheZeroIDIsUnknownAndNeverAsked(t *testing.T) {
	t.Parallel()
	src, obs := newFake(), &results{}
	_, err := newRegistry(t, src, obs).Tenant(t.Context(), registry.ID{})
	if !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("got %v, want ErrUnknown", err)
	}
	if n := src.questions(registry.ID{}); n != 0 {
		t.Errorf("the source was asked %d times", n)
	}
	if got := obs.take(); got != "map[unknown:1]" {
		t.Errorf("the observer was told %s", got)
	}
}

func TestASourceThatAnswersForAnotherTenantHasNotAnswered(t *testing.T) {
	t.Parallel()
	src := newFake()
	src.tenants[registry.MustParseID("acme")] = tenant("globex")
	src.tenants[registry.MustParseID("void")] = nil
	r := newRegistry(t, &nilSource{src}, nil)
	for _, id := range []string{"acme", "void"} {
		if got, err := r.Tenant(t.Context(), registry.MustParseID(id)); !errors.Is(err, registry.ErrUnavailable) || got != nil {
			t.Errorf("%s: %v, %v; want ErrUnavailable", id, got, err)
		}
	}
}

// nilSource returns neither a record nor an error where another would say
// that there is none.
type nilSource struct{ *fakeSource }

func (n *nilSource) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	t, err := n.fakeSource.Tenant(ctx, id)
	if errors.Is(err, registry.ErrUnknown) {
		err = nil
	}
	return t, err
}

func TestASilentSourceIsUnavailable(t *testing.T) {
	t.Parallel()
	src, obs := newFake(), &results{}
	cause := errors.New("wire cut")
	src.fail(cause)
	r := newRegistry(t, src, obs)
	if _, err := r.Tenant(t.Context(), registry.MustParseID("acme")); !errors.Is(err, registry.ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("Tenant: %v; want ErrUnavailable and its cause", err)
	}
	if _, err := r.List(t.Context(), registry.ID{}, 10); !errors.Is(err, registry.ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("List: %v; want ErrUnavailable and its cause", err)
	}
	if got := obs.take(); got != "map[error:1]" {
		t.Errorf("the observer was told %s", got)
	}
}

func TestListComesFromTheSource(t *testing.T) {
	t.Parallel()
	r := newRegistry(t, newStatic(t, tenant("a"), suspend(tenant("b")), tenant("c")), nil)
	page, err := r.List(t.Context(), registry.MustParseID("a"), 1)
	if err != nil || len(page) != 1 || page[0].ID.String() != "b" {
		t.Errorf("got %v, %v; want b", page, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src := newFake()
	src.fail(context.Canceled)
	if _, err := newRegistry(t, src, nil).List(ctx, registry.ID{}, 1); !errors.Is(err, context.Canceled) || errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("with a caller that left: %v; want its context's error alone", err)
	}
}

func TestARegistryNeedsASourceAndAValidConfig(t *testing.T) {
	t.Parallel()
	if _, err := registry.New(registry.Defaults(), nil, nil); err == nil {
		t.Error("no source was accepted")
	}
	if _, err := registry.New(registry.Config{}, newFake(), nil); err == nil {
		t.Error("an empty config was accepted")
	}
}

func TestRunEndsWithTheContextOrWithTheSource(t *testing.T) {
	t.Parallel()
	src := newFake()
	cause := errors.New("control database dropped")
	src.gone <- cause
	if err := newRegistry(t, src, nil).Run(t.Context()); !errors.Is(err, cause) {
		t.Errorf("got %v, want the source's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newRegistry(t, newFake(), nil).Run(ctx); err != nil {
		t.Errorf("got %v, want nil", err)
	}
}
