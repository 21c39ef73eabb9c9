package token

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
)

// readTimeout is the longest that reading the keys may take, and maxSet the
// greatest set, in bytes.
const (
	readTimeout = 5 * time.Second
	maxSet      = 1 << 20
)

// minRSA is the least size of an RSA key in bits, RFC 7518 section 3.3.
const minRSA = 2048

// fetcher returns what reads a set from a URL. Redirects are not followed: the
// keys come from where the configuration says.
func fetcher(address string) func(context.Context) (*set, error) {
	client := &http.Client{
		// It is minutes until the next question.
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, DisableKeepAlives: true},
		Timeout:       readTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) (*set, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept", "application/jwk-set+json, application/json")
		res, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the issuer answered with status %d", res.StatusCode)
		}
		return readSet(ctx, res.Body)
	}
}

func readFile(ctx context.Context, name string) (*set, error) {
	f, err := os.Open(name) //nolint:gosec // it is the operator who names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return readSet(ctx, f)
}

// readSet reads a JWK set (RFC 7517). Keys that are not for signatures, of a
// kind that is not known, or weak are left out; a set without any other is an
// error, so that a page that is no set never replaces the last good one.
func readSet(ctx context.Context, r io.Reader) (*set, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSet+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSet {
		return nil, fmt.Errorf("the set has more than %d bytes", maxSet)
	}
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &published); err != nil {
		return nil, errors.New("is no JWK set: a JSON object with a list of keys")
	}
	storage, s := jwkset.NewMemoryStorage(), &set{names: map[string]bool{}}
	for _, raw := range published.Keys {
		key, ok := readKey(raw)
		if !ok {
			continue
		}
		if err := storage.KeyWrite(ctx, key); err != nil {
			return nil, err
		}
		s.names[key.Marshal().KID] = true
	}
	if len(s.names) == 0 {
		return nil, errors.New("the set has no key that signatures can be checked with (RSA from 2048 bits, EC P-256, Ed25519)")
	}
	s.Keyfunc, err = keyfunc.New(keyfunc.Options{Storage: storage})
	return s, err
}

// readKey reports false for a key that is none of ours. A symmetric one is no
// secret once it is published.
func readKey(raw json.RawMessage) (jwkset.JWK, bool) {
	var plain jwkset.JWKMarshal
	if err := json.Unmarshal(raw, &plain); err != nil || plain.KTY == jwkset.KtyOct {
		return jwkset.JWK{}, false
	}
	if plain.USE != "" && plain.USE != jwkset.UseSig {
		return jwkset.JWK{}, false
	}
	plain.D, plain.P, plain.Q, plain.DP, plain.DQ, plain.QI = "", "", "", "", "", "" // only the public half is needed
	key, err := jwkset.NewJWKFromMarshal(plain, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return jwkset.JWK{}, false
	}
	if public, ok := key.Key().(*rsa.PublicKey); ok && public.N.BitLen() < minRSA {
		return jwkset.JWK{}, false
	}
	return key, true
}
