package registry

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unique"
)

// hidden is what every way of printing a secret gives.
const hidden = "[secret]"

// maxSecretFile bounds what is read from the file of a secret, in bytes.
const maxSecretFile = 64 << 10

// Secret is a text that must not be shown: a password, or a connection
// string that contains one. Every way of printing it gives "[secret]";
// [Secret.Reveal] is the only door. Two secrets are == when their texts are.
type Secret struct {
	// The text lies behind a handle because fmt prints unexported fields
	// without asking for a String method: of a Secret inside somebody's
	// unexported field it then shows an address.
	text unique.Handle[string]
}

// NewSecret wraps text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: unique.Make(text)}
}

// Reveal returns the text, for the one call that needs it.
func (s Secret) Reveal() string {
	if s.IsZero() {
		return ""
	}
	return s.text.Value()
}

// IsZero reports whether there is no text.
func (s Secret) IsZero() bool { return s == Secret{} }

// String hides the text.
func (s Secret) String() string { return hidden }

// GoString hides the text from %#v.
func (s Secret) GoString() string { return hidden }

// Format hides the text from every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// LogValue hides the text from log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the text from JSON and from everything else that asks for
// a text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalYAML hides the text from YAML.
func (s Secret) MarshalYAML() (any, error) { return hidden, nil }

// UnmarshalText takes the text as it stands; see [Secret.Resolve]. It refuses
// what printing a secret gives, so that a printed configuration that is read
// back does not make "[secret]" a password.
func (s *Secret) UnmarshalText(text []byte) error {
	if string(text) == hidden {
		return errors.New("is " + hidden + ", which only stands for a text that was hidden; write the text, env:NAME or file:PATH")
	}
	*s = NewSecret(string(text))
	return nil
}

// Resolve returns what s refers to: "env:NAME" is the environment variable,
// "file:PATH" the content of a file without the newline at its end, a relative
// path beginning at dir; any other text is the secret itself. The error says
// which variable or file is missing or empty.
func (s Secret) Resolve(dir string) (Secret, error) {
	text := s.Reveal()
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		value := os.Getenv(name)
		if value == "" {
			return Secret{}, fmt.Errorf("names the environment variable %s, which is not set", name)
		}
		return NewSecret(value), nil
	}
	if path, ok := s.file(dir); ok {
		return readSecret(path)
	}
	if strings.ContainsRune(text, 0) {
		return Secret{}, errors.New("contains a NUL byte, which PostgreSQL cannot take")
	}
	return s, nil
}

// file is the path that s refers to, and whether it refers to a file.
func (s Secret) file(dir string) (string, bool) {
	path, ok := strings.CutPrefix(s.Reveal(), "file:")
	if ok && !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return path, ok
}

func readSecret(path string) (Secret, error) {
	data, err := readUpTo(path, maxSecretFile)
	if err != nil {
		if cause := new(fs.PathError); errors.As(err, &cause) {
			err = cause.Err
		}
		return Secret{}, fmt.Errorf("names the file %s, which cannot be read: %w", path, err)
	}
	text := strings.TrimRight(string(data), "\r\n")
	switch {
	case text == "":
		return Secret{}, fmt.Errorf("names the file %s, which is empty", path)
	case strings.ContainsRune(text, 0):
		return Secret{}, fmt.Errorf("names the file %s, which contains a NUL byte", path)
	}
	return NewSecret(text), nil
}

// readUpTo is os.ReadFile with an end, so that file:/dev/zero has one.
func readUpTo(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own configuration names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return data, err
}

// secretFile is a file that a secret refers to, and what it held.
type secretFile struct {
	path string
	seen Secret
}

// again reads the file once more.
func (f secretFile) again() secretFile {
	return secretFile{f.path, seenAs(readSecret(f.path))}
}

// seenAs makes one value of what reading gave; a file that cannot be read is
// a state like any other.
func seenAs(s Secret, err error) Secret {
	if err != nil {
		return NewSecret("error: " + err.Error())
	}
	return s
}
