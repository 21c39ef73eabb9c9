package onboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// atOnceAlone is how many tenants of a cluster are migrated side by side when
// neither the caller nor Through says.
const atOnceAlone = 8

// MigrateOptions says how a fleet is migrated. The zero value brings everybody
// to the newest version.
type MigrateOptions struct {
	// Workers is how many tenants of one cluster are worked on side by side,
	// at most what Through allows. Default 0: as many as Through allows, or 8
	// without it.
	Workers int
	// Down has each tenant go down to the version named for it, by the Down
	// part of each file; 0 undoes all. A file without that part is undone
	// without a statement, as goose has it. Default nil: everybody goes up.
	Down map[registry.ID]int64
	// Lock takes a tenant's lock before it is worked on, or fails at once:
	// the error is then that tenant's. The work ends with the context that it
	// returns. Tenants that share their tables (row isolation) have one place
	// that is locked in its database instead. Default nil: no locks.
	Lock func(context.Context, registry.ID) (context.Context, func(), error)
}

// Migrated says what became of one tenant.
type Migrated struct {
	Tenant   registry.ID
	From, To int64    // versions; both 0 when the first could not be read
	Applied  []string // the files, in the order in which they were applied, or undone
	Err      error    // names the tenant; a *MigrationError in it names the file
	Took     time.Duration
}

// Migrate brings each tenant to the newest version, or down to the one that
// the options name. One tenant's failure is told as its own and the others go
// on; running it again goes on where it stopped. told is called from one
// goroutine at a time, for every tenant that was begun. Tables that tenants
// share are migrated once, and told for each of them. When ctx ends, what is
// under way is rolled back, the rest is not begun, and ctx's error is
// returned: it is the only one.
func (p *Provisioner) Migrate(ctx context.Context, tenants []*registry.Tenant, o MigrateOptions, told func(Migrated)) error {
	return p.fleet(ctx, tenants, o, p.bringOne, told)
}

// VersionOf reads the tenant's version from its own table, not from a copy: 0
// before its first migration, and for a tenant that gets none.
func (p *Provisioner) VersionOf(ctx context.Context, t *registry.Tenant) (int64, error) {
	var found Migrated
	err := p.Versions(ctx, []*registry.Tenant{t}, 1, func(m Migrated) { found = m })
	return found.To, errors.Join(err, found.Err)
}

// Versions reads the version of each tenant from its own table, on few
// connections; told hears it as From and To, with ErrMigrations for one that
// lacks a file with a lower number. workers and the returned error are as in
// Migrate.
func (p *Provisioner) Versions(ctx context.Context, tenants []*registry.Tenant, workers int, told func(Migrated)) error {
	return p.fleet(ctx, tenants, MigrateOptions{Workers: workers}, p.lookOne, told)
}

// task is what is done for a place on a session.
type task func(context.Context, *session, *job) (progress, error)

// job is one place, and the tenants whose it is.
type job struct {
	pl      *plan
	tenants []registry.ID
	course  course
}

// fleet has the work done for every place, and tells each of its tenants.
func (p *Provisioner) fleet(ctx context.Context, tenants []*registry.Tenant, o MigrateOptions, do task, told func(Migrated)) error {
	jobs, settled := p.jobs(tenants, o)
	for _, m := range settled {
		told(m)
	}
	results := make(chan Migrated)
	var running sync.WaitGroup
	for _, of := range jobs {
		queue := make(chan *job, len(of))
		for _, j := range of {
			queue <- j
		}
		close(queue)
		silence := &silence{}
		for range min(p.workers(o), len(of)) {
			running.Go(func() { (&worker{p: p, lock: o.Lock, do: do, silence: silence}).run(ctx, queue, results) })
		}
	}
	go func() {
		running.Wait()
		close(results)
	}()
	for m := range results {
		told(m)
	}
	return ctx.Err()
}

func (p *Provisioner) workers(o MigrateOptions) int {
	most := p.way.atOnce
	switch {
	case most == 0 && o.Workers > 0:
		return o.Workers
	case most == 0:
		return atOnceAlone
	case o.Workers > 0:
		return min(o.Workers, most)
	}
	return most
}

// jobs sorts the tenants by cluster, and there by database, so that
// connections can be kept; places that several share come once. Those for whom
// there is nothing to do, or nothing can be done, are settled.
func (p *Provisioner) jobs(tenants []*registry.Tenant, o MigrateOptions) (byCluster map[string][]*job, settled []Migrated) {
	byCluster, shared := map[string][]*job{}, map[string]*job{}
	for _, t := range tenants {
		j, err := p.job(t, o)
		switch {
		case err != nil:
		case j == nil:
			settled = append(settled, Migrated{Tenant: t.ID})
		case j.pl.row() && shared[j.pl.key()] != nil:
			err = shared[j.pl.key()].take(j)
		default:
			shared[j.pl.key()] = j
			byCluster[t.Cluster] = append(byCluster[t.Cluster], j)
		}
		if err != nil {
			settled = append(settled, Migrated{Tenant: t.ID, Err: fmt.Errorf("onboard: tenant %s: %w", t.ID, err)})
		}
	}
	for _, of := range byCluster {
		slices.SortStableFunc(of, func(a, b *job) int { return strings.Compare(a.pl.database, b.pl.database) })
	}
	return byCluster, settled
}

// job is the tenant's; nil when it gets no migrations.
func (p *Provisioner) job(t *registry.Tenant, o MigrateOptions) (*job, error) {
	set := p.set(t)
	if set == nil {
		return nil, nil
	}
	c := course{set: set, down: o.Down != nil}
	if c.down {
		to, ok := o.Down[t.ID]
		if !ok || to < 0 {
			return nil, refuse(ErrMigrations, "down: the version to go down to is missing, or below 0")
		}
		c.to = to
	}
	pl, err := p.plan(t)
	if err != nil {
		return nil, err
	}
	return &job{pl: pl, tenants: []registry.ID{t.ID}, course: c}, nil
}

// take adds a tenant of the same place.
func (j *job) take(other *job) error {
	if other.course.to != j.course.to {
		return refuse(ErrMigrations, "down: the tenant shares its tables with %s, which goes down to version %d, not %d", j.tenants[0], j.course.to, other.course.to)
	}
	j.tenants = append(j.tenants, other.tenants...)
	return nil
}
