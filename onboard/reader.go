package onboard

import (
	"context"
	"fmt"
	"slices"

	"github.com/poolkeeper/poolkeeper/registry"
)

// The kinds of logins, as their comments have them.
const (
	kindLogin  = "login"
	kindReader = "reader"
)

// Readable reports why a tenant cannot have a reader, nil when it can. The
// error is registry.ErrNoReader, or what is wrong with the record.
func (p *Provisioner) Readable(t *registry.Tenant) error {
	pl, err := p.plan(t)
	if err == nil {
		err = pl.readable()
	}
	if err != nil {
		return fmt.Errorf("onboard: tenant %s: %w", t.ID, err)
	}
	return nil
}

func (pl *plan) readable() error {
	switch {
	case pl.foreign:
		return refuse(registry.ErrNoReader, "it has a connection string of its own, and the roles there are not Poolkeeper's")
	case pl.row():
		return refuse(registry.ErrNoReader, "with isolation row tenants share their tables, and a login that reads them is nobody's alone; give it isolation schema or database")
	case pl.shared:
		return refuse(registry.ErrNoReader, "the login %s is shared by several tenants; give the tenant one of its own", pl.login)
	}
	return nil
}

// MakeReader makes the tenant's reader, or mends it: the record's ReadLogin
// with its ReadPassword, which may read what the tenant's own login may read,
// and change nothing. Then it tries a connection as the reader. Provision does
// the same besides all else; this leaves everything else as it is. The tenant
// must have been provisioned. registry.ErrNoReader: the record has no
// ReadLogin, or cannot have one.
//
// PostgreSQL knows rights that are given and none that are denied, so what the
// tenant itself opens to everybody is open to its reader: a function with
// SECURITY DEFINER runs with the rights of its owner whoever calls it, and what
// is granted to PUBLIC is granted to the reader. With ddl: true the tenant can
// also grant its reader more until it is provisioned again.
func (p *Provisioner) MakeReader(ctx context.Context, t *registry.Tenant) error {
	return p.asReader(ctx, t, p.makeReader)
}

func (p *Provisioner) makeReader(ctx context.Context, home *admin, pl *plan) error {
	if err := p.readerAlone(ctx, home, pl); err != nil {
		return err
	}
	inside, err := openAdmin(ctx, pl, pl.database)
	if err != nil {
		return err
	}
	defer inside.close(ctx)
	return p.letRead(ctx, inside, pl)
}

// MendReader is MakeReader for a reader that cannot be used as it is; one that
// can is left alone. Before anything is changed it refuses what SetPassword and
// SetReadPassword would refuse, with the same errors.
func (p *Provisioner) MendReader(ctx context.Context, t *registry.Tenant) error {
	return p.asReader(ctx, t, func(ctx context.Context, home *admin, pl *plan) error {
		if _, err := home.ownLogin(ctx, pl); err != nil {
			return err
		}
		reader := pl.reading()
		if _, err := home.ownLogin(ctx, reader); err == nil && p.tryTenant(ctx, reader) == nil {
			return nil
		}
		return p.makeReader(ctx, home, pl) // which says what is wrong
	})
}

// readerAlone makes the role of a tenant that is there, and lets the
// administrator act for those that give it its rights.
func (p *Provisioner) readerAlone(ctx context.Context, home *admin, pl *plan) error {
	unlock, err := p.shares.lock(ctx, pl.tenant.Cluster)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := home.ownLogin(ctx, pl); err != nil {
		return err
	}
	for _, role := range []string{pl.placeOwner(), pl.ownsSchema()} {
		if err := again(ctx, func() error { return home.join(ctx, role) }); err != nil {
			return err
		}
	}
	return p.readerRole(ctx, home, pl)
}

// SetReadPassword makes the record's ReadPassword the password of the tenant's
// reader, and tries it. Sessions that are open stay open. registry.ErrNoReader:
// the record has no ReadLogin, or cannot have one. ErrConflict: the role is not
// there, is not the tenant's, or was kept from logging in by hand.
func (p *Provisioner) SetReadPassword(ctx context.Context, t *registry.Tenant) error {
	return p.asReader(ctx, t, func(ctx context.Context, home *admin, pl *plan) error {
		return steps(ctx, home, pl.reading(), []work{
			{"new password of the reader", p.newPassword},
			{"connection as the reader", p.tryLogin},
		})
	})
}

