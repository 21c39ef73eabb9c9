package seal

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// prefix begins every sealed value, so that one is never taken for a secret in
// clear, nor for a reference.
const prefix = "sealed:"

// program is the first part of the associated data: a keyset that is used
// elsewhere too does not open what belongs here.
const program = "poolkeeper"

// bound is the associated data of a value. Ids and fields have no NUL, so the
// parts cannot run into each other.
func bound(id registry.ID, field string) []byte {
	return []byte(program + "\x00" + id.String() + "\x00" + field)
}

// Seal returns "sealed:" and the secret in base64, encrypted with the primary
// key for the tenant and the field. An empty secret is refused: there is
// nothing to hide.
func (k *Keyset) Seal(id registry.ID, field string, secret registry.Secret) (string, error) {
	if secret.IsZero() {
		return "", fmt.Errorf("seal: %s of %q is empty", field, id)
	}
	sealed, err := k.aead.Encrypt([]byte(secret.Reveal()), bound(id, field))
	if err != nil {
		return "", fmt.Errorf("seal: sealing %s of %q failed", field, id)
	}
	return prefix + base64.StdEncoding.EncodeToString(sealed), nil
}

// Open returns the secret that [Keyset.Seal] was given. The error is
// [ErrSealed].
func (k *Keyset) Open(id registry.ID, field, text string) (registry.Secret, error) {
	sealed, err := decode(text)
	if err != nil {
		return registry.Secret{}, fmt.Errorf("%w: %s of %q %w", ErrSealed, field, id, err)
	}
	plain, err := k.aead.Decrypt(sealed, bound(id, field))
	if err != nil || len(plain) == 0 {
		return registry.Secret{}, fmt.Errorf("%w: %s of %q was sealed with another keyset, or for another tenant or field, or was changed", ErrSealed, field, id)
	}
	return registry.NewSecret(string(plain)), nil
}

// Current reports whether the text was sealed with the primary key, by the
// number that it carries.
func (k *Keyset) Current(text string) bool {
	sealed, err := decode(text)
	return err == nil && bytes.HasPrefix(sealed, k.primary)
}

// Sealed reports whether the text has the form of a sealed value.
func Sealed(text string) bool { return strings.HasPrefix(text, prefix) }

// A form says what is wrong with the form of a value, without repeating it.
type form string

func (f form) Error() string { return string(f) }

func decode(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return nil, form("does not begin with " + prefix)
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(encoded)
	// The decoder passes over line ends; one text for one value is simpler.
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return nil, form("is not base64 after " + prefix)
	}
	return sealed, nil
}
