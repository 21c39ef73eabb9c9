package figures

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A process that has opened and closed a thousand pools is not what it was:
// the runtime keeps goroutines, stacks and buffers for the next. So each way's
// memory is measured in a process of its own.

// FootprintCommand is the first argument of such a process.
const FootprintCommand = "footprint"

// child says what such a process measures.
type child struct {
	DSN                   string
	Cache                 int // bareCache: bare pools
	Records, Pools, Conns int
	SQL                   pools.SQL
}

// footprintsOf has this program measure itself with a statement cache.
func (b *Bench) footprintsOf(ctx context.Context, cache int) (found footprints, err error) {
	program, err := os.Executable()
	if err != nil {
		return found, err
	}
	task, err := json.Marshal(child{
		DSN: b.World.DSN(world.App), Cache: cache, SQL: b.SQL[0],
		Records: b.Scale.Records, Pools: b.Scale.Pools, Conns: b.Scale.Conns,
	})
	if err != nil {
		return found, err
	}
	cmd := exec.CommandContext(ctx, program, FootprintCommand, string(task)) //nolint:gosec // ourselves
	cmd.Stderr = os.Stderr
	answer, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(answer, &found)
	}
	return found, errors.Join(err, b.World.AwaitQuiet(ctx, 0))
}

// FootprintChild is the other side: it reports whether the arguments ask for
// it, and then writes what was measured.
func FootprintChild(ctx context.Context, args []string, out io.Writer) (asked bool, err error) {
	if len(args) != 2 || args[0] != FootprintCommand {
		return false, nil
	}
	var c child
	if err := json.Unmarshal([]byte(args[1]), &c); err != nil {
		return true, err
	}
	b := &Bench{World: world.Remote(c.DSN, c.Pools), Scale: Scale{Records: c.Records, Pools: c.Pools, Conns: c.Conns}, SQL: []pools.SQL{c.SQL}}
	var found footprints
	if c.Cache == bareCache {
		found, err = b.bareFootprints(ctx)
	} else {
		found, err = b.keeperFootprints(ctx, c.Cache)
	}
	if err != nil {
		return true, fmt.Errorf("footprints: %w", err)
	}
	return true, json.NewEncoder(out).Encode(found)
}

// bareFootprints opens pools, then a connection in some.
func (b *Bench) bareFootprints(ctx context.Context) (found footprints, err error) {
	before := footprintNow()
	all := make([]*pgxpool.Pool, b.Scale.Pools)
	for i := range all {
		if all[i], err = barePool(ctx, b.World.DSN(world.App), nil); err != nil {
			return found, err
		}
	}
	opened := footprintNow()
	for i := range b.Scale.Conns {
		var name string
		if err := all[i].QueryRow(ctx, b.World.Tenants[i].Qualified(), 1).Scan(&name); err != nil {
			return found, err
		}
	}
	found.Pool, found.Conn = opened.per(before, len(all)), footprintNow().per(opened, b.Scale.Conns)
	closeAll(all)
	return found, nil
}

func closeAll(all []*pgxpool.Pool) {
	var closing sync.WaitGroup
	for _, pool := range all {
		closing.Go(pool.Close)
	}
	closing.Wait()
}

// keeperFootprints is the same on a keeper, after its records.
func (b *Bench) keeperFootprints(ctx context.Context, cache int) (found footprints, err error) {
	if found.Registered, err = b.registered(ctx); err != nil {
		return found, err
	}
	k, err := b.World.Keeper(ctx, b.World.Tenants, nil, func(c *pools.Config, cl *registry.Cluster) {
		c.StatementCache, cl.Budget, c.SQL = cache, b.Scale.Conns, b.SQL[0]
	})
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	for _, t := range b.World.Tenants { // their records are in the registry's cache from here on
		if _, err := k.Registry.Tenant(ctx, t.ID); err != nil {
			return found, err
		}
	}
	before := footprintNow()
	for _, t := range b.World.Tenants {
		lease, err := k.Lease(ctx, t.ID)
		if err != nil {
			return found, err
		}
		lease.Release()
	}
	opened := footprintNow()
	if err := k.Warm(ctx, b.World.Tenants[:b.Scale.Conns]); err != nil {
		return found, err
	}
	found.Pool, found.Conn = opened.per(before, b.Scale.Pools), footprintNow().per(opened, b.Scale.Conns)
	return found, nil
}

// registered is the memory of a tenant that nobody uses but whose record was
// looked up: in the source, and in the registry's cache.
func (b *Bench) registered(ctx context.Context) (footprint, error) {
	before := footprintNow()
	source, err := registry.NewStatic(b.World.Clusters(), b.manyRecords(b.Scale.Records)...)
	if err != nil {
		return footprint{}, err
	}
	known, err := b.lookedUp(ctx, source)
	after := footprintNow()
	runtime.KeepAlive(known)
	return after.per(before, b.Scale.Records), err
}