// ReadPasswordWorks reports whether the server takes the record's ReadPassword.
// registry.ErrNoReader: the record has no ReadLogin, or cannot have one.
func (p *Provisioner) ReadPasswordWorks(ctx context.Context, t *registry.Tenant) (works bool, err error) {
	err = p.asReader(ctx, t, func(ctx context.Context, _ *admin, pl *plan) error {
		works, err = passwordWorks(ctx, pl.reading())
		return err
	})
	return works, err
}

// asReader has work done for a tenant that has a reader.
func (p *Provisioner) asReader(ctx context.Context, t *registry.Tenant, do func(context.Context, *admin, *plan) error) error {
	return p.bounded(ctx, t, func(ctx context.Context) error {
		pl, err := p.plan(t)
		switch {
		case err != nil:
			return err
		case t.ReadLogin == "":
			return refuse(registry.ErrNoReader, "the record names none; make one")
		}
		if err := pl.readable(); err != nil {
			return err
		}
		return p.at(ctx, pl, pl.adminDatabase, func(home *admin) error { return do(ctx, home, pl) })
	})
}

// reading is the plan of the tenant's reader: the login is the reader's, and
// whoever makes the tenant's tables owns them.
func (pl *plan) reading() *plan {
	t := *pl.tenant
	t.DDL, t.Login, t.Password, t.NextPassword = false, t.ReadLogin, t.ReadPassword, registry.Secret{}
	r := *pl
	r.tenant, r.owner, r.writer, r.login, r.kind = &t, pl.ownsSchema(), pl.login, t.ReadLogin, kindReader
	r.user = pl.user.Copy()
	r.user.User, r.user.Password = t.Login, t.Password.Reveal()
	return &r
}

// checkReader refuses a reader that is somebody else too.
func (pl *plan) checkReader() error {
	name := pl.tenant.ReadLogin
	if name == "" {
		return nil
	}
	if err := checkRole(name); err != nil {
		return err
	}
	if slices.Contains([]string{pl.login, pl.owner, pl.admin.User}, name) {
		return refuse(ErrName, "read_login %q is a login or an owner already; a reader is a role of its own", name)
	}
	return nil
}

// readerRole makes the reader, which can do nothing yet.
func (p *Provisioner) readerRole(ctx context.Context, a *admin, pl *plan) error {
	if err := pl.readable(); err != nil {
		return err
	}
	pl = pl.reading()
	if err := steps(ctx, a, pl, []work{{"reader", p.loginRole}, {"settings of the reader", p.roleSettings}}); err != nil {
		return fmt.Errorf("reader %s: %w", pl.login, err)
	}
	return nil
}

// letRead gives the reader its rights and last its password, so that a reader
// that gets in sees everything.
func (p *Provisioner) letRead(ctx context.Context, inside *admin, pl *plan) error {
	pl = pl.reading()
	err := steps(ctx, inside, pl, []work{
		{"right to connect of the reader", p.sharing(grantConnectAlone)},
		{"limit of the reader's files", p.sharing(func(ctx context.Context, a *admin, pl *plan) error { return a.limitFiles(ctx, pl, pl.tenant.ReadLogin) })},
		{"privileges of the reader", p.grantReading},
		{"password of the reader", p.password},
		{"connection as the reader", p.tryLogin},
	})
	if err != nil {
		return fmt.Errorf("reader %s: %w", pl.login, err)
	}
	return nil
}

// readers are the roles that were made as the tenant's reader, whatever its
// record says by now.
func (pl *plan) readers(ctx context.Context, db querier) ([]string, error) {
	return texts(ctx, db, "select rolname::text from pg_roles where "+marker+" = $1 order by 1", pl.comment(kindReader))
}

// ownReaders are the tenant's readers. One of the record's name that is
// somebody else's is refused.
func (a *admin) ownReaders(ctx context.Context, pl *plan) ([]string, error) {
	if name := pl.tenant.ReadLogin; name != "" {
		if _, err := a.owns(ctx, name, pl.comment(kindReader), !pl.unborn()); err != nil {
			return nil, err
		}
	}
	return pl.readers(ctx, a)
}

// limitReader is limit for the reader, which is not there when its making was
// cut short.
func (p *Provisioner) limitReader(ctx context.Context, a *admin, pl *plan) error {
	r, err := a.look(ctx, pl.login)
	if err != nil || !r.exists {
		return err
	}
	return p.limit(ctx, a, pl)
}
