package control

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// The fields that sealed values are bound to. They are stored with the data:
// never rename one.
const (
	fieldPassword     = "password"
	fieldNextPassword = "next_password"
	fieldReadPassword = "read_password"
	fieldDSN          = "dsn"
	fieldCanary       = "canary"
	fieldPepper       = "pepper"
)

// canary is what the database proves the keyset with.
const canary = "poolkeeper"

// isReference reports whether a text refers to a secret instead of being one.
func isReference(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

// put returns what is stored for a secret: a reference as it is, or sealed.
func (d *Database) put(id registry.ID, field string, secret registry.Secret) (string, error) {
	text := secret.Reveal()
	switch path, isFile := strings.CutPrefix(text, "file:"); {
	case text == "":
		return "", nil
	case isFile && !filepath.IsAbs(path):
		return "", problem(id, field, "names a file by a relative path, which means another file for every process; write an absolute one")
	case isReference(text):
		return text, nil
	case d.keyset == nil:
		return "", fmt.Errorf("%w: control.keyset is not set, and %s of %q cannot be stored in clear; set it, or store a reference (env:NAME, file:PATH)", ErrKeyset, field, id)
	default:
		return d.keyset.Seal(id, field, secret)
	}
}

// get returns the secret that a stored text stands for.
func (d *Database) get(id registry.ID, field, text string) (registry.Secret, error) {
	switch {
	case text == "":
		return registry.Secret{}, nil
	case isReference(text):
		secret, err := registry.NewSecret(text).Resolve("")
		if err != nil {
			return registry.Secret{}, fmt.Errorf("control: %s of %q %w", field, id, err)
		}
		return secret, nil
	case !seal.Sealed(text):
		return registry.Secret{}, fmt.Errorf("control: %s of %q is stored in clear, which is refused; rotate it", field, id)
	case d.keyset == nil:
		return registry.Secret{}, fmt.Errorf("%w: control.keyset is not set, and %s of %q is sealed", ErrKeyset, field, id)
	default:
		return d.keyset.Open(id, field, text)
	}
}

// problem is one that a record has, in the words of the registry.
func problem(id registry.ID, field, message string) error {
	return registry.Problems{{Field: "tenants." + id.String() + "." + field, Message: message}}
}

// checkKeyset holds the keyset against the value that the first one sealed.
func (d *Database) checkKeyset(ctx context.Context) error {
	sealed, err := d.canary(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("asking for the sealed sample: %w", err)
	case sealed == "":
		return nil
	case d.keyset == nil:
		return fmt.Errorf("%w: control.keyset is not set, but the control database was sealed with one", ErrKeyset)
	}
	if secret, err := d.keyset.Open(registry.ID{}, fieldCanary, sealed); err != nil || secret.Reveal() != canary {
		return fmt.Errorf("%w: control.keyset is not the keyset that the control database was sealed with", ErrKeyset)
	}
	return nil
}

// canary returns the sealed sample, which it makes when there is a keyset; ""
// for neither.
func (d *Database) canary(ctx context.Context) (sealed string, err error) {
	if d.keyset != nil {
		sealed, err = d.keyset.Seal(registry.ID{}, fieldCanary, registry.NewSecret(canary))
		if err != nil {
			return "", err
		}
		const store = "INSERT INTO poolkeeper.canary (sealed) VALUES ($1) ON CONFLICT (id) DO NOTHING"
		if _, err := d.pool.Exec(ctx, store, sealed); err != nil {
			return "", err
		}
	}
	err = d.pool.QueryRow(ctx, "SELECT sealed FROM poolkeeper.canary").Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return sealed, err
}
