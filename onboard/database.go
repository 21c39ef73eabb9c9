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
	for _, w := range []work{{"database", createDatabase}, {"doors of the database", openDatabase}} {
		if err = tell(ctx, w.name); err == nil {
			err = again(ctx, func() error { return w.do(ctx, home, pl) })
		}
		if err != nil {
			return fmt.Errorf("database %s: %w", pl.database, privilege(err, home.name))
		}
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

// ownDatabase reports whether the tenant's database is there and whether it
// lets anybody in. One that belongs to somebody else is refused.
func ownDatabase(ctx context.Context, home *admin, pl *plan) (exists, open bool, err error) {
	var owner string
	const query = "select pg_get_userbyid(datdba), datallowconn from pg_database where datname = $1"
	exists, err = one(home.Query(ctx, query, pl.database))(&owner, &open)
	if err == nil && exists && owner != pl.owner {
		err = refuse(ErrConflict, "it exists and belongs to %s, not to %s", owner, pl.owner)
	}
	return exists, open, err
}

// createDatabase makes a database that lets nobody in yet.
func createDatabase(ctx context.Context, home *admin, pl *plan) error {
	exists, _, err := ownDatabase(ctx, home, pl)
	if err != nil || exists {
		return err
	}
	if _, err := home.expel(ctx, inTemplate); err != nil {
		return err
	}
	// The one statement that cannot be in a transaction.
	_, err = home.Exec(ctx, "CREATE DATABASE "+quote(pl.database)+" OWNER "+quote(pl.owner)+" ALLOW_CONNECTIONS false")
	return err
}

// openDatabase lets nobody in before PUBLIC has lost its privileges. That the
// doors are still closed shows that this has not been done.
func openDatabase(ctx context.Context, home *admin, pl *plan) error {
	_, open, err := ownDatabase(ctx, home, pl)
	if err != nil || open {
		return err
	}
	name := quote(pl.database)
	return home.exec(ctx, "",
		"REVOKE CONNECT, TEMPORARY ON DATABASE "+name+" FROM PUBLIC",
		"ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
}
