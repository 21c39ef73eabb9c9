package registry_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

func TestStaticIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		static, err := registry.NewStatic(sourcetest.Clusters())
		if err != nil {
			t.Fatal(err)
		}
		return sourcetest.Fixture{Source: static, Rotates: true, Replace: func(t *testing.T, tenants ...*registry.Tenant) {
			t.Helper()
			if err := static.Replace(tenants...); err != nil {
				t.Fatal(err)
			}
		}}
	})
}

func TestFileIsASource(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(t *testing.T) sourcetest.Fixture {
		path := filepath.Join(t.TempDir(), "config.yaml")
		write(t, path, "tenants: {}\n")
		file, err := registry.NewFile(registry.FileConfig{Path: path, Clusters: sourcetest.Clusters()})
		if err != nil {
			t.Fatal(err)
		}
		return sourcetest.Fixture{Source: file, Replace: func(t *testing.T, tenants ...*registry.Tenant) {
			t.Helper()
			write(t, path, render(t, tenants))
			if err := file.Reload(); err != nil {
				t.Fatal(err)
			}
		}}
	})
}

// render writes records as a user would.
func render(t *testing.T, tenants []*registry.Tenant) string {
	t.Helper()
	all := map[string]any{}
	for _, tenant := range tenants {
		record := map[string]any{
			"name": tenant.Name, "status": string(tenant.Status), "cluster": tenant.Cluster,
			"isolation": string(tenant.Isolation), "schema": tenant.Schema, "database": tenant.Database,
			"login": tenant.Login, "password": tenant.Password.Reveal(), "dsn": tenant.DSN.Reveal(),
		}
		maps.DeleteFunc(record, func(_ string, v any) bool { return v == "" })
		record["ddl"] = tenant.DDL
		record["limits"] = map[string]any{
			"max_conns": tenant.Limits.MaxConns, "queue": tenant.Limits.Queue,
			"guaranteed_conns":            tenant.Limits.GuaranteedConns,
			"statement_timeout":           tenant.Limits.StatementTimeout.String(),
			"idle_in_transaction_timeout": tenant.Limits.IdleInTransactionTimeout.String(),
			"idle_after":                  tenant.Limits.IdleAfter.String(),
			"queue_timeout":               tenant.Limits.QueueTimeout.String(),
			"rate":                        tenant.Limits.Rate, "burst": tenant.Limits.Burst, "in_flight": tenant.Limits.InFlight,
			"max_body":   tenant.Limits.MaxBody,
			"max_result": registry.FormatSize(tenant.Limits.MaxResult),
			"cache_for":  tenant.Limits.CacheFor.String(),
		}
		if tenant.Limits.Weight != 0 {
			record["limits"].(map[string]any)["weight"] = tenant.Limits.Weight
		}
		if tenant.Labels != nil {
			record["labels"] = tenant.Labels
		}
		all[tenant.ID.String()] = record
	}
	data, err := yaml.Marshal(map[string]any{"tenants": all})
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestASourceCountsItsRecordsByStatus(t *testing.T) {
	t.Parallel()
	static := newStatic(t, tenant("a"), tenant("b"), suspend(tenant("c")))
	r := newRegistry(t, static, nil)
	want := map[registry.Status]int{
		registry.StatusPending: 0, registry.StatusActive: 2, registry.StatusSuspended: 1, registry.StatusRetired: 0,
	}
	if got := r.Count(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r.Count()[registry.StatusActive] = 99
	if got := r.Count(); !maps.Equal(got, want) {
		t.Errorf("after a caller wrote into the result: %v", got)
	}
	if got := newRegistry(t, &fakeSource{}, nil).Count(); got != nil {
		t.Errorf("a source that does not count: %v, want nil", got)
	}
}

func TestRecordsGivenToStaticMayBeChangedAfterwards(t *testing.T) {
	t.Parallel()
	mine := tenant("acme")
	mine.Labels = map[string]string{"tier": "gold"}
	static := newStatic(t, mine)
	mine.Status, mine.Labels["tier"] = registry.StatusRetired, "lead"
	got, err := static.Tenant(t.Context(), mine.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Active() || got.Labels["tier"] != "gold" {
		t.Errorf("the source's record changed along: %+v", got)
	}
}

func TestARefusedReplacementChangesNothing(t *testing.T) {
	t.Parallel()
	static := newStatic(t, tenant("acme"))
	bad := &registry.Tenant{
		ID: registry.MustParseID("bad"), Status: "great", Cluster: "main", Isolation: registry.IsolationSchema,
		Schema: "public", Limits: registry.Limits{Queue: -1, Weight: 1001, MaxConns: 2, GuaranteedConns: 3, IdleAfter: -time.Second},
	}
	err := static.Replace(bad, tenant("acme"), tenant("acme"), &registry.Tenant{})
	want := `tenants.bad.status: is "great"; it must be pending, active, suspended or retired
tenants.bad.schema: is "public", which everybody can see; give the tenant another one
tenants.bad.limits.queue: is -1; it must be 1 to 1000000, or 0 for the default of pools
tenants.bad.limits.weight: is 1001; it must be 1 to 1000
tenants.bad.limits.idle_after: is -1s; a duration cannot be negative, and 0s means the default of pools
tenants.acme: is given twice
tenants: has a record without an id at 3; ParseID makes one
tenants.bad.limits.guaranteed_conns: is 3, but max_conns is 2; no more can be guaranteed than are allowed`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	if got, err := static.Tenant(t.Context(), registry.MustParseID("acme")); err != nil || got.Version != 1 {
		t.Errorf("the old record is gone: %v, %v", got, err)
	}
}
