package registry

import (
	"fmt"
)

// maxID is what a DNS label and a PostgreSQL identifier can hold, both.
const maxID = 63

// ID names one tenant. The zero ID names nobody; every other ID has passed
// [ParseID], so code that holds one need not look at its text again.
type ID struct{ name string }

// ParseID checks that text is a tenant id: 1 to 63 lower-case letters, digits
// and hyphens, the first and the last no hyphen. Nothing is folded or trimmed.
// The error is [ErrInvalidID]; it says why without repeating the text, which
// may be anything.
func ParseID(text string) (ID, error) {
	switch n := len(text); {
	case n == 0:
		return ID{}, fmt.Errorf("%w: it is empty", ErrInvalidID)
	case n > maxID:
		return ID{}, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrInvalidID, n, maxID)
	case text[0] == '-' || text[n-1] == '-':
		return ID{}, fmt.Errorf("%w: it begins or ends with a hyphen", ErrInvalidID)
	}
	for i := range len(text) {
		if !isIDByte(text[i]) {
			return ID{}, fmt.Errorf("%w: byte %d is not a lower-case letter, a digit or a hyphen", ErrInvalidID, i+1)
		}
	}
	return ID{name: text}, nil
}

func isIDByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-'
}

// MustParseID is [ParseID] for constants in tests and examples; it panics.
func MustParseID(text string) ID {
	id, err := ParseID(text)
	if err != nil {
		panic(err)
	}
	return id
}

// String returns the id's text, "" for the zero ID.
func (id ID) String() string { return id.name }

// IsZero reports whether id names nobody.
func (id ID) IsZero() bool { return id.name == "" }

// MarshalText returns the id's text, so that JSON and YAML show it as such.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.name), nil }

// UnmarshalText is [ParseID]; the error leaves id as it was.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
