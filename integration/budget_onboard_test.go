package integration_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Provisioning takes its connections from the same budget, also when tenants
// have used it up.
func TestOnboardingKeepsWithinTheBudget(t *testing.T) {
	t.Parallel()
	const budget = 6
	opened := &sockets{}
	f := newFleet(t, func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) { main.Budget = budget })
		c.Dial = opened.dial
	}, repeat(6, "row", "shared")...)
	for i, mark := range repeat(6, "row", "shared") {
		f.rowOf(t, id(fmt.Sprintf("%s-%d", mark, i)))
	}
	p := f.provisioner(t, budget/onboard.Connections)
	before := opened.dials()
	var all sync.WaitGroup
	for i := range 5 {
		all.Go(func() {
			if err := p.Provision(t.Context(), newcomer(fmt.Sprintf("%s_new_%d", f.database, i))); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() { f.rowOf(t, id(fmt.Sprintf("%s-%d", repeat(6, "row", "shared")[i], i))) })
	}
	all.Wait()
	if dialled := opened.dials() - before; dialled < 5*onboard.Connections {
		t.Errorf("%d connections were opened through the budget for 5 tenants", dialled)
	}
	f.settled(t)
	opened.within(t, budget)
}

// A budget that is too small for the work is said, and not waited for.
func TestOnboardingBeyondTheBudgetIsRefused(t *testing.T) {
	t.Parallel()
	f := newFleet(t, func(c *pools.Config) {
		cluster(c, func(main *registry.Cluster) { main.Budget = onboard.Connections - 1 })
		c.QueueTimeout = 100 * time.Millisecond
	}, "shared")
	p := f.provisioner(t, 1)
	record := newcomer(f.database + "_beyond")
	if err := p.Provision(t.Context(), record); !errors.Is(err, pools.ErrBudget) {
		t.Errorf("onboarding on a budget of %d: %v", onboard.Connections-1, err)
	}
	f.rowOf(t, id("shared-0"))
	f.settled(t)
}

// provisioner works through the keeper's budget.
func (f *fleet) provisioner(t *testing.T, atOnce int) *onboard.Provisioner {
	t.Helper()
	settings, _ := f.Cluster("main")
	settings.Admin = registry.NewSecret(f.server.AdminDSN(f.database))
	admin(t, f.server, f.database, "GRANT CONNECT ON DATABASE "+f.database+" TO "+f.shared) // PUBLIC loses it
	p, err := onboard.New(onboard.Defaults(), map[string]registry.Cluster{"main": settings}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p.Through(f.Dialer, atOnce)
	return p
}

// newcomer is a tenant with a schema and a login of that name, to be made.
func newcomer(name string) *registry.Tenant {
	return &registry.Tenant{
		ID: id(strings.ReplaceAll(name, "_", "-")), Status: registry.StatusActive, Cluster: "main", Isolation: registry.IsolationSchema,
		Schema: name, Login: name, Password: registry.NewSecret(password),
	}
}

// interchangeable names tenants that can use each other's connections.
func interchangeable(tenants int) []registry.ID {
	ids := make([]registry.ID, 0, tenants)
	for i := range tenants / 2 {
		ids = append(ids, id(fmt.Sprintf("shared-%d", i)), id(fmt.Sprintf("row-%d", i)))
	}
	return ids
}
