package integration_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func TestAReadIsAnsweredFromTheCacheWhereClientAndTenantAllowIt(t *testing.T) {
	t.Parallel()
	cache, err := readcache.New(readcache.Defaults(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	d := newFront(t, frontPlan{
		tenants: map[string]string{"kept": "own", "other": "own", "fresh": "own"}, cache: cache,
		edit: func(r *registry.Tenant) {
			if r.ID.String() != "fresh" {
				r.Limits.CacheFor = time.Hour
			}
		},
	})
	c := d.client(t, "h2")
	ask := func(tenant, body string, headers ...string) said {
		r, err := d.ask(t.Context(), c, tenant, body, headers...)
		if err != nil || r.status != http.StatusOK || r.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: status %d, %v: %s, %v", tenant, r.status, r.header, r.body, err)
		}
		return r
	}
	const read = `{"query":"select tenant, clock_timestamp() from items"}`
	first := ask("kept", read, "Cache-Control", "max-age=60")
	second := ask("kept", read, "Cache-Control", "max-age=60")
	if second.body != first.body || second.header.Get("Age") == "" || !strings.Contains(second.header.Get("Cache-Status"), "hit") {
		t.Errorf("the second is no hit: %v\n%s\n%s", second.header, first.body, second.body)
	}
	if !strings.HasPrefix(first.body, `{"fields":`) || !strings.Contains(first.header.Get("Cache-Status"), "fwd=miss") {
		t.Errorf("the first: %v: %s", first.header, first.body)
	}
	plain := ask("kept", read)
	if plain.body == first.body || plain.header.Get("Cache-Status") != "" || !strings.HasPrefix(plain.body, `{"fields":`) {
		t.Errorf("without Cache-Control: %v: %s", plain.header, plain.body)
	}
	for name, r := range map[string]said{
		"another tenant":         ask("other", read, "Cache-Control", "max-age=60"),
		"a tenant without cache": ask("fresh", read, "Cache-Control", "max-age=60"),
		"another form":           ask("kept", read, "Cache-Control", "max-age=60", "Neon-Array-Mode", "true"),
		"no-cache":               ask("kept", read, "Cache-Control", "no-cache"),
	} {
		if strings.Contains(r.header.Get("Cache-Status"), "hit") || r.header.Get("Age") != "" || r.body == first.body {
			t.Errorf("%s is a hit: %v", name, r.header)
		}
	}
	// What looks like a read and is none happens, once.
	change := `{"query":"with n as (insert into items values (77, 'kept') returning 1) select count(*) from n"}`
	if r := ask("kept", change, "Cache-Control", "max-age=60"); r.header.Get("Cache-Status") != "" {
		t.Errorf("a change: %v", r.header)
	}
	ask("kept", change, "Cache-Control", "max-age=60")
	if r := ask("kept", `{"query":"select count(*) as n from items where id = 77"}`); !strings.Contains(r.body, `"n":"2"`) {
		t.Errorf("it happened otherwise: %s", r.body)
	}
	if err := cache.Flush(t.Context(), id("kept")); err != nil {
		t.Fatal(err)
	}
	if r := ask("kept", read, "Cache-Control", "max-age=60"); r.body == first.body {
		t.Error("a flush left the answer")
	}
}
