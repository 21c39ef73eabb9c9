package onboard

import (
	"context"
	"fmt"
	"strings"
)

// marker is the comment of a role that Poolkeeper has made, in a query on
// pg_roles; null for other roles.
const marker = `(select d.description from pg_shdescription d
	where d.objoid = pg_roles.oid and d.classoid = 'pg_authid'::regclass and d.description like 'poolkeeper: %')`

// roles makes the owner, the login and the reader, and lets the administrator act for
// them.
func (p *Provisioner) roles(ctx context.Context, a *admin, pl *plan) error {
	unlock, err := p.shares.lock(ctx, pl.tenant.Cluster)
	if err != nil {
		return err
	}
	defer unlock()
	if pl.tenant.DDL && pl.shared {
		return refuse(ErrPower, "ddl: true needs a login of the tenant's own, and %s is shared", pl.login)
	}
	if pl.hasOwner() {
		if err := steps(ctx, a, pl, []work{{"role that owns", p.ownerRole}}); err != nil {
			return fmt.Errorf("role %s: %w", pl.owner, err)
		}
	}
	if err := steps(ctx, a, pl, []work{{"login", p.loginRole}, {"settings of the login", p.roleSettings}}); err != nil {
		return fmt.Errorf("login %s: %w", pl.login, err)
	}
	if pl.tenant.ReadLogin == "" {
		return nil
	}
	return p.readerRole(ctx, a, pl)
}

// role is what the catalogue says of one.
type role struct {
	exists    bool
	comment   string // ours, or ""
	login     bool
	limit     int      // of connections; -1 for none
	powers    []string // attributes beyond those of an ordinary role
	memberOf  []string
	hasOrphan bool // our comment names a database that is gone
}

// look reads a role.
func (a *admin) look(ctx context.Context, name string) (role, error) {
	const query = `select coalesce(comment, ''), rolcanlogin, rolconnlimit,
		array_remove(array[
			case when rolsuper then 'SUPERUSER' end, case when rolcreaterole then 'CREATEROLE' end,
			case when rolcreatedb then 'CREATEDB' end, case when rolreplication then 'REPLICATION' end,
			case when rolbypassrls then 'BYPASSRLS' end], null),
		array(select g.rolname::text from pg_auth_members m join pg_roles g on g.oid = m.roleid
			where m.member = pg_roles.oid order by 1),
		coalesce(strpos(comment, $2) > 0 and not exists (select from pg_database d
			where d.datname = substr(comment, strpos(comment, $2) + length($2))::name), false)
		from pg_roles, lateral (select ` + marker + ` as comment) c where rolname = $1`
	var r role
	var err error
	r.exists, err = one(a.Query(ctx, query, name, inDatabase))(&r.comment, &r.login, &r.limit, &r.powers, &r.memberOf, &r.hasOrphan)
	return r, err
}

// inDatabase stands in a comment before the database's name, which is the
// rest.
const inDatabase = " in database "

// comment says for whom a role was made.
func (pl *plan) comment(kind string) string {
	return "poolkeeper: " + kind + " of " + pl.ownerOf + inDatabase + pl.database
}

const sharedComment = "poolkeeper: shared login"

// ordinary refuses a role that can do more than its place needs.
func (r role) ordinary(name string) error {
	if len(r.powers) > 0 {
		return refuse(ErrPower, "%s has %s", name, strings.Join(r.powers, ", "))
	}
	if len(r.memberOf) > 0 {
		return refuse(ErrPower, "%s is a member of %s", name, strings.Join(r.memberOf, ", "))
	}
	return nil
}

// belongs refuses a role that was made for somebody else.
func (r role) belongs(name, comment string) error {
	if r.comment == comment || r.hasOrphan {
		return nil
	}
	whose := "was not made by Poolkeeper"
	if r.comment != "" {
		whose = "is the " + strings.TrimPrefix(r.comment, "poolkeeper: ")
	}
	return refuse(ErrConflict, "the role %s exists and %s; rename one of the two, or give it away with COMMENT ON ROLE %s IS '%s'",
		name, whose, quote(name), comment)
}

// ownerRole makes the role that owns, or checks the one that is there.
func (p *Provisioner) ownerRole(ctx context.Context, a *admin, pl *plan) error {
	return again(ctx, func() error {
		r, err := a.look(ctx, pl.owner)
		if err != nil {
			return err
		}
		comment := pl.comment("owner")
		if !r.exists {
			err = a.create(ctx, pl.owner, comment, "NOLOGIN")
		} else if err = r.belongs(pl.owner, comment); err == nil {
			err = a.keep(ctx, pl.owner, r, comment, false)
		}
		if err != nil {
			return err
		}
		return a.join(ctx, pl.owner)
	})
}

// loginRole makes the login, or checks the one that is there.
func (p *Provisioner) loginRole(ctx context.Context, a *admin, pl *plan) error {
	return again(ctx, func() error {
		r, err := a.look(ctx, pl.login)
		if err != nil {
			return err
		}
		comment := pl.comment(pl.kind)
		if pl.shared {
			comment = sharedComment
		}
		switch {
		case !r.exists:
			if err := checkPassword(pl.user.Password); err != nil {
				return err
			}
			err = a.create(ctx, pl.login, comment, "LOGIN")
		case pl.shared && r.comment == "":
			// Somebody else's login, which tenants share: no power over
			// rows, but otherwise as it is.
			return sharedFit(r, pl)
		default:
			if err = r.belongs(pl.login, comment); err == nil {
				err = a.keep(ctx, pl.login, r, comment, true)
			}
		}
		if err != nil {
			return err
		}
		if pl.ownsSchema() == pl.login {
			return a.join(ctx, pl.login)
		}
		return nil
	})
}

// sharedFit refuses a shared login that row policies do not hold.
func sharedFit(r role, pl *plan) error {
	if !pl.row() {
		return nil
	}
	for _, power := range r.powers {
		if power == "SUPERUSER" || power == "BYPASSRLS" {
			return refuse(ErrPower, "%s has %s, so policies on rows do not hold it; name another login in the cluster's dsn", pl.login, power)
		}
	}
	return nil
}

// create makes a role with nothing but the given attribute.
func (a *admin) create(ctx context.Context, name, comment, attribute string) error {
	literal, err := a.literal(ctx, comment)
	if err != nil {
		return err
	}
	return a.exec(ctx, "",
		"CREATE ROLE "+quote(name)+" "+attribute+" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
		"COMMENT ON ROLE "+quote(name)+" IS "+literal)
}

// keep checks a role of ours, and renews the comment of one whose database is
// gone.
func (a *admin) keep(ctx context.Context, name string, r role, comment string, login bool) error {
	if err := r.ordinary(name); err != nil {
		return err
	}
	if r.login != login {
		undo := "LOGIN"
		if !login {
			undo = "NOLOGIN"
		}
		return refuse(ErrConflict, "the role %s was changed: LOGIN is %t and should be %t; take that back with ALTER ROLE %s %s",
			name, r.login, login, quote(name), undo)
	}
	if r.comment == comment {
		return nil
	}
	literal, err := a.literal(ctx, comment)
	if err != nil {
		return err
	}
	return a.exec(ctx, "", "COMMENT ON ROLE "+quote(name)+" IS "+literal)
}
