package registry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// Whatever the text: no panic, an error with problems or records that hold
// what validation promises.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Add("tenants: {a: &a {cluster: main, isolation: schema}, b: {<<: *a, login: b, password: x}}")
	f.Add("plans: {r: {isolation: row, schema: s, login: l}}\ntenants: {a: {plan: r, cluster: other}}")
	f.Add("plans: {p: {limits: {max_conns: 2, guaranteed_conns: 1}}}\ntenants: {a: {plan: p, cluster: main, isolation: schema, limits: {guaranteed_conns: 3, weight: 9}}}")
	f.Add("plans: {p: {limits: {rate: 0.5, burst: 3, max_body: 2KiB}}}\ntenants: {a: {plan: p, cluster: main, isolation: schema, limits: {rate: .nan, cache_for: 1m, queue_timeout: 1s, in_flight: 9, max_result: 1GiB}}}")
	f.Add("tenants: {a: {cluster: main, isolation: database, dsn: 'host=alias.internal dbname=a user=spare'}}")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file:") || strings.Contains(text, "ssl") || strings.Contains(text, "service") || strings.Contains(text, "passfile") {
			return // reads files of this machine
		}
		tenants, err := registry.Parse("f.yaml", []byte(text), sourcetest.Clusters())
		if err != nil {
			if err.Error() == "" || tenants != nil {
				t.Fatalf("%v with the error %q", tenants, err)
			}
			return
		}
		schemas := map[string]bool{}
		for _, tenant := range tenants {
			if _, err := registry.ParseID(tenant.ID.String()); err != nil {
				t.Fatal(err)
			}
			lower := strings.ToLower(tenant.Schema)
			if len(lower) > 63 || lower == "public" || strings.HasPrefix(lower, "pg_") || strings.ContainsRune(lower, 0) ||
				lower == "" && tenant.Isolation != registry.IsolationDatabase {
				t.Fatalf("schema %q", tenant.Schema)
			}
			if tenant.Isolation == registry.IsolationSchema && tenant.DSN.IsZero() {
				key := tenant.Cluster + "\x00" + tenant.Database + "\x00" + tenant.Schema
				if schemas[key] {
					t.Fatalf("two tenants in %q", key)
				}
				schemas[key] = true
			}
			l := tenant.Limits
			if l.MaxConns > 0 && l.GuaranteedConns > l.MaxConns || l.GuaranteedConns < 0 || l.Weight < 0 || l.Weight > 1000 {
				t.Fatalf("limits %+v", l)
			}
			if !(l.Rate >= 0 && l.Rate <= 1e6) || l.Burst < 0 || l.InFlight < 0 || l.CacheFor < 0 || l.CacheFor > time.Hour ||
				l.MaxBody < 0 || l.MaxBody > 1<<30 || l.MaxResult < 0 || l.MaxResult > 1<<30 || l.QueueTimeout < 0 {
				t.Fatalf("limits %+v", l)
			}
			if tenant.Login == "" && tenant.DSN.IsZero() && !tenant.SharedLogin {
				t.Fatalf("the cluster's login passes for %s's own", tenant.ID)
			}
		}
	})
}

// Whatever the text: no panic, and what is declared is what stays once plans
// and the tenants' own limits are put together again.
func FuzzParseDeclared(f *testing.F) {
	f.Add(plansAndTenants)
	f.Add("plans: {p: {limits: {max_conns: 2, guaranteed_conns: 1}}}\ntenants: {a: {plan: p, cluster: main, isolation: schema, limits: {max_conns: 0}}}")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file:") || strings.Contains(text, "ssl") || strings.Contains(text, "service") || strings.Contains(text, "passfile") {
			return // reads files of this machine
		}
		declared, plans, err := registry.ParseDeclared(documents(text), sourcetest.Clusters())
		if err != nil {
			if err.Error() == "" || declared != nil || plans != nil {
				t.Fatalf("%v, %v with the error %q", declared, plans, err)
			}
			return
		}
		if _, err := registry.ParsePlans(documents(text), sourcetest.Clusters()); err != nil {
			t.Fatalf("the plans alone are wrong: %v", err)
		}
		for _, d := range declared {
			if d.Limits != d.Own.Over(plans[d.Plan].Limits) {
				t.Fatalf("%s: %+v in force, %+v its own", d.ID, d.Limits, d.Own)
			}
		}
	})
}
