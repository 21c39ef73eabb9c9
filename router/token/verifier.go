package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 16 << 10

// Words of the claim that Config.ScopeClaim leads to.
const (
	scopeWrite = "write"
	scopeRead  = "read"
)

// Token is what a verified token says.
type Token struct {
	Tenant   registry.ID
	ReadOnly bool
	Subject  string // the claim sub, "" without one
	Expires  time.Time
	Issued   time.Time // the claim iat, zero without one
	// Claims are all of them, numbers as json.Number. They are shared and must
	// not be changed.
	Claims map[string]any
}

// Verifier verifies tokens. Safe for concurrent use. Close it.
type Verifier struct {
	parser *jwt.Parser
	secret registry.Secret // of HS256
	keys   *keys           // of the others; nil when there are none
	tenant path
	scope  path // nil: every token may write
}

// New returns a Verifier. A secret that is a reference is read; relative paths
// begin in the working directory. A file of keys is read at once, and one that cannot
// be is an error; a URL is asked when the first token comes. log may be nil.
func New(cfg Config, log *slog.Logger) (*Verifier, error) {
	if !cfg.Wanted() {
		return nil, errors.New("jwt.jwks: is missing; without keys no token can be verified")
	}
	var err error
	if cfg.Secret, err = cfg.Secret.Resolve(""); err != nil {
		return nil, fmt.Errorf("jwt.secret: %w", err)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v := &Verifier{parser: parserOf(cfg)}
	v.tenant, _ = parsePath(cfg.TenantClaim) // Validate has
	if cfg.ScopeClaim != "" {
		v.scope, _ = parsePath(cfg.ScopeClaim) // Validate has
	}
	if cfg.symmetric() {
		v.secret = cfg.Secret
	}
	if cfg.JWKS == "" {
		return v, nil
	}
	v.keys = newKeys(cfg, log)
	if err := v.keys.begin(); err != nil {
		v.Close()
		return nil, fmt.Errorf("jwt.jwks: %w", err)
	}
	return v, nil
}

func parserOf(cfg Config) *jwt.Parser {
	return jwt.NewParser(
		jwt.WithValidMethods(cfg.Algorithms),
		jwt.WithIssuer(cfg.Issuer),
		jwt.WithAudience(cfg.Audience...),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(cfg.Leeway),
		jwt.WithStrictDecoding(),
		jwt.WithJSONNumber(),
	)
}

// Close ends what goes on in the background.
func (v *Verifier) Close() {
	if v.keys != nil {
		v.keys.close()
	}
}

// Verify returns what the token says, or why it is not believed: one of the
// package's errors, or the context's. None holds a byte of the token.
func (v *Verifier) Verify(ctx context.Context, text string) (*Token, error) {
	if len(text) > maxToken {
		return nil, ErrMalformed
	}
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) { return v.key(ctx, t) })
	if err != nil {
		return nil, reason(err)
	}
	if err := strict(text); err != nil {
		return nil, err
	}
	if err := begun(claims); err != nil {
		return nil, err
	}
	return v.read(parsed, claims)
}

// key returns what the token's signature is to be checked with.
func (v *Verifier) key(ctx context.Context, t *jwt.Token) (any, error) {
	// An extension that must be understood is not (RFC 7515 section 4.1.11).
	if _, critical := t.Header["crit"]; critical {
		return nil, ErrMalformed
	}
	switch {
	case t.Method.Alg() == hs256 && !v.secret.IsZero():
		return []byte(v.secret.Reveal()), nil
	case t.Method.Alg() != hs256 && v.keys != nil:
		return v.keys.find(ctx, t)
	default:
		return nil, ErrSignature
	}
}

// read takes from the claims what they say of the request.
func (v *Verifier) read(parsed *jwt.Token, claims jwt.MapClaims) (*Token, error) {
	name, _ := v.tenant.in(claims).(string)
	id, err := registry.ParseID(name)
	if err != nil {
		return nil, fmt.Errorf("%w: no tenant where one is expected", ErrClaims)
	}
	t := &Token{Tenant: id, Claims: claims}
	if t.ReadOnly, err = v.readOnly(claims); err != nil {
		return nil, err
	}
	t.Subject, _ = parsed.Claims.GetSubject() // a subject that is no text is none
	if expires, err := parsed.Claims.GetExpirationTime(); err == nil && expires != nil {
		t.Expires = expires.Time
	}
	if issued, err := parsed.Claims.GetIssuedAt(); err == nil && issued != nil {
		t.Issued = issued.Time
	}
	return t, nil
}

func (v *Verifier) readOnly(claims jwt.MapClaims) (bool, error) {
	if v.scope == nil {
		return false, nil
	}
	switch scopes := words(v.scope.in(claims)); {
	case slices.Contains(scopes, scopeWrite):
		return false, nil
	case slices.Contains(scopes, scopeRead):
		return true, nil
	default:
		return false, fmt.Errorf("%w: neither read nor write is allowed", ErrClaims)
	}
}

// reason is the package's word for an error of the parser, whose own text may
// repeat the token.
func reason(err error) error {
	for _, known := range []error{ErrKeys, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	switch {
	case errors.Is(err, ErrMalformed), errors.Is(err, jwt.ErrTokenMalformed):
		return ErrMalformed
	case errors.Is(err, jwt.ErrTokenUnverifiable), errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return ErrSignature
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return ErrExpired
	default:
		return ErrClaims
	}
}
