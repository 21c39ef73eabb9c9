package lifecycle

import (
	"cmp"
	"context"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Rotate gives the tenant's login a new password, and its reader, if it has
// one, too. Of the login the record holds both while the server changes from
// one to the other, so that no replica is ever without one that works; of the
// reader the newer, and who comes too early waits. What is missing of a reader
// is made; where it cannot be, nothing is changed. Errors: ErrState, ErrInput.
func (o *Operator) Rotate(ctx context.Context, by Actor, id registry.ID) (control.Operation, error) {
	r, err := o.db.Record(ctx, id)
	if err == nil {
		err = rotatable(r)
	}
	if err != nil {
		return control.Operation{}, err
	}
	op := control.Operation{Kind: "rotate", Tenant: id, Actor: string(by)}
	return o.begin(ctx, op, func(ctx context.Context, j *job) error {
		err := o.locked(ctx, id, "rotate", func(ctx context.Context) error { return o.rotate(ctx, j, id, newPassword()) })
		o.audit(ctx, by, "tenant.rotate", id, nil, err)
		return err
	})
}

func rotatable(r *control.Record) error {
	switch {
	case r.State == registry.StatusPending, r.State == registry.StatusRetired, r.Deleting:
		return refuse(ErrState, "%s is %s", r.ID, r.State)
	case !r.DSN.IsZero():
		return refuse(ErrInput, "dsn: %s has a connection string of its own, whose password is its database's business", r.ID)
	case r.Login == "":
		return refuse(ErrInput, "login: %s shares the cluster's login, whose password belongs to the configuration", r.ID)
	}
	return nil
}

// rotate changes the password to next, or to the one that an earlier try,
// which was cut short, had chosen.
func (o *Operator) rotate(ctx context.Context, j *job, id registry.ID, next registry.Secret) error {
	if err := o.wholeReader(ctx, j, id); err != nil {
		return err
	}
	j.step("next password in the record")
	r, err := o.db.Update(ctx, id, 0, func(r *control.Record) error {
		if err := rotatable(r); err != nil {
			return err
		}
		if r.NextPassword.IsZero() {
			r.NextPassword = next
		}
		return nil
	})
	if err != nil {
		return err
	}
	o.awaitReplicas(ctx, r)
	if err := o.deps.Provisioner.SetPassword(ctx, &r.Tenant); err != nil {
		return err
	}
	j.step("record")
	r, err = o.db.Update(ctx, id, 0, func(r *control.Record) error {
		r.Password, r.NextPassword = r.NextPassword, registry.Secret{}
		return nil
	})
	if err != nil {
		return err
	}
	o.awaitReplicas(ctx, r)
	return o.rotateReader(ctx, j, id)
}

// Password returns the password to try for a tenant whose login was refused:
// the record's, when it is another by now, or the same after the server was
// made to take it. It is what pools.Config.Refresh asks, also for readers,
// which come with their own record.
func (o *Operator) Password(ctx context.Context, t *registry.Tenant) (registry.Secret, error) {
	if t.ID.IsReader() {
		return o.readPassword(ctx, t)
	}
	r, err := o.db.Record(ctx, t.ID)
	switch {
	case err != nil:
		return registry.Secret{}, err
	case !r.Active():
		return registry.Secret{}, registry.ErrInactive
	case r.Login == "" || !r.DSN.IsZero() || !another(r, t).IsZero():
		return another(r, t), nil // one that is not ours to set has to do
	}
	return o.restorePassword(ctx, t)
}

// another is the password of the record that t does not have; zero for none.
func another(r *control.Record, t *registry.Tenant) registry.Secret {
	for _, s := range []registry.Secret{r.Password, r.NextPassword} {
		if s != t.Password && s != t.NextPassword {
			return s
		}
	}
	return registry.Secret{}
}

// restorePassword makes the server take the record's password again: the
// tenant may have changed it, because its own role may. A rotation that was
// under way is waited for, and its password is not set back.
func (o *Operator) restorePassword(ctx context.Context, t *registry.Tenant) (password registry.Secret, err error) {
	restored := false
	err = o.lockedInTurn(ctx, t.ID, "password", func(ctx context.Context) error {
		r, err := o.db.Record(ctx, t.ID)
		if err != nil {
			return err
		}
		if password = another(r, t); !password.IsZero() {
			return nil
		}
		restored, password = true, cmp.Or(r.NextPassword, r.Password)
		return o.deps.Provisioner.SetPassword(ctx, &r.Tenant)
	})
	if restored || err != nil {
		o.audit(ctx, "poolkeeper", "tenant.password_restored", t.ID, nil, err)
	}
	return password, err
}
