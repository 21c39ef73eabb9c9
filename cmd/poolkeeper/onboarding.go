package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// onboardAtOnce is how many tenants are made real side by side: enough that a
// slow one does not keep the others waiting, few enough for the server's
// connections, of which each takes some.
const onboardAtOnce = 4

// onboarding is what became of the tenants of a file.
type onboarding struct {
	wanted int     // those whose data should exist
	failed []error // for each that failed, in the order of the tenants
}

// hopeless reports whether there is nobody to serve.
func (o onboarding) hopeless() bool { return o.wanted > 0 && len(o.failed) == o.wanted }

// onboardWanted makes the wanted ones of the tenants real. One that fails does
// not keep the others from being served. It returns an error when ctx has
// ended, and otherwise when all are done, each within its own timeout.
func onboardWanted(ctx context.Context, tenants []*registry.Tenant, log *slog.Logger,
	provision func(context.Context, *registry.Tenant) error,
) (onboarding, error) {
	var todo []*registry.Tenant
	for _, t := range tenants {
		if wanted(t) {
			todo = append(todo, t)
		}
	}
	failures := make([]error, len(todo))
	sideBySide(len(todo), func(i int) {
		if ctx.Err() != nil {
			return
		}
		if err := provision(ctx, todo[i]); err != nil && ctx.Err() == nil {
			failures[i] = fmt.Errorf("tenant %s could not be onboarded: %w", todo[i].ID, err)
			log.ErrorContext(ctx, "tenant could not be onboarded", "tenant", todo[i].ID, "error", err)
		}
	})
	result := onboarding{wanted: len(todo)}
	for _, err := range failures {
		if err != nil {
			result.failed = append(result.failed, err)
		}
	}
	return result, ctx.Err()
}

// sideBySide calls do for 0 to n-1, a few at a time, and returns when all
// calls have.
func sideBySide(n int, do func(i int)) {
	slots := make(chan struct{}, onboardAtOnce)
	var running sync.WaitGroup
	for i := range n {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	running.Wait()
}

// wanted reports whether a tenant's data should exist: a suspended one comes
// back some day.
func wanted(t *registry.Tenant) bool {
	return t.Status == registry.StatusActive || t.Status == registry.StatusSuspended
}

// withinBudget has the provisioner's connections count in the budgets, and
// leaves it as many tenants at a time as the smallest has room for. taken are
// connections of a cluster that somebody else keeps.
func withinBudget(p *onboard.Provisioner, k *pools.Keeper, taken map[string]int) {
	atOnce := onboardAtOnce
	for _, b := range k.Budgets() {
		atOnce = min(atOnce, (b.Budget-taken[b.Cluster])/onboard.Connections)
	}
	p.Through(k.Dialer, atOnce)
}

// learnWithin is how long a server that does not answer may hold up the start.
const learnWithin = 10 * time.Second

// learnBudgets asks the servers how many connections they have, for budgets
// that follow from it: before the first tenant is served nobody has told the
// keeper, and provisioning would have to do with the few that it allows until
// then. A server that cannot be asked is asked by its first tenant.
func learnBudgets(ctx context.Context, p *onboard.Provisioner, clusters map[string]registry.Cluster, k *pools.Keeper, log *slog.Logger) {
	for name, c := range clusters {
		if c.Budget > 0 || c.Admin.IsZero() {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, learnWithin)
		offered, err := p.Slots(asking, name)
		cancel()
		if err == nil {
			err = k.Learn(name, offered)
		}
		if err != nil {
			log.WarnContext(ctx, "a server could not be asked for its connections", "cluster", name, "error", err)
		}
	}
}
