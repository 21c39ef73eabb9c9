package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// secretOf is the second part of the texts that the fake operator makes.
const secretOf = "ThisIsTheSecretPartOfTheKeyXXXXX"

func (o *fakeOperator) CreateKey(ctx context.Context, by lifecycle.Actor, k control.NewKey) (registry.Secret, apikey.Key, error) {
	if err := o.note(by, fmt.Sprintf("create key %q %s by %s", k.Name, k.Scope, k.By), k.Tenant); err != nil {
		return registry.Secret{}, apikey.Key{}, err
	}
	if k.Scope == apikey.ScopeRead {
		if err := o.MakeReader(ctx, by, k.Tenant); err != nil {
			return registry.Secret{}, apikey.Key{}, err
		}
	}
	if _, err := o.Record(ctx, k.Tenant); err != nil {
		return registry.Secret{}, apikey.Key{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	key := apikey.Key{
		ID: fmt.Sprintf("key%09d", len(o.keys)+1), Tenant: k.Tenant, Name: k.Name, Scope: k.Scope,
		CreatedAt: time.Unix(3, 0), CreatedBy: k.By, ExpiresAt: k.Expires,
	}
	o.keys = append(o.keys, key)
	return registry.NewSecret("pk_" + key.ID + "_" + secretOf), key, nil
}

func (o *fakeOperator) Keys(_ context.Context, tenant registry.ID, after string, limit int) ([]apikey.Key, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(o.keys), func(k apikey.Key) bool {
		return k.ID <= after || !tenant.IsZero() && k.Tenant != tenant
	})
	return all[:min(limit, len(all))], o.err
}

func (o *fakeOperator) alterKey(tenant registry.ID, id string, alter func(*apikey.Key)) (apikey.Key, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.keys, func(k apikey.Key) bool { return k.ID == id && k.Tenant == tenant })
	if i < 0 {
		return apikey.Key{}, fmt.Errorf("%w: %s of %s", control.ErrNoKey, id, tenant)
	}
	alter(&o.keys[i])
	return o.keys[i], nil
}

func (o *fakeOperator) RevokeKey(_ context.Context, by lifecycle.Actor, tenant registry.ID, id string) (apikey.Key, error) {
	if err := o.note(by, "revoke key "+id, tenant); err != nil {
		return apikey.Key{}, err
	}
	return o.alterKey(tenant, id, func(k *apikey.Key) { k.RevokedAt = time.Unix(30, 0) })
}

func (o *fakeOperator) ExpireKey(_ context.Context, by lifecycle.Actor, tenant registry.ID, id string, at time.Time) (apikey.Key, error) {
	if err := o.note(by, "expire key "+id, tenant); err != nil {
		return apikey.Key{}, err
	}
	return o.alterKey(tenant, id, func(k *apikey.Key) { k.ExpiresAt = at })
}

func (o *fakeOperator) MakeReader(_ context.Context, by lifecycle.Actor, tenant registry.ID) error {
	if err := o.note(by, "reader", tenant); err != nil {
		return err
	}
	_, err := o.update(tenant, 0, func(r *control.Record) error {
		if r.Isolation == registry.IsolationRow {
			return fmt.Errorf("%w: give %s an isolation of its own", registry.ErrNoReader, tenant)
		}
		r.ReadLogin, r.ReadPassword = strings.ReplaceAll(tenant.String(), "-", "_")+"_reader", registry.NewSecret("pw-reader")
		return nil
	})
	return err
}
