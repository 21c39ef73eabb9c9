package control

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// seasoning is the pepper that was opened last.
type seasoning struct {
	mu     sync.Mutex // guards what follows
	sealed string
	pepper apikey.Pepper
}

// sealedPepper is "" when there is none.
func sealedPepper(ctx context.Context, q querier) (sealed string, err error) {
	err = q.QueryRow(ctx, "SELECT sealed FROM poolkeeper.pepper").Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return sealed, err
}

// pepperForWriting returns the pepper of new keys, which the first one makes.
// It needs the turn.
func (d *Database) pepperForWriting(ctx context.Context, tx pgx.Tx) (apikey.Pepper, error) {
	sealed, err := sealedPepper(ctx, tx)
	if err != nil {
		return apikey.Pepper{}, err
	}
	if sealed != "" {
		return d.openPepper(sealed)
	}
	if d.keyset == nil {
		return apikey.Pepper{}, fmt.Errorf("%w: control.keyset is not set, and hashes of keys need a secret that is sealed with it; make one with \"poolkeeper keys generate\"", ErrKeyset)
	}
	sealed, err = d.keyset.Seal(registry.ID{}, fieldPepper, apikey.NewPepper().Secret())
	if err == nil {
		_, err = tx.Exec(ctx, "INSERT INTO poolkeeper.pepper (sealed) VALUES ($1)", sealed)
	}
	if err != nil {
		return apikey.Pepper{}, err
	}
	return d.openPepper(sealed)
}

// openPepper opens a pepper once for as long as it stays the same.
func (d *Database) openPepper(sealed string) (apikey.Pepper, error) {
	s := &d.seasoning
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed == sealed && sealed != "" {
		return s.pepper, nil
	}
	if d.keyset == nil {
		return apikey.Pepper{}, fmt.Errorf("%w: control.keyset is not set, and no API key can be verified without it", ErrKeyset)
	}
	text, err := d.keyset.Open(registry.ID{}, fieldPepper, sealed)
	if err != nil {
		return apikey.Pepper{}, fmt.Errorf("%w: no API key can be verified: %w", ErrKeyset, err)
	}
	pepper, err := apikey.ParsePepper(text)
	if err != nil {
		return apikey.Pepper{}, fmt.Errorf("%w: no API key can be verified: %w", ErrKeyset, err)
	}
	s.sealed, s.pepper = sealed, pepper
	return pepper, nil
}

// resealPepper seals the pepper anew; hashes stay as they are.
func (d *Database) resealPepper(ctx context.Context) (n int, err error) {
	err = d.writeTx(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, takeTurn); err != nil {
			return err
		}
		sealed, err := sealedPepper(ctx, tx)
		if err != nil || sealed == "" || d.keyset.Current(sealed) {
			return err
		}
		pepper, err := d.openPepper(sealed)
		if err != nil {
			return err
		}
		if sealed, err = d.keyset.Seal(registry.ID{}, fieldPepper, pepper.Secret()); err != nil {
			return err
		}
		n = 1
		_, err = tx.Exec(ctx, "UPDATE poolkeeper.pepper SET sealed = $1", sealed)
		return err
	})
	return n, err
}
