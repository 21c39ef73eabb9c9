package control

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// MaxKeys is how many active keys a tenant has at most.
const MaxKeys = 100

// maxKeyName bounds the name of a key, in characters.
const maxKeyName = 100

// NewKey says what a key is to be.
type NewKey struct {
	Tenant  registry.ID
	Name    string
	Scope   apikey.Scope
	Expires time.Time // zero: never
	By      string
}

// complete cleans the name and holds the rest to the rules.
func (k *NewKey) complete(now time.Time) error {
	k.Name = strings.Join(strings.Fields(k.Name), " ")
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	var wrong registry.Problems
	switch {
	case !utf8.ValidString(k.Name) || strings.ContainsFunc(k.Name, hidden):
		wrong = append(wrong, &registry.Problem{Field: "name", Message: "has characters that cannot be printed; write what people can read"})
	case utf8.RuneCountInString(k.Name) > maxKeyName:
		wrong = append(wrong, &registry.Problem{Field: "name", Message: fmt.Sprintf("is longer than %d characters; give a shorter one", maxKeyName)})
	}
	if k.Scope != apikey.ScopeWrite && k.Scope != apikey.ScopeRead {
		wrong = append(wrong, &registry.Problem{Field: "scope", Message: fmt.Sprintf("is %.20q; it must be write or read", string(k.Scope))})
	}
	if !k.Expires.IsZero() && !now.Before(k.Expires) {
		wrong = append(wrong, &registry.Problem{Field: "expires_at", Message: "has passed already; give a time to come, or none"})
	}
	if len(wrong) > 0 {
		return wrong
	}
	return nil
}

// CreateKey makes a key and returns its text, which nothing can show again.
// Spaces in the name are tidied. Errors: [ErrUnknown], [ErrKeyset],
// [ErrTooManyKeys], registry.Problems.
func (d *Database) CreateKey(ctx context.Context, k NewKey) (registry.Secret, apikey.Key, error) {
	if k.Tenant.IsZero() || k.Tenant.IsReader() {
		return registry.Secret{}, apikey.Key{}, unknown(k.Tenant)
	}
	if err := k.complete(time.Now()); err != nil {
		return registry.Secret{}, apikey.Key{}, err
	}
	text, id := apikey.Generate()
	var made apikey.Key
	err := d.writeTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, takeTurn); err != nil {
			return err
		}
		pepper, err := d.pepperForWriting(ctx, tx)
		if err != nil {
			return err
		}
		if err := roomForKey(ctx, tx, k.Tenant, id); err != nil {
			return err
		}
		const insert = `INSERT INTO poolkeeper.keys AS k (id, tenant, name, scope, hash, created_by, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ` + keyColumns + ", NULL::timestamptz"
		hash := pepper.Hash(text.Reveal(), k.Tenant, k.Scope)
		made, err = scanKey(tx.QueryRow(ctx, insert, id, k.Tenant.String(), k.Name, string(k.Scope), hash[:], k.By, optionalTime(k.Expires)))
		return err
	})
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "23503" {
		return registry.Secret{}, apikey.Key{}, unknown(k.Tenant)
	}
	if err != nil {
		return registry.Secret{}, apikey.Key{}, fmt.Errorf("control: making a key of tenant %q: %w", k.Tenant, err)
	}
	return text, made, nil
}

// roomForKey refuses one active key more than a tenant may have, beside the
// one of the id.
func roomForKey(ctx context.Context, tx pgx.Tx, tenant registry.ID, id string) error {
	const query = `SELECT count(*) FROM poolkeeper.keys WHERE tenant = $1 AND id <> $2
		AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())`
	var n int
	if err := tx.QueryRow(ctx, query, tenant.String(), id).Scan(&n); err != nil {
		return err
	}
	if n >= MaxKeys {
		return fmt.Errorf("%w: it has %d that are active; revoke one that is not used any more", ErrTooManyKeys, n)
	}
	return nil
}

// Keys lists the keys of a tenant, or of all for the zero ID, in the order of
// their ids, beginning after the given one. A limit of 0 means 100.
func (d *Database) Keys(ctx context.Context, tenant registry.ID, after string, limit int) ([]apikey.Key, error) {
	var c conditions
	if !tenant.IsZero() {
		c.add("k.tenant = ?", tenant.String())
	}
	if after != "" {
		c.add("k.id > ?", after)
	}
	if limit <= 0 {
		limit = defaultLimit
	}
	c.args = append(c.args, limit)
	rows, err := d.pool.Query(ctx, selectKeys+c.where()+" ORDER BY k.id LIMIT $"+strconv.Itoa(len(c.args)), c.args...)
	if err != nil {
		return nil, fmt.Errorf("control: listing keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (apikey.Key, error) { return scanKey(row) })
	if err != nil {
		return nil, fmt.Errorf("control: listing keys: %w", err)
	}
	return keys, nil
}

// RevokeKey ends a key at once and for good; again does nothing. Errors:
// [ErrNoKey].
func (d *Database) RevokeKey(ctx context.Context, tenant registry.ID, id string) (apikey.Key, error) {
	const revoke = "UPDATE poolkeeper.keys SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL"
	return d.changeKey(ctx, tenant, id, func(ctx context.Context, tx pgx.Tx, _ apikey.Key) error {
		_, err := tx.Exec(ctx, revoke, id)
		return err
	})
}

// ExpireKey sets when the key ends; the zero time means never. A time that has
// passed ends it at once. One that was revoked stays revoked. Errors:
// [ErrNoKey]; [ErrTooManyKeys] when it had ended and would come back.
func (d *Database) ExpireKey(ctx context.Context, tenant registry.ID, id string, at time.Time) (apikey.Key, error) {
	const expire = "UPDATE poolkeeper.keys SET expires_at = $2 WHERE id = $1 AND expires_at IS DISTINCT FROM $2"
	return d.changeKey(ctx, tenant, id, func(ctx context.Context, tx pgx.Tx, k apikey.Key) error {
		now, after := time.Now(), k
		after.ExpiresAt = at
		if k.Status(now) == apikey.StatusExpired && after.Status(now) == apikey.StatusActive {
			if err := roomForKey(ctx, tx, tenant, id); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, expire, id, optionalTime(at))
		return err
	})
}

// changeKey changes a key in the turn of this writer and returns what it
// became.
func (d *Database) changeKey(ctx context.Context, tenant registry.ID, id string, change func(context.Context, pgx.Tx, apikey.Key) error) (k apikey.Key, err error) {
	const find = selectKeys + " WHERE k.id = $1 AND k.tenant = $2"
	err = d.writeTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, takeTurn); err != nil {
			return err
		}
		before, err := scanKey(tx.QueryRow(ctx, find, id, tenant.String()))
		if err == nil {
			err = change(ctx, tx, before)
		}
		if err == nil {
			k, err = scanKey(tx.QueryRow(ctx, find, id, tenant.String()))
		}
		return err
	})
	switch {
	case err == nil:
		return k, nil
	case errors.Is(err, pgx.ErrNoRows):
		return apikey.Key{}, fmt.Errorf("%w: %.12q of tenant %q", ErrNoKey, id, tenant) // of a whole text no more than what is public
	default:
		return apikey.Key{}, fmt.Errorf("control: changing a key of tenant %q: %w", tenant, err)
	}
}
