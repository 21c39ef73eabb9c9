package onboard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/poolkeeper/poolkeeper/registry"
)

// copying is one call of Clone.
type copying struct {
	*Provisioner
	from, to *plan
}

// Clone makes to a provisioned tenant with the structure of from and, with
// data, its rows. Both have the same isolation, on one cluster.
//
//	schema    PostgreSQL cannot copy a schema: the migrations make the
//	          structure, and everything in the source that they do not make is
//	          refused by name. The rows come from one snapshot of the source,
//	          in one transaction of the target, with triggers off.
//	database  The server copies the whole database. For that long nobody may be connected to the
//	          source: its sessions are ended and new ones refused. What
//	          belonged to the source's roles belongs to the target's
//	          afterwards, and the source's have no right in the copy. Without
//	          data the target is what the migrations make.
//	row       The tenant's rows of the shared tables are read and written as
//	          the tenants themselves. Tables in which a key does not contain
//	          tenant_id, or on which a trigger would fire, are refused.
//
// A target that exists and was not begun by an earlier Clone from the same
// source is refused, so that no tenant's data is ever replaced. After a failure the
// target is missing or is an empty, provisioned tenant, and calling Clone
// again finishes it; once it has succeeded, calling it again copies nothing.
//
// Only the provisioning is bounded by Config.Timeout; the copy takes as long
// as ctx allows. Nothing that a tenant left in its schema runs with other
// rights than that tenant's.
func (p *Provisioner) Clone(ctx context.Context, from, to *registry.Tenant, data bool) error {
	c := &copying{Provisioner: p}
	err := c.plans(from, to)
	if err == nil {
		err = c.run(ctx, data)
	}
	if err != nil {
		return fmt.Errorf("onboard: tenant %s: cloning %s: %w", to.ID, from.ID, brief(err))
	}
	return nil
}

// plans makes both plans, and refuses what cannot be copied into each other.
func (c *copying) plans(from, to *registry.Tenant) (err error) {
	if c.from, err = c.plan(from); err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	if c.to, err = c.plan(to); err != nil {
		return err
	}
	switch {
	case c.from.foreign || c.to.foreign:
		return refuse(ErrClone, "a tenant with a connection string of its own is not ours to copy from or to")
	case from.Isolation != to.Isolation:
		return refuse(ErrClone, "the source has isolation %s and the target %s; they must be the same", from.Isolation, to.Isolation)
	case from.Cluster != to.Cluster:
		return refuse(ErrClone, "the source is on cluster %s and the target on %s; they must be the same", from.Cluster, to.Cluster)
	case from.DDL != to.DDL:
		return refuse(ErrClone, "the source has ddl: %t and the target ddl: %t; they must be the same", from.DDL, to.DDL)
	case from.ID == to.ID || (c.from.key() == c.to.key() && !c.to.row()):
		return refuse(ErrClone, "source and target are the same place")
	}
	return nil
}

func (c *copying) run(ctx context.Context, data bool) error {
	switch c.to.tenant.Isolation {
	case registry.IsolationDatabase:
		return c.cloneDatabase(ctx, data)
	case registry.IsolationRow:
		return c.cloneTenant(ctx, data)
	case registry.IsolationSchema:
	}
	return c.cloneSchema(ctx, data)
}

// together works on both places: at the target's, with the source's locked as
// well. Migrations of the source wait.
func (c *copying) together(ctx context.Context, database string, do func(context.Context, *admin) error) error {
	return c.at(ctx, c.to, database, func(a *admin) error {
		if c.from.key() != c.to.key() {
			unlock, err := c.places.lock(ctx, c.from.key())
			if err != nil {
				return err
			}
			defer unlock()
			if err := c.alone(ctx, a, c.from); err != nil {
				return err
			}
		}
		return do(ctx, a)
	})
}

// step tells a step and does it.
func step(ctx context.Context, name string, do func() error) error {
	if err := tell(ctx, name); err != nil {
		return err
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// What the comment on a target says while it is being made, and afterwards.
// The source is a digest, because a tenant may read it.
func (c *copying) begun() string  { return "poolkeeper: being cloned from " + c.digest() }
func (c *copying) cloned() string { return "poolkeeper: cloned from " + c.digest() }

func (c *copying) digest() string {
	sum := sha256.Sum256([]byte(c.from.tenant.ID.String()))
	return hex.EncodeToString(sum[:8])
}
