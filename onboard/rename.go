package onboard

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// rename gives the spare the tenant's names, and reports whether it was still
// to be done.
func (p *Provisioner) rename(ctx context.Context, a *admin, from, to *plan) (renamed bool, err error) {
	err = again(ctx, func() error {
		claimed, err := a.claimed(ctx, from, to)
		if err != nil || claimed {
			return err
		}
		err = p.renameNow(ctx, a, from, to)
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
			err = cmp.Or(a.whyNot(ctx, refused, from, to), err)
		}
		renamed = err == nil
		return err
	})
	return renamed, err
}

func (p *Provisioner) renameNow(ctx context.Context, a *admin, from, to *plan) error {
	if to.tenant.Isolation == registry.IsolationDatabase {
		if err := a.endSessions(ctx, from.database, a.name); err != nil {
			return err
		}
	}
	statements, err := p.renaming(ctx, a, from, to)
	if err != nil {
		return err
	}
	return a.exec(ctx, "", statements...)
}

// whyNot is what is wrong with the spare when the server refused: somebody
// uses it, or somebody else claimed it meanwhile.
func (a *admin) whyNot(ctx context.Context, refused *pgconn.PgError, from, to *plan) error {
	switch refused.Code {
	case "55006":
		return refuse(ErrSpare, "somebody is connected to it")
	case "42704", "3F000", "3D000": // a role, a schema, a database is not there
		_, err := a.claimed(ctx, from, to)
		return err
	}
	return nil
}

// claimed reports whether the spare has the tenant's names already, and
// refuses what is neither that nor ready for it.
func (a *admin) claimed(ctx context.Context, from, to *plan) (bool, error) {
	spare, err := a.look(ctx, from.login)
	if err != nil {
		return false, err
	}
	there := spare.exists && spare.comment == from.comment("login")
	login, err := a.look(ctx, to.login)
	if err != nil {
		return false, err
	}
	if login.exists {
		login.hasOrphan = false // to be taken over by Provision only
		if err := login.belongs(to.login, to.comment("login")); err != nil || !there {
			return err == nil, err
		}
		return false, refuse(ErrConflict, "the tenant has been provisioned without the spare %s", from.tenant.ID)
	}
	if !there {
		return false, refuse(ErrSpare, "there is no login %s of %s", from.login, from.ownerOf)
	}
	if err := a.keep(ctx, from.login, spare, spare.comment, true); err != nil {
		return false, refuse(ErrSpare, "%v", err) // %v: a conflict of the spare is none of the tenant
	}
	return false, a.freeNames(ctx, from, to)
}

// freeNames refuses names that are taken, and a spare whose place is not its
// own.
func (a *admin) freeNames(ctx context.Context, from, to *plan) error {
	kind, places := "schema", "select nspname::text as name, pg_get_userbyid(nspowner)::text as owner from pg_namespace"
	if to.tenant.Isolation == registry.IsolationDatabase {
		kind, places = "database", "select datname::text as name, pg_get_userbyid(datdba)::text as owner from pg_database"
	}
	var owner, taken string
	query := "select coalesce((select owner from p where name = $1), ''), coalesce((select owner from p where name = $2), '') from (select) x"
	if err := a.QueryRow(ctx, "with p as ("+places+") "+query, from.place(), to.place()).Scan(&owner, &taken); err != nil {
		return err
	}
	if owner != from.placeOwner() {
		return refuse(ErrSpare, "its %s %s belongs to %q, not to %s", kind, from.place(), owner, from.placeOwner())
	}
	if taken != "" {
		return refuse(ErrConflict, "the %s %s exists and belongs to %s", kind, to.place(), taken)
	}
	if !to.hasOwner() {
		return nil
	}
	r, err := a.look(ctx, to.owner)
	if err == nil && r.exists {
		err = refuse(ErrConflict, "the role %s exists", to.owner)
	}
	return err
}

// renaming are the statements that make the spare the tenant's. The
// administrator is a member of the owner for no longer than that.
func (p *Provisioner) renaming(ctx context.Context, a *admin, from, to *plan) ([]string, error) {
	password, err := a.passwordStatement(ctx, to)
	if err != nil {
		return nil, err
	}
	settings, err := p.loginChanges(ctx, a, to, from.login)
	if err != nil {
		return nil, err
	}
	grant, err := a.grantOf(ctx, from.placeOwner())
	if err != nil {
		return nil, err
	}
	kind := "SCHEMA "
	if to.tenant.Isolation == registry.IsolationDatabase {
		kind = "DATABASE "
	}
	statements := []string{"ALTER " + kind + quote(from.place()) + " RENAME TO " + quote(to.place())}
	roles := []struct{ kind, from, to string }{{"login", from.login, to.login}}
	if to.hasOwner() {
		roles = append(roles, struct{ kind, from, to string }{"owner", from.owner, to.owner})
	}
	for _, r := range roles {
		comment, err := a.literal(ctx, to.comment(r.kind))
		if err != nil {
			return nil, err
		}
		statements = append(statements, "ALTER ROLE "+quote(r.from)+" RENAME TO "+quote(r.to), "COMMENT ON ROLE "+quote(r.to)+" IS "+comment)
	}
	statements = append(append(statements, settings...), password)
	if grant != "" {
		statements = append(append([]string{grant}, statements...), "REVOKE "+quote(to.placeOwner())+" FROM CURRENT_USER")
	}
	return statements, nil
}
