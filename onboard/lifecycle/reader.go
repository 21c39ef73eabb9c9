package lifecycle

import (
	"context"
	"fmt"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// patience is how long somebody who waits for the answer waits for those who
// work on the tenant.
const patience = 10 * time.Second

// MakeReader gives the tenant a second login, which can only read; see
// onboard.Provisioner.MakeReader for what it can. A tenant that has one keeps
// it, and what is missing of it is made. It returns when that works. One that
// was cut short is finished by the next, or by Provision. Errors: ErrState,
// ErrUnsupported for a tenant that cannot have one, control.BusyError.
func (o *Operator) MakeReader(ctx context.Context, by Actor, id registry.ID) error {
	err := o.makeReader(ctx, id)
	o.audit(ctx, by, "tenant.reader", id, nil, err)
	return err
}

func (o *Operator) makeReader(ctx context.Context, id registry.ID) error {
	r, err := o.db.Record(ctx, id)
	if err == nil {
		err = o.readable(r)
	}
	if err != nil {
		return err
	}
	return o.lockedWithin(ctx, patience, id, "reader", func(ctx context.Context) error { return o.readerIn(ctx, id) })
}

// readable refuses who can have no reader, or not now.
func (o *Operator) readable(r *control.Record) error {
	if err := provisionable(r); err != nil {
		return err
	}
	if r.State == registry.StatusPending {
		return refuse(ErrState, "%s is pending: %s; provision it first", r.ID, r.Reason)
	}
	if err := o.deps.Provisioner.Readable(&r.Tenant); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return nil
}

// readerIn writes the reader into the record and then makes it, so that what
// is on the server is known whatever happens.
func (o *Operator) readerIn(ctx context.Context, id registry.ID) error {
	r, err := o.db.Update(ctx, id, 0, func(r *control.Record) error {
		if err := o.readable(r); err != nil {
			return err
		}
		if r.ReadLogin == "" {
			r.ReadLogin, r.ReadPassword = registry.DerivedName(id, "_reader"), newPassword()
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := o.deps.Provisioner.MakeReader(ctx, &r.Tenant); err != nil {
		return err
	}
	o.awaitReplicas(ctx, r) // who gets a key that reads should find the reader
	return nil
}

// wholeReader mends the tenant's reader, if there is one, before a rotation
// begins: one that was half made, or that an administrator shut out, would
// otherwise be found out when the tenant's own password is another already.
func (o *Operator) wholeReader(ctx context.Context, j *job, id registry.ID) error {
	r, err := o.db.Record(ctx, id)
	if err == nil {
		err = rotatable(r)
	}
	if err != nil || r.ReadLogin == "" {
		return err
	}
	j.step("reader")
	if r.ReadPassword.IsZero() { // lost with the keyset
		r, err = o.db.Update(ctx, id, 0, func(r *control.Record) error {
			if r.ReadLogin != "" && r.ReadPassword.IsZero() {
				r.ReadPassword = newPassword()
			}
			return rotatable(r)
		})
	}
	if err != nil {
		return err
	}
	return o.deps.Provisioner.MendReader(ctx, &r.Tenant)
}

// rotateReader gives the tenant's reader a new password, if there is a reader.
// The record has it first: until the server has it too, whoever is refused
// there asks ReadPassword, which waits for this.
func (o *Operator) rotateReader(ctx context.Context, j *job, id registry.ID) error {
	r, err := o.db.Record(ctx, id)
	if err != nil || r.ReadLogin == "" {
		return err
	}
	j.step("reader's password in the record")
	r, err = o.db.Update(ctx, id, 0, func(r *control.Record) error {
		if r.ReadLogin != "" {
			r.ReadPassword = newPassword()
		}
		return rotatable(r)
	})
	if err == nil {
		err = o.deps.Provisioner.SetReadPassword(ctx, &r.Tenant)
	}
	if err == nil {
		o.awaitReplicas(ctx, r)
	}
	return err
}

// readPassword is Password for the record of a reader.
func (o *Operator) readPassword(ctx context.Context, t *registry.Tenant) (registry.Secret, error) {
	id := t.ID.Tenant()
	r, err := o.db.Record(ctx, id)
	switch {
	case err != nil:
		return registry.Secret{}, err
	case !r.Active():
		return registry.Secret{}, registry.ErrInactive
	case r.ReadLogin == "":
		return registry.Secret{}, registry.ErrNoReader
	case r.ReadPassword != t.Password:
		return r.ReadPassword, nil
	}
	return o.restoreReadPassword(ctx, id, t.Password)
}

// restoreReadPassword makes the server take the record's password again: the
// reader may have changed it, because its own role may.
func (o *Operator) restoreReadPassword(ctx context.Context, id registry.ID, refused registry.Secret) (password registry.Secret, err error) {
	restored := false
	err = o.lockedInTurn(ctx, id, "password", func(ctx context.Context) error {
		r, err := o.db.Record(ctx, id)
		if err != nil {
			return err
		}
		if password = r.ReadPassword; password != refused {
			return nil
		}
		works, err := o.deps.Provisioner.ReadPasswordWorks(ctx, &r.Tenant)
		if err != nil || works { // a rotation was under way
			return err
		}
		restored = true
		return o.deps.Provisioner.SetReadPassword(ctx, &r.Tenant)
	})
	if restored || err != nil {
		o.audit(ctx, "poolkeeper", "tenant.read_password_restored", id, nil, err)
	}
	return password, err
}
