package onboard

import (
	"context"

	"github.com/poolkeeper/poolkeeper/registry"
)

// SetPassword makes the record's NextPassword, or its Password where there is
// no next one, the password of the tenant's own login, and tries it. It does
// not look whether it is already: a server that asks for no password could not
// tell, and doing it again does no harm. Sessions that are open stay open.
//
// ErrForeign: the record has a connection string of its own. ErrConflict: the
// login is shared by several tenants, is not there, is not the tenant's, or
// was kept from logging in by hand.
func (p *Provisioner) SetPassword(ctx context.Context, t *registry.Tenant) error {
	return p.bounded(ctx, t, func(ctx context.Context) error {
		pl, err := p.plan(t)
		if err != nil {
			return err
		}
		switch {
		case pl.foreign:
			return refuse(ErrForeign, "the password is a part of the tenant's dsn; change both by hand")
		case pl.shared:
			return refuse(ErrConflict, "the login %s is shared by several tenants; change its password by hand", pl.login)
		}
		if !t.NextPassword.IsZero() {
			pl.user.Password = t.NextPassword.Reveal()
		}
		return p.at(ctx, pl, pl.adminDatabase, func(home *admin) error {
			return steps(ctx, home, pl, []work{
				{"new password of the login", p.newPassword},
				{"connection as the tenant", p.tryLogin},
			})
		})
	})
}

func (p *Provisioner) newPassword(ctx context.Context, a *admin, pl *plan) error {
	if _, err := a.ownLogin(ctx, pl); err != nil {
		return err
	}
	statement, err := a.passwordStatement(ctx, pl)
	if err != nil {
		return err
	}
	return again(ctx, func() error { return a.exec(ctx, "", statement) })
}

// passwordStatement sets the password that the tenant will log in with.
func (a *admin) passwordStatement(ctx context.Context, pl *plan) (string, error) {
	verify, err := verifier(pl.user.Password)
	if err != nil {
		return "", err
	}
	literal, err := a.literal(ctx, verify)
	return "ALTER ROLE " + quote(pl.login) + " PASSWORD " + literal + " VALID UNTIL 'infinity'", err
}
