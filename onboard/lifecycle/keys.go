package lifecycle

import (
	"context"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// keyDetail is what the trail says of a key: never its text.
type keyDetail struct {
	Key     string       `json:"key,omitempty"`
	Name    string       `json:"name,omitempty"`
	Scope   apikey.Scope `json:"scope,omitempty"`
	Expires string       `json:"expires_at,omitempty"`
}

// CreateKey makes an API key of a tenant and returns its text, which nothing
// shows again, when every process knows it, or after a moment. For a key that
// reads the tenant gets a reader first, when it has none; see
// [Operator.MakeReader]. Errors: ErrState, those of MakeReader, and those of
// control.Database.CreateKey.
func (o *Operator) CreateKey(ctx context.Context, by Actor, k control.NewKey) (registry.Secret, apikey.Key, error) {
	k.By = string(by)
	text, key, err := o.createKey(ctx, by, k)
	if err == nil {
		o.awaitKey(ctx, key) // who is given a key uses it at once, with any server
	}
	o.audit(ctx, by, "apikey.create", k.Tenant, keyDetail{key.ID, k.Name, k.Scope, expiry(k.Expires)}, err)
	return text, key, err
}

func (o *Operator) createKey(ctx context.Context, by Actor, k control.NewKey) (registry.Secret, apikey.Key, error) {
	r, err := o.db.Record(ctx, k.Tenant)
	if err == nil {
		err = provisionable(r)
	}
	switch {
	case err != nil || k.Scope != apikey.ScopeRead:
	case r.ReadLogin == "":
		err = o.MakeReader(ctx, by, k.Tenant)
	default: // its making may have been cut short
		err = o.makeReader(ctx, k.Tenant)
	}
	if err != nil {
		return registry.Secret{}, apikey.Key{}, err
	}
	return o.db.CreateKey(ctx, k)
}

// Keys lists the keys of a tenant, or of all for the zero ID, in the order of
// their ids; after is the id to page on.
func (o *Operator) Keys(ctx context.Context, tenant registry.ID, after string, limit int) ([]apikey.Key, error) {
	return o.db.Keys(ctx, tenant, after, limit)
}

// RevokeKey ends a key at once and for good. Revoking it twice is no error.
// Errors: control.ErrNoKey.
func (o *Operator) RevokeKey(ctx context.Context, by Actor, tenant registry.ID, id string) (apikey.Key, error) {
	key, err := o.db.RevokeKey(ctx, tenant, id)
	if err == nil {
		o.awaitKey(ctx, key)
	}
	o.audit(ctx, by, "apikey.revoke", tenant, keyDetail{Key: known(key, id), Name: key.Name, Scope: key.Scope}, err)
	return key, err
}

// ExpireKey sets when a key ends; the zero time means never. Errors:
// control.ErrNoKey, and those of control.Database.ExpireKey.
func (o *Operator) ExpireKey(ctx context.Context, by Actor, tenant registry.ID, id string, at time.Time) (apikey.Key, error) {
	key, err := o.db.ExpireKey(ctx, tenant, id, at)
	if err == nil {
		o.awaitKey(ctx, key)
	}
	o.audit(ctx, by, "apikey.expire", tenant, keyDetail{known(key, id), key.Name, key.Scope, expiry(at)}, err)
	return key, err
}

// awaitKey gives the other processes a moment to follow.
func (o *Operator) awaitKey(ctx context.Context, key apikey.Key) {
	waiting, cancel := context.WithTimeout(ctx, appliedWithin)
	defer cancel()
	if err := o.db.Applied(waiting, key.Version); err != nil {
		o.log.WarnContext(ctx, "not every replica has said that it follows", "key", key.ID, "version", key.Version, "error", err)
	}
}

// known is the id of a key for the trail. Who asked for one that is not there
// may have given its whole text instead: of that only what is public is kept.
func known(key apikey.Key, asked string) string {
	const id = 12 // signs of a key's id
	switch {
	case key.ID != "":
		return key.ID
	case len(asked) > id:
		return "(none)"
	}
	return asked
}

func expiry(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// countKeys counts what goes with a tenant.
func (o *Operator) countKeys(ctx context.Context, id registry.ID) (int, error) {
	const page = 1000
	n, after := 0, ""
	for {
		keys, err := o.db.Keys(ctx, id, after, page)
		n += len(keys)
		if err != nil || len(keys) < page {
			return n, err
		}
		after = keys[len(keys)-1].ID
	}
}
