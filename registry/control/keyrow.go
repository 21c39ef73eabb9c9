package control

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// keyColumns are all of a key but its hash, in the order of scanKey; its last
// use comes after them.
const keyColumns = "k.id, k.version, k.tenant, k.name, k.scope, k.created_at, k.created_by, k.expires_at, k.revoked_at"

const selectKeys = "SELECT " + keyColumns + ", u.at FROM poolkeeper.keys k LEFT JOIN poolkeeper.key_uses u ON u.key = k.id"

func scanKey(row pgx.Row) (k apikey.Key, err error) {
	var expires, revoked, used *time.Time
	err = row.Scan(&k.ID, &k.Version, (*storedID)(&k.Tenant), &k.Name, &k.Scope, &k.CreatedAt, &k.CreatedBy, &expires, &revoked, &used)
	k.CreatedAt = k.CreatedAt.UTC()
	k.ExpiresAt, k.RevokedAt, k.LastUsed = timeOf(expires), timeOf(revoked), timeOf(used)
	return k, err
}

// timeOf is the zero time for NULL.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// optionalTime is NULL for the zero time.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// selectServedKeys is what verifying needs, in the order of keyring.read.
const selectServedKeys = "SELECT k.id, k.version, k.tenant, k.scope, k.hash, k.expires_at, k.revoked_at FROM poolkeeper.keys k"

// living leaves out what ended more than a day ago: nobody gets further with
// one of those than with a key that never was, and they would only grow in
// number.
const living = ` WHERE (k.revoked_at IS NULL OR k.revoked_at > clock_timestamp() - interval '1 day')
	AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp() - interval '1 day')`

// remembered is how long living keys are kept after their end.
const remembered = 24 * time.Hour

// keyring is what one look at the database found of the keys.
type keyring struct {
	keys    []apikey.Stored
	removed []string
	pepper  string // sealed; "" for none, or when there are no keys
}

// readAll reads every key that is to be served.
func (r *keyring) readAll(ctx context.Context, tx pgx.Tx) error {
	return r.read(ctx, tx, selectServedKeys+living+" ORDER BY k.tenant")
}

// readSince reads what came after the given change.
func (r *keyring) readSince(ctx context.Context, tx pgx.Tx, since int64) error {
	if err := r.read(ctx, tx, selectServedKeys+" WHERE k.version > $1 ORDER BY k.tenant", since); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, "SELECT id FROM poolkeeper.key_tombstones WHERE version > $1", since)
	if err != nil {
		return err
	}
	r.removed, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

// read adds the rows of a query, and what their hashes were made with.
func (r *keyring) read(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var of registry.ID
	r.keys, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (k apikey.Stored, err error) {
		var hash []byte
		var expires, revoked *time.Time
		err = row.Scan(&k.ID, &k.Version, (*storedID)(&k.Tenant), &k.Scope, &hash, &expires, &revoked)
		copy(k.Hash[:], hash)
		k.ExpiresAt, k.RevokedAt = timeOf(expires), timeOf(revoked)
		if k.Tenant == of {
			k.Tenant = of // one text for all keys of a tenant
		}
		of = k.Tenant
		return k, err
	})
	if err != nil || len(r.keys) == 0 {
		return err
	}
	r.pepper, err = sealedPepper(ctx, tx)
	return err
}
