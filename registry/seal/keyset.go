package seal

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Errors; match them with errors.Is. None contains a secret or a key.
var (
	// ErrKeyset is returned for what is no keyset that can seal.
	ErrKeyset = errors.New("seal: bad keyset")
	// ErrSealed is returned by Open for a text that was not sealed with a key
	// of the keyset for this tenant and field, or was changed since.
	ErrSealed = errors.New("seal: value cannot be opened")
)

// Keyset seals and opens. It never changes and may be used concurrently.
type Keyset struct {
	aead    tink.AEAD
	primary []byte // what everything that the primary key sealed begins with
}

// primaryPrefix is how many bytes of a Tink ciphertext name the key.
const primaryPrefix = 5

// Parse reads a Tink keyset in JSON. The error is [ErrKeyset]; it says what is
// wrong without repeating any of the text.
func Parse(text registry.Secret) (*Keyset, error) {
	handle, err := read(text)
	if err != nil {
		return nil, err
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("%w: its keys are not for AEAD; make one with AES256_GCM", ErrKeyset)
	}
	// What a key seals begins with a byte for the kind of prefix and the key's
	// number. Keys without a prefix could not be told apart.
	sample, err := primitive.Encrypt(nil, nil)
	if err != nil || len(sample) < primaryPrefix {
		return nil, fmt.Errorf("%w: its primary key does not work", ErrKeyset)
	}
	if sample[0] != 1 || !hasID(handle, sample[1:primaryPrefix]) {
		return nil, fmt.Errorf("%w: its primary key has no prefix; make one with AES256_GCM, not AES256_GCM_RAW", ErrKeyset)
	}
	return &Keyset{aead: primitive, primary: sample[:primaryPrefix:primaryPrefix]}, nil
}

// hasID reports whether the four bytes are the number of the primary key.
func hasID(handle *keyset.Handle, number []byte) bool {
	primary, err := handle.Primary()
	if err != nil {
		return false
	}
	id := primary.KeyID()
	return bytes.Equal(number, []byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}) //nolint:gosec // the bytes of a number
}

// read hides what Tink says of a keyset: it may quote it.
func read(text registry.Secret) (*keyset.Handle, error) {
	if text.IsZero() {
		return nil, fmt.Errorf("%w: it is empty", ErrKeyset)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewBufferString(text.Reveal())))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no Tink keyset in JSON with a primary key that is enabled", ErrKeyset)
	}
	return handle, nil
}

// Generate returns a new keyset with one key, in JSON.
func Generate() (registry.Secret, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return registry.Secret{}, fmt.Errorf("seal: making a key: %w", err)
	}
	return write(handle)
}

// Rotate returns the keyset with a new primary key beside the old ones. The
// error is [ErrKeyset] when the given text is no keyset.
func Rotate(old registry.Secret) (registry.Secret, error) {
	handle, err := read(old)
	if err != nil {
		return registry.Secret{}, err
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.AES256GCMKeyTemplate())
	if err != nil {
		return registry.Secret{}, fmt.Errorf("seal: making a key: %w", err)
	}
	if err := manager.SetPrimary(id); err != nil {
		return registry.Secret{}, fmt.Errorf("seal: making the new key the primary one: %w", err)
	}
	if handle, err = manager.Handle(); err != nil {
		return registry.Secret{}, fmt.Errorf("seal: reading the new keyset: %w", err)
	}
	return write(handle)
}

func write(handle *keyset.Handle) (registry.Secret, error) {
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		return registry.Secret{}, fmt.Errorf("seal: writing a keyset: %w", err)
	}
	return registry.NewSecret(text.String()), nil
}
