package onboard

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Drop removes the tenant's data for good: it ends the sessions of the
// tenant's own login and of its reader, and removes its schema with everything in it, whoever
// made that, and what depends on it elsewhere (a view of the operator's that
// reads it), or its database, or its rows; then the roles that are its own, with
// what they may do and their large objects in other databases. A
// login that tenants share stays, and so does the schema that they share; a
// materialized view in there keeps what it has until it is refreshed.
//
// Running it again finishes what was cut short, and does nothing when nothing
// is left. What is not the tenant's by its owner or its comment is ErrConflict,
// before anything is changed; except that of a tenant whose status is pending,
// which has no data yet, it is left alone: it is why the tenant never became
// real, and what had been made must not stay for that. ErrInWay names what no
// end of a session takes away, or who holds the schema. ErrForeign: the record
// has a connection string of its own, and nothing is dropped. Nobody should be
// using the tenant any more: sessions of a shared login cannot be told apart,
// and are not ended.
func (p *Provisioner) Drop(ctx context.Context, t *registry.Tenant) error {
	return p.bounded(ctx, t, func(ctx context.Context) error {
		pl, err := p.plan(t)
		if err != nil {
			return err
		}
		if pl.foreign {
			return refuse(ErrForeign, "the tenant's dsn leads to it; drop there by hand what is to go")
		}
		return p.at(ctx, pl, pl.adminDatabase, func(home *admin) error { return p.drop(ctx, home, pl) })
	})
}

func (p *Provisioner) drop(ctx context.Context, home *admin, pl *plan) error {
	own, err := home.belongings(ctx, pl)
	if err == nil {
		err = own.inWay(ctx, home, pl)
	}
	if err != nil {
		return err
	}
	if pl.tenant.Isolation == registry.IsolationDatabase {
		return steps(ctx, home, pl, own.with([]work{
			{"drop: doors of the login", own.shut},
			{"drop: doors of the database", own.shutDatabase},
			{"drop: sessions", own.endSessions},
			{"drop: database", own.dropDatabase},
			{"drop: roles", own.dropRoles},
		}))
	}
	if !own.database {
		return steps(ctx, home, pl, own.with([]work{{"drop: roles", own.dropRoles}}))
	}
	inside, err := openAdmin(ctx, pl, pl.database)
	if err != nil {
		return err
	}
	defer inside.close(ctx)
	if err := own.look(ctx, inside, pl); err != nil {
		return err
	}
	err = steps(ctx, home, pl, own.with([]work{{"drop: doors of the login", own.shut}, {"drop: sessions", own.endSessions}}))
	if err == nil {
		err = p.hurry(ctx, inside)
	}
	if err == nil {
		err = heldBy(ctx, inside, pl, steps(ctx, inside, pl, p.emptying(own, pl)))
	}
	if err == nil {
		err = steps(ctx, home, pl, []work{{"drop: roles", own.dropRoles}})
	}
	return err
}

// emptying is the work inside the database.
func (p *Provisioner) emptying(own *belongings, pl *plan) []work {
	contents := work{"drop: schema", own.dropSchema}
	if pl.row() {
		contents = work{"drop: rows", p.dropRows(own)}
	}
	return []work{contents, {"drop: large objects", own.dropLarge}, {"drop: privileges", p.sharing(own.dropOwned)}}
}

// belongings are what is there and the tenant's own.
type belongings struct {
	login, owner bool // the roles
	readers      []string
	database     bool   // is there; with database isolation: and the tenant's
	schemaOwner  string // "" when the schema is not there
	deletion     string // of the rows, with row isolation; "" for none
}

