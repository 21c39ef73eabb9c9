package onboard

import (
	"context"
	"fmt"
)

// database makes the tenant's own database, or checks that it is there and
// belongs to the tenant's owner.
func (p *Provisioner) database(ctx context.Context, home *admin, pl *plan) error {
	unlock, err := p.shares.lock(ctx, pl.tenant.Cluster)
	if err != nil {
		return err
	}
	defer unlock()
	if err := again(ctx, func() error { return createDatabase(ctx, home, pl) }); err != nil {
		return fmt.Errorf("database %s: %w", pl.database, privilege(err, home.name))
	}
	return nil
}

// needDatabase: the other isolations have theirs in a database that is there.
func needDatabase(ctx context.Context, home *admin, pl *plan) error {
	exists, err := home.yes(ctx, "select true from pg_database where datname = $1", pl.database)
	if err == nil && !exists {
		err = refuse(ErrCluster, "the database %s does not exist; tenants with schemas need one to be there", pl.database)
	}
	return err
}

// createDatabase lets nobody in before PUBLIC has lost its privileges. That
// the doors are still closed shows that an earlier try was cut short.
func createDatabase(ctx context.Context, home *admin, pl *plan) error {
	name := quote(pl.database)
	var owner string
	var open bool
	const query = "select pg_get_userbyid(datdba), datallowconn from pg_database where datname = $1"
	exists, err := one(home.Query(ctx, query, pl.database))(&owner, &open)
	if err != nil {
		return err
	}
	if exists && owner != pl.owner {
		return refuse(ErrConflict, "it exists and belongs to %s, not to %s", owner, pl.owner)
	}
	if !exists {
		// The one statement that cannot be in a transaction.
		if _, err := home.Exec(ctx, "CREATE DATABASE "+name+" OWNER "+quote(pl.owner)+" ALLOW_CONNECTIONS false"); err != nil {
			return err
		}
	}
	if exists && open {
		return nil
	}
	return home.exec(ctx, "",
		"REVOKE CONNECT, TEMPORARY ON DATABASE "+name+" FROM PUBLIC",
		"ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
}
