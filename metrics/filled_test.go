package metrics_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/poolkeeper/poolkeeper/metrics"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// filled returns Metrics that have seen every event, on a registry that
// checks what is collected.
func filled() *metrics.Metrics {
	m := metrics.NewPedantic(metrics.Defaults(), metrics.Build{Version: "1.2.3", Revision: "abcdef0", GoVersion: "go1.26"})
	m.Watch(fakePools{stats, budgets}, statuses, "main", "second")
	m.Leased(acme, "main", pools.OutcomeOpened, nil)
	m.Leased(acme, "main", pools.OutcomeHit, nil)
	m.Leased(globex, "", pools.OutcomeRefused, pools.ErrPoolLimit)
	m.PoolChanged(acme, "main", "")
	m.PoolChanged(acme, "main", pools.ReasonIdle)
	m.ConnChanged(acme, "main", pools.EventOpened, "dial")
	m.ConnChanged(acme, "main", pools.EventOpened, "handoff")
	m.ConnChanged(registry.ID{}, "main", pools.EventOpened, "dial")
	m.ConnChanged(acme, "main", pools.EventOpened, "spare")
	for _, reason := range []string{"lifetime", "handoff", "stolen", "shrunk"} {
		m.ConnChanged(acme, "main", pools.EventClosed, reason)
	}
	m.ConnChanged(acme, "main", pools.EventDrift, "search_path")
	m.Acquired(acme, "main", pools.StartDial, 8*time.Millisecond, nil)
	m.Acquired(acme, "main", pools.StartWarm, 30*time.Microsecond, nil)
	m.Acquired(acme, "main", pools.StartHandoff, 600*time.Microsecond, nil)
	m.Acquired(acme, "main", pools.StartSpare, 2*time.Millisecond, nil)
	m.Acquired(globex, "main", pools.StartDial, 5*time.Second, fmt.Errorf("tenant globex: %w", pools.ErrBudget))
	m.Acquired(acme, "main", pools.StartWarm, time.Second, fmt.Errorf("tenant acme: %w", pools.ErrTenantTimeout))
	m.Lookup("hit")
	m.Routed("host", nil)
	m.Routed("header", registry.ErrUnknown)
	m.Routed("none", router.ErrNoTenant)
	m.Routed("key", fmt.Errorf("%w: %w", router.ErrCredential, apikey.ErrRevoked))
	m.Routed("jwt", nil)
	m.Routed("header", admission.ErrRate)
	m.Admitted(nil)
	m.Admitted(admission.ErrRate)
	m.StoreAsked(2*time.Millisecond, nil)
	m.StoreAsked(0, store.ErrResting)
	m.CacheRead(readcache.Hit)
	m.CacheStoreAsked(time.Millisecond, nil)
	m.HTTP("/sql", "POST", 200, 12*time.Millisecond)
	m.HTTP("unmatched", "other", 404, time.Millisecond)
	m.Reloaded(nil)
	m.Reloaded(errors.New("line 3: unknown key"))
	m.Onboarded(nil)
	m.Migrated(errors.New("syntax error"))
	m.WatchControl(func() metrics.Control {
		return metrics.Control{Listening: true, Fresh: true, Confirmed: time.UnixMilli(1_767_322_445_250)}
	})
	m.OperationBegan("migrate")
	m.OperationBegan("add")
	m.OperationEnded("add", "failed")
	return m
}

// fakePools are a keeper's numbers.
type fakePools struct {
	stats   func() []pools.Stat
	budgets func() []pools.BudgetStat
}

func (f fakePools) Stats() []pools.Stat { return f.stats() }

func (f fakePools) Budgets() []pools.BudgetStat {
	if f.budgets == nil {
		return nil
	}
	return f.budgets()
}

// budgets are those that fit stats: of 12 connections 8 are the pools'.
func budgets() []pools.BudgetStat {
	return []pools.BudgetStat{
		{Cluster: "main", Budget: 12, InUse: 12, Idle: 3, Opening: 2, Closing: 1, Waiting: 2, Spares: 2, ReopenedSoon: 5, BreakersOpen: 1},
		{Cluster: "second", Budget: 8, Derived: true},
	}
}

func stats() []pools.Stat {
	return []pools.Stat{
		{Tenant: acme, Cluster: "main", State: pools.StateReady, Idle: 1, Acquired: 2, Opening: 1, Max: 4, Waiting: 3},
		{Tenant: acme, Cluster: "main", State: pools.StateDraining, Acquired: 1, Max: 4, Waiting: 1},
		{Tenant: globex, Cluster: "main", State: pools.StateReady, Idle: 2, Max: 8},
		{Tenant: registry.MustParseID("initech"), Cluster: "main", State: pools.StateReady, Acquired: 1, Max: 2},
	}
}

func statuses() map[registry.Status]int {
	return map[registry.Status]int{registry.StatusActive: 3, registry.StatusSuspended: 1}
}

// families gathers what is ours, by name.
func families(t testing.TB, m *metrics.Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string]*dto.MetricFamily{}
	for _, f := range all {
		if strings.HasPrefix(f.GetName(), "poolkeeper_") {
			ours[f.GetName()] = f
		}
	}
	return ours
}

// exposition is the text of what is ours, without the Go runtime's numbers.
func exposition(t testing.TB, m *metrics.Metrics) string {
	t.Helper()
	var b bytes.Buffer
	ours := families(t, m)
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		if _, err := expfmt.MetricFamilyToText(&b, ours[name]); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
