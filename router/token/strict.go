package token

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

var errAmbiguous = fmt.Errorf("%w: they can be read in two ways", ErrClaims)

// strict refuses the claims of a token that two programs may read differently:
// with a name that is there twice, or with something behind them. Of these the
// parser takes the last and the first: whoever got an issuer to put a text of
// theirs into the claims could have it sign a tenant that it never looked at.
func strict(token string) error {
	_, rest, _ := strings.Cut(token, ".")
	segment, _, _ := strings.Cut(rest, ".")
	claims, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return ErrMalformed
	}
	d := json.NewDecoder(bytes.NewReader(claims))
	d.UseNumber()
	if err := unambiguous(d); err != nil {
		return errAmbiguous
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errAmbiguous
	}
	return nil
}

// unambiguous reads one value. How deep it may be the parser has checked.
func unambiguous(d *json.Decoder) error {
	begin, err := d.Token()
	delim, nested := begin.(json.Delim)
	if err != nil || !nested {
		return err
	}
	names := map[any]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil || names[name] {
				return errors.Join(err, errAmbiguous)
			}
			names[name] = true
		}
		if err := unambiguous(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// lastSecond is that of the year 9999. Beyond what an int64 holds the parser
// takes times for long past ones.
const lastSecond = 253402300799

// begun refuses a token whose beginning is too far off for the parser.
func begun(claims jwt.MapClaims) error {
	n, ok := claims["nbf"].(json.Number)
	if !ok {
		return nil // the parser has refused what is there and is no number
	}
	if at, err := n.Float64(); err != nil || at > lastSecond {
		return ErrExpired
	}
	return nil
}
