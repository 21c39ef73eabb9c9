package router_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
)

// What these tests measure: how long the middleware takes, in the process and
// without a network, to refuse two requests of which one asks for something
// that exists. They take turns, so that whatever else the machine does meets
// both alike, and the medians of some thousand samples are compared. What is
// found then is a difference of code, not of luck.
//
// The bound is ten times the noise: what the medians of two halves of the same
// samples differ by, and at least a microsecond, a tenth of what the quietest
// network adds to a single answer. A difference that is there is there every
// time: only one that is found thrice is believed.
const (
	samplesEach = 4000
	leastNoise  = 100 * time.Nanosecond
	tries       = 3
)

func median(samples []time.Duration) time.Duration {
	sorted := slices.Clone(samples)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// halves differ by nothing but noise.
func halves(samples []time.Duration) time.Duration {
	var even, odd []time.Duration
	for i, d := range samples {
		if i%2 == 0 {
			even = append(even, d)
		} else {
			odd = append(odd, d)
		}
	}
	return (median(even) - median(odd)).Abs()
}

// compare fails when the handler takes a different time for the two requests.
func compare(t *testing.T, h http.Handler, a, b request) {
	t.Helper()
	first, second := a.build(t), b.build(t)
	for range tries {
		var took [2][]time.Duration
		for range samplesEach {
			for i, req := range []*http.Request{first, second} {
				w := httptest.NewRecorder()
				start := time.Now()
				h.ServeHTTP(w, req)
				took[i] = append(took[i], time.Since(start))
			}
		}
		noise := max(leastNoise, halves(took[0]), halves(took[1]))
		apart := (median(took[0]) - median(took[1])).Abs()
		t.Logf("medians %v and %v, apart %v, noise %v", median(took[0]), median(took[1]), apart, noise)
		if apart <= 10*noise {
			return
		}
	}
	t.Errorf("the two are told apart by the time that they take")
}

func refuseAll(t *testing.T, cfg router.Config, d router.Deps) http.Handler {
	t.Helper()
	r, err := router.New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	return r.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("served") }))
}

// fleet is the real registry, with a tenant that is suspended among many.
func fleet(t *testing.T) *registry.Registry {
	t.Helper()
	clusters := map[string]registry.Cluster{"main": {DSN: registry.NewSecret("postgresql://poolkeeper@127.0.0.1/app")}}
	all := []*registry.Tenant{{ID: registry.MustParseID("hooli"), Cluster: "main", Schema: "hooli", Isolation: registry.IsolationSchema, Status: registry.StatusSuspended}}
	for _, name := range []string{"acme", "globex", "initech"} {
		all = append(all, &registry.Tenant{ID: registry.MustParseID(name), Cluster: "main", Schema: name, Isolation: registry.IsolationSchema, Status: registry.StatusActive})
	}
	source, err := registry.NewStatic(clusters, all...)
	if err != nil {
		t.Fatal(err)
	}
	records, err := registry.New(registry.Defaults(), source, nil)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestASuspendedTenantIsRefusedAsFastAsAnUnknownOne(t *testing.T) {
	h := refuseAll(t, quiet("host", "path"), router.Deps{Tenants: fleet(t), Pools: &lender{}})
	t.Run("path", func(t *testing.T) { compare(t, h, request{path: "/t/hooli/sql"}, request{path: "/t/nobod/sql"}) })
	t.Run("host", func(t *testing.T) {
		compare(t, h, request{host: "hooli.example.com"}, request{host: "nobod.example.com"})
	})
}

// ringed verifies with the real set of keys.
type ringed struct{ *apikey.Ring }

func (r ringed) Key(_ context.Context, text string) (apikey.Key, error) {
	return r.Verify(text, time.Now())
}

// newRing returns n keys of acme and their texts.
func newRing(n int) (ringed, []string) {
	pepper, ring := apikey.NewPepper(), apikey.NewRing()
	ring.Season(pepper)
	var stored []apikey.Stored
	var texts []string
	for range n {
		text, id := apikey.Generate()
		texts = append(texts, text.Reveal())
		key := apikey.Key{ID: id, Tenant: registry.MustParseID("acme"), Scope: apikey.ScopeWrite}
		stored = append(stored, apikey.Stored{Key: key, Hash: pepper.Hash(text.Reveal(), key.Tenant, key.Scope)})
	}
	ring.Apply(stored, nil)
	return ringed{ring}, texts
}

func TestAWrongSecretOfAKeyIsRefusedAsFastAsAKeyThatIsNone(t *testing.T) {
	keys, texts := newRing(1000)
	unknown, _ := apikey.Generate()
	other := unknown.Reveal()
	secret := strings.LastIndexByte(other, '_')
	wrong := texts[500][:secret] + other[secret:]
	h := refuseAll(t, quiet("key"), router.Deps{Tenants: fleet(t), Pools: &lender{}, Keys: keys})
	compare(t, h, bearer(wrong), bearer(other))
}
