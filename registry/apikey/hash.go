package apikey

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Hash is what is stored of a text.
type Hash [sha256.Size]byte

// Pepper is the key of all hashes. Without it they are worth nothing, and with
// another one no text is known any more.
type Pepper struct {
	// A text behind a pointer is the one thing of which fmt shows an address
	// whatever the verb; of an array it shows what is in it.
	key *string
}

// NewPepper returns a random one.
func NewPepper() Pepper {
	var raw [sha256.Size]byte
	_, _ = rand.Read(raw[:]) // never fails
	return pepperOf(raw[:])
}

func pepperOf(raw []byte) Pepper {
	text := string(raw)
	return Pepper{&text}
}

// ParsePepper reads what [Pepper.Secret] gave. The error does not repeat it.
func ParsePepper(text registry.Secret) (Pepper, error) {
	raw, err := base64.StdEncoding.Strict().DecodeString(text.Reveal())
	if err != nil || len(raw) != sha256.Size {
		return Pepper{}, errors.New("apikey: the pepper is not 32 bytes in base64")
	}
	return pepperOf(raw), nil
}

// Secret is the pepper as a text, for sealing.
func (p Pepper) Secret() registry.Secret {
	if p.IsZero() {
		return registry.Secret{}
	}
	return registry.NewSecret(base64.StdEncoding.EncodeToString([]byte(*p.key)))
}

// IsZero reports whether there is none.
func (p Pepper) IsZero() bool { return p.key == nil }

// Hash is HMAC-SHA-256 of a whole text together with whose it is and what it
// may do, so that a stored key can be given neither another tenant nor another
// scope. The zero Pepper has no hash to give: it returns zeros.
func (p Pepper) Hash(text string, tenant registry.ID, scope Scope) (sum Hash) {
	if p.IsZero() {
		return sum
	}
	// Of one length, so that it takes the same time for a tenant as for none.
	var bound [64]byte
	copy(bound[:], tenant.String()) // 63 bytes at most
	if scope == ScopeWrite {
		bound[63] = 1
	}
	mac := hmac.New(sha256.New, []byte(*p.key))
	_, _ = mac.Write(bound[:]) // a hash takes everything
	_, _ = mac.Write([]byte(text))
	mac.Sum(sum[:0])
	return sum
}
