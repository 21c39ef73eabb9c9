package onboard

import (
	"context"
	"fmt"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Claim makes a provisioned spare the tenant's: its schema or database and its
// roles get the tenant's names, and the login the tenant's password, limit and
// settings, all in one transaction; then it tries a connection as the tenant.
// Objects keep what they are, so what a migration wrote down as text (the name
// of the schema in a function's body or in a row) still names the spare.
// Whether the spare's migrations are the newest is the caller's to know.
//
// Running it again finishes what was cut short. ErrSpare: the spare is not
// there, is in use, or differs from the tenant in cluster, isolation, database
// or ddl; another spare, or Provision, will do. ErrConflict: a name of the
// tenant's is taken.
func (p *Provisioner) Claim(ctx context.Context, spare, t *registry.Tenant) error {
	return p.bounded(ctx, t, func(ctx context.Context) error {
		from, err := p.plan(spare)
		if err != nil {
			return fmt.Errorf("the spare %s: %w", spare.ID, err)
		}
		to, err := p.plan(t)
		if err != nil {
			return err
		}
		if err := from.becomes(to); err != nil {
			return err
		}
		place := to.database
		if t.Isolation == registry.IsolationDatabase {
			place = to.adminDatabase // a database is renamed from outside
		}
		return p.at(ctx, to, place, func(a *admin) error { return p.claim(ctx, a, from, to) })
	})
}

// becomes refuses a spare that no renaming makes the tenant.
func (pl *plan) becomes(to *plan) error {
	from, t := pl.tenant, to.tenant
	switch {
	case pl.foreign || to.foreign || pl.shared || to.shared || pl.row() || to.row():
		return refuse(ErrSpare, "only a schema or a database with a login of the tenant's own can be renamed")
	case from.Cluster != t.Cluster:
		return refuse(ErrSpare, "it is on cluster %s, and the tenant on %s", from.Cluster, t.Cluster)
	case from.Isolation != t.Isolation || from.DDL != t.DDL:
		return refuse(ErrSpare, "it has isolation %s, ddl %t, and the tenant %s, ddl %t", from.Isolation, from.DDL, t.Isolation, t.DDL)
	case t.Isolation == registry.IsolationSchema && pl.database != to.database:
		return refuse(ErrSpare, "it is in database %s, and the tenant in %s", pl.database, to.database)
	case t.Isolation == registry.IsolationDatabase && pl.schema != to.schema:
		return refuse(ErrSpare, "it has schema %s, and the tenant %s", pl.schema, to.schema)
	case from.ReadLogin != "" || t.ReadLogin != "":
		return refuse(ErrSpare, "a reader is made for a tenant that is there; neither it nor the tenant may have one yet")
	case pl.owner == to.owner || pl.login == to.login || pl.place() == to.place():
		return refuse(ErrSpare, "it and the tenant have a name in common")
	}
	return nil
}

func (p *Provisioner) claim(ctx context.Context, a *admin, from, to *plan) error {
	unlock, err := p.places.lock(ctx, from.key()) // no claim has a spare as its tenant
	if err != nil {
		return err
	}
	defer unlock()
	renamed := false
	rename := func(ctx context.Context, a *admin, _ *plan) (err error) {
		renamed, err = p.rename(ctx, a, from, to)
		return err
	}
	if err := steps(ctx, a, to, []work{{"claim: names", rename}}); err != nil {
		return err
	}
	rest := []work{{"connection as the tenant", p.tryLogin}}
	if !renamed { // an earlier call did, and something may have changed since
		rest = append([]work{{"settings of the login", p.roleSettings}, {"password of the login", p.password}}, rest...)
	}
	if err := steps(ctx, a, to, rest); err != nil || a.super {
		return err
	}
	return a.adopt(ctx, to.placeOwner())
}
