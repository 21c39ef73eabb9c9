package onboard

import (
	"context"
	"slices"
	"strings"
)

// quoteEach returns a list of identifiers.
func quoteEach(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}

// forget is for roles that are gone: no membership in them is left.
func (a *admin) forget(roles []string) {
	a.takes = slices.DeleteFunc(a.takes, func(role string) bool { return slices.Contains(roles, role) })
}

// look reads what is inside the database, and refuses what is not the
// tenant's.
func (own *belongings) look(ctx context.Context, inside *admin, pl *plan) (err error) {
	if own.schemaOwner, err = own.checkSchema(ctx, inside, pl); err != nil || own.schemaOwner == "" || !pl.row() {
		return err
	}
	own.deletion, err = deletion(ctx, inside, pl)
	return err
}

// checkSchema returns who owns the schema, "" when it is not there, and
// refuses one that is not the tenant's.
func (own *belongings) checkSchema(ctx context.Context, inside *admin, pl *plan) (string, error) {
	var owner string
	const query = "select pg_get_userbyid(nspowner)::text from pg_namespace where nspname = $1"
	exists, err := one(inside.Query(ctx, query, pl.schema))(&owner)
	if err != nil || !exists {
		return "", err
	}
	if (own.owner && owner == pl.owner) || (own.login && owner == pl.login) {
		return owner, nil
	}
	if pl.unborn() {
		return "", nil
	}
	return "", refuse(ErrConflict, "the schema %s belongs to %s, which is not a role of the tenant's; nothing was dropped", pl.schema, owner)
}

// dropSchema removes the schema as its owner, who may remove what others made
// in it.
func (own *belongings) dropSchema(ctx context.Context, a *admin, pl *plan) error {
	if own.schemaOwner == "" {
		return nil
	}
	if err := own.shrink(ctx, a, pl); err != nil {
		return err
	}
	return again(ctx, func() error {
		return a.exec(ctx, own.schemaOwner, "DROP SCHEMA IF EXISTS "+quote(pl.schema)+" CASCADE")
	})
}

// dropLarge removes the large objects of the tenant's roles in the database,
// which lie in no schema, before dropOwned would lock them all at once.
func (own *belongings) dropLarge(ctx context.Context, a *admin, pl *plan) error {
	return a.unlink(ctx, own.roles(pl))
}

// dropOwned removes what else belongs to the tenant's roles in the database,
// and takes every privilege from them.
func (own *belongings) dropOwned(ctx context.Context, a *admin, pl *plan) error {
	roles := own.roles(pl)
	if len(roles) == 0 {
		return nil
	}
	return a.exec(ctx, "", "DROP OWNED BY "+quoteEach(roles)+" CASCADE")
}

// shutDatabase lets nobody into the database any more. Provision opens it
// again.
func (own *belongings) shutDatabase(ctx context.Context, a *admin, pl *plan) error {
	if !own.database {
		return nil
	}
	return again(ctx, func() error { return a.exec(ctx, "", "ALTER DATABASE "+quote(pl.database)+" ALLOW_CONNECTIONS false") })
}

// dropDatabase ends the sessions of others in it too, where the administrator
// may.
func (own *belongings) dropDatabase(ctx context.Context, a *admin, pl *plan) error {
	if !own.database {
		return nil
	}
	return again(ctx, func() error {
		// cannot be in a transaction
		_, err := a.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(pl.database)+" WITH (FORCE)")
		return err
	})
}
