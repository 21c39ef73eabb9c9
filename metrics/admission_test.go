package metrics_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

func TestAdmissionsAreCountedByWhatTheyCameTo(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	for outcome, err := range map[string]error{
		"ok": nil, "rate": admission.ErrRate, "in_flight": admission.ErrInFlight, "store": admission.ErrStore,
	} {
		if line := fmt.Sprintf("poolkeeper_admissions_total{outcome=%q} 0\n", outcome); !strings.Contains(exposition(t, m), line) {
			t.Errorf("no line %s before the first", line)
		}
		if err != nil {
			err = fmt.Errorf("tenant acme: %w", err)
		}
		m.Admitted(err)
		if line := fmt.Sprintf("poolkeeper_admissions_total{outcome=%q} 1\n", outcome); !strings.Contains(exposition(t, m), line) {
			t.Errorf("no line %s after it", line)
		}
	}
}

func TestOnlyAnswersOfTheStoreAreTimed(t *testing.T) {
	t.Parallel()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.StoreAsked(time.Second, nil)
	m.StoreAsked(time.Second, nil)
	m.StoreAsked(0, fmt.Errorf("asking: %w", store.ErrResting))
	m.StoreAsked(time.Second, errors.New("refused"))
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_admission_store_requests_total{outcome="ok"} 2`,
		`poolkeeper_admission_store_requests_total{outcome="resting"} 1`,
		`poolkeeper_admission_store_requests_total{outcome="failed"} 1`,
		`poolkeeper_admission_store_duration_seconds_count 2`,
		`poolkeeper_admission_store_duration_seconds_sum 2`,
	} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}

// A reader's pool is one beside its tenant's: series of both stand side by
// side, none twice, which the pedantic registry would refuse.
func TestAReadersPoolHasSeriesBesideItsTenants(t *testing.T) {
	t.Parallel()
	reader := acme.Reader()
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{})
	m.Watch(fakePools{stats: func() []pools.Stat {
		return []pools.Stat{
			{Tenant: acme, Cluster: "main", State: pools.StateReady, Acquired: 2, Max: 4},
			{Tenant: reader, Cluster: "main", State: pools.StateReady, Acquired: 1, Max: 3},
			{Tenant: reader, Cluster: "main", State: pools.StateDraining, Acquired: 1, Max: 3},
		}
	}}, nil)
	for _, id := range []registry.ID{acme, reader} {
		m.Acquired(id, "main", pools.StartWarm, 0, nil)
	}
	m.Acquired(reader, "main", pools.StartWarm, 0, pools.ErrTenantTimeout)
	got := exposition(t, m)
	for _, line := range []string{
		`poolkeeper_pool_connections{cluster="main",state="acquired",tenant="acme"} 2`,
		`poolkeeper_pool_connections{cluster="main",state="acquired",tenant="acme+read"} 1`,
		`poolkeeper_pool_connections_max{cluster="main",tenant="acme"} 4`,
		`poolkeeper_pool_connections_max{cluster="main",tenant="acme+read"} 3`,
		`poolkeeper_tenant_requests_total{outcome="ok",tenant="acme"} 1`,
		`poolkeeper_tenant_requests_total{outcome="ok",tenant="acme+read"} 1`,
		`poolkeeper_tenant_requests_total{outcome="limited",tenant="acme+read"} 1`,
	} {
		if strings.Count(got, line+"\n") != 1 {
			t.Errorf("line %s is there %d times", line, strings.Count(got, line+"\n"))
		}
	}
}

func TestTheReaderOfAListedTenantIsListedToo(t *testing.T) {
	t.Parallel()
	cfg := metrics.Defaults()
	cfg.Top, cfg.Tenants = 1, []string{"acme"}
	m := metrics.NewPedantic(cfg, metrics.Build{})
	for range 9 { // who is first has the only place
		m.Acquired(globex, "main", pools.StartWarm, 0, nil)
	}
	m.Acquired(globex.Reader(), "main", pools.StartWarm, 0, nil)
	m.Acquired(acme.Reader(), "main", pools.StartWarm, 0, nil)
	got := requests(t, m)
	if got["acme+read ok"] != 1 || got["globex+read ok"] != 0 || got["_other ok"] != 1 {
		t.Errorf("got %v", got)
	}
}
