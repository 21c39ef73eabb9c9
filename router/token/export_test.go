package token

import (
	"context"
	"io"
)

// ReadFrom has the keys come from read instead of where the configuration says.
func (v *Verifier) ReadFrom(read func(context.Context) (io.Reader, error)) {
	v.keys.read = func(ctx context.Context) (*set, error) {
		r, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return readSet(ctx, r)
	}
}

// Lookup is what a path finds in claims.
func Lookup(text string, claims map[string]any) (any, error) {
	p, err := parsePath(text)
	if err != nil {
		return nil, err
	}
	return p.in(claims), nil
}

// MaxSet and AskAgain are the package's own.
const (
	MaxSet   = maxSet
	AskAgain = askAgain
)
