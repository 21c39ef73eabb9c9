package apikey

import (
	"crypto/rand"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Prefix begins every text, and nothing else that is a credential.
const Prefix = "pk_"

const (
	idSize     = 12
	secretSize = 32
	textSize   = len(Prefix) + idSize + 1 + secretSize

	idAlphabet     = "0123456789abcdefghijklmnopqrstuvwxyz"
	secretAlphabet = idAlphabet + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// Generate returns the text of a new key and the id in it.
func Generate() (text registry.Secret, id string) {
	id = random(idSize, idAlphabet)
	return registry.NewSecret(Prefix + id + "_" + random(secretSize, secretAlphabet)), id
}

// random returns characters of which each is as likely as the others: bytes
// beyond the last whole turn of the alphabet are thrown away.
func random(size int, alphabet string) string {
	text := make([]byte, 0, size)
	var raw [2 * secretSize]byte
	for whole := 256 - 256%len(alphabet); ; {
		_, _ = rand.Read(raw[:]) // never fails
		for _, b := range raw {
			if int(b) >= whole {
				continue
			}
			text = append(text, alphabet[int(b)%len(alphabet)])
			if len(text) == size {
				return string(text)
			}
		}
	}
}

// Parse returns the id of a text that has the form of a key's. The error is
// [ErrMalformed].
func Parse(text string) (id string, err error) {
	const end = len(Prefix) + idSize
	if len(text) != textSize || text[:len(Prefix)] != Prefix || text[end] != '_' {
		return "", ErrMalformed
	}
	id = text[len(Prefix):end]
	if !made(id, false) || !made(text[end+1:], true) {
		return "", ErrMalformed
	}
	return id, nil
}

// made reports whether a text is made of the characters of ids, or of secrets,
// which may be upper case too.
func made(text string, upper bool) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', upper && 'A' <= c && c <= 'Z':
		default:
			return false
		}
	}
	return true
}