// belongings looks what is there, and refuses what is somebody else's.
func (a *admin) belongings(ctx context.Context, pl *plan) (own *belongings, err error) {
	own = &belongings{}
	if !pl.shared {
		if own.login, err = a.owns(ctx, pl.login, pl.comment(kindLogin), !pl.unborn()); err != nil {
			return nil, err
		}
	}
	if own.readers, err = a.ownReaders(ctx, pl); err != nil {
		return nil, err
	}
	if own.owner, err = a.owns(ctx, pl.owner, pl.comment("owner"), pl.hasOwner() && !pl.unborn()); err != nil {
		return nil, err
	}
	if pl.tenant.Isolation == registry.IsolationDatabase {
		own.database, _, err = ownDatabase(ctx, a, pl)
		switch {
		case err != nil && pl.unborn() && errors.Is(err, ErrConflict):
			own.database, err = false, nil
		case err != nil:
			err = fmt.Errorf("database %s: %w", pl.database, err)
		}
	} else {
		own.database, err = a.yes(ctx, "select true from pg_database where datname = $1", pl.database)
	}
	return own, err
}

// unborn reports that the tenant never became real.
func (pl *plan) unborn() bool { return pl.tenant.Status == registry.StatusPending }

// owns reports whether a role is there and the tenant's own. Another's is
// refused where one is needed. A login that tenants once shared is left alone.
func (a *admin) owns(ctx context.Context, name, comment string, needed bool) (bool, error) {
	r, err := a.look(ctx, name)
	if err != nil || !r.exists || r.comment == sharedComment {
		return false, err
	}
	if r.comment != comment && !needed {
		return false, nil
	}
	r.hasOrphan = false // to be taken over by Provision only
	return r.comment == comment, r.belongs(name, comment)
}

// with puts the membership in the roles before the other work.
func (own *belongings) with(all []work) []work {
	return append([]work{{"drop: membership", own.join}}, all...)
}

// join lets the administrator act for the tenant's roles; both are to go.
func (own *belongings) join(ctx context.Context, a *admin, pl *plan) error {
	for _, role := range own.roles(pl) {
		if err := again(ctx, func() error { return a.join(ctx, role) }); err != nil {
			return err
		}
	}
	if pl.row() && own.owner {
		if err := again(ctx, func() error { return a.join(ctx, pl.owner) }); err != nil {
			return err
		}
	}
	return a.joinGivers(ctx, own.roles(pl))
}

// roles are those that go with the tenant. The owner of a shared schema stays.
func (own *belongings) roles(pl *plan) (roles []string) {
	if own.login {
		roles = append(roles, pl.login)
	}
	if own.owner && !pl.row() {
		roles = append(roles, pl.owner)
	}
	return append(roles, own.readers...)
}

// shut lets no new session of the logins in. Provision opens them again.
func (own *belongings) shut(ctx context.Context, a *admin, pl *plan) error {
	logins := own.readers
	if own.login {
		logins = append([]string{pl.login}, logins...)
	}
	if len(logins) == 0 {
		return nil
	}
	var statements []string
	for _, login := range logins {
		statements = append(statements, "ALTER ROLE "+quote(login)+" CONNECTION LIMIT 0")
	}
	return again(ctx, func() error { return a.exec(ctx, "", statements...) })
}

// endSessions ends those of the tenant's roles; in a database of its own those
// that the administrator has there as well.
func (own *belongings) endSessions(ctx context.Context, a *admin, pl *plan) error {
	if err := a.endSessions(ctx, "", own.roles(pl)...); err != nil {
		return err
	}
	if pl.tenant.Isolation != registry.IsolationDatabase || !own.database {
		return nil
	}
	return a.endSessions(ctx, pl.database, a.name)
}

// dropRoles removes the tenant's own roles. What they own in another database,
// other than large objects, keeps them there.
func (own *belongings) dropRoles(ctx context.Context, a *admin, pl *plan) error {
	roles := own.roles(pl)
	if len(roles) == 0 {
		return nil
	}
	if err := own.dropElsewhere(ctx, a, pl); err != nil {
		return err
	}
	err := again(ctx, func() error { return a.exec(ctx, "", "DROP ROLE "+quoteEach(roles)) })
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "2BP01" {
		return refuse(ErrInWay, "%s: %s; revoke or remove that by hand and drop the tenant again", refused.Message, refused.Detail)
	}
	if err == nil {
		a.forget(roles)
	}
	return err
}
