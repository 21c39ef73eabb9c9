package token

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// hs256 is the one algorithm whose key is a secret.
const hs256 = "HS256"

// Config is the section jwt. [Defaults] gives every default.
type Config struct {
	// Algorithms are those that a token may be signed with: RS256, ES256,
	// EdDSA, HS256. Default RS256, ES256, EdDSA.
	Algorithms []string
	// JWKS is where the issuer publishes its keys: an https URL (http for this
	// machine alone) or the path of a file. "" means nowhere.
	JWKS string
	// Secret is what HS256 is signed with, of 32 bytes or more. It replaces
	// JWKS where HS256 is the only algorithm. Default none.
	Secret registry.Secret
	// Issuer is what the claim iss must be. Mandatory.
	Issuer string
	// Audience is what the claim aud must have, one of these. Mandatory.
	Audience []string
	// Leeway is how far the clocks of issuer and server may be apart. Default
	// 30s.
	Leeway time.Duration
	// TenantClaim leads to the tenant's id: names separated by dots, such as
	// app_metadata.tenant, or a JSON pointer (RFC 6901) for names that have
	// dots themselves. Default tenant.
	TenantClaim string
	// ScopeClaim leads to what the token may do: a text of words, or a list
	// of them. With the word write it may do all that the tenant may, with read
	// it may read, with neither it is refused. "" means that every token may
	// write. Default "".
	ScopeClaim string
	// Refresh is how often the keys are read again. Default 10m.
	Refresh time.Duration
	// KeepFor is how long the last keys count while they cannot be read.
	// Default 24h.
	KeepFor time.Duration
}

// Defaults returns the configuration of a program that sets nothing, in which
// there are no tokens.
func Defaults() Config {
	return Config{
		Algorithms:  []string{"RS256", "ES256", "EdDSA"},
		Leeway:      30 * time.Second,
		TenantClaim: "tenant",
		Refresh:     10 * time.Minute,
		KeepFor:     24 * time.Hour,
	}
}

// Wanted reports whether tokens can be verified at all: there are keys.
func (c Config) Wanted() bool { return c.JWKS != "" || !c.Secret.IsZero() }

// Validate names each field that is wrong and says what would be right. A
// configuration without keys is right when nothing else is set that needs them.
func (c Config) Validate() error {
	if !c.Wanted() {
		if c.Issuer != "" || len(c.Audience) > 0 {
			return errors.New("jwt.jwks: is missing, but jwt.issuer or jwt.audience is there; " +
				"write where the issuer publishes its keys, or jwt.secret for HS256")
		}
		return nil
	}
	return errors.Join(
		c.checkAlgorithms(), c.checkJWKS(), c.checkSecret(), c.checkParties(),
		checkPath("jwt.tenant_claim", c.TenantClaim, false), checkPath("jwt.scope_claim", c.ScopeClaim, true),
		between("jwt.leeway", c.Leeway, 0, 5*time.Minute),
		between("jwt.refresh", c.Refresh, 10*time.Second, 24*time.Hour),
		between("jwt.keep_for", c.KeepFor, c.Refresh, 30*24*time.Hour),
	)
}

func (c Config) checkAlgorithms() error {
	if len(c.Algorithms) == 0 {
		return errors.New("jwt.algorithms: is empty; list those that the issuer signs with: RS256, ES256, EdDSA, HS256")
	}
	for i, name := range c.Algorithms {
		switch name {
		case "RS256", "ES256", "EdDSA", hs256:
		default:
			return fmt.Errorf("jwt.algorithms: has %q; it may list RS256, ES256, EdDSA and HS256", name)
		}
		if slices.Contains(c.Algorithms[:i], name) {
			return fmt.Errorf("jwt.algorithms: lists %s twice; once is enough", name)
		}
	}
	return nil
}

// symmetric reports whether tokens may be signed with the secret, and
// published whether they may with keys that the issuer publishes.
func (c Config) symmetric() bool { return slices.Contains(c.Algorithms, hs256) }

func (c Config) published() bool {
	return slices.ContainsFunc(c.Algorithms, func(name string) bool { return name != hs256 })
}

func (c Config) checkJWKS() error {
	switch {
	case c.JWKS == "" && c.published():
		return errors.New("jwt.jwks: is missing; write the URL or the file of the issuer's keys, or let jwt.algorithms list HS256 alone")
	case c.JWKS == "":
		return nil
	case !c.published():
		return errors.New("jwt.jwks: is set, but jwt.algorithms lists HS256 alone, which goes with jwt.secret; remove one of them")
	case !isURL(c.JWKS):
		return nil
	}
	u, err := url.Parse(c.JWKS)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errors.New("jwt.jwks: is no URL of a JWK set; https://issuer.example.com/.well-known/jwks.json would be one")
	}
	if u.Scheme == "http" && !isThisMachine(u.Hostname()) {
		return fmt.Errorf("jwt.jwks: fetches keys from %s without TLS, where anybody on the way could put in others; use https", u.Hostname())
	}
	return nil
}

func isURL(text string) bool {
	return strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")
}

func isThisMachine(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// minSecret is what RFC 7518 section 3.2 asks for: as long as the hash.
const minSecret = 32

func (c Config) checkSecret() error {
	switch text := c.Secret.Reveal(); {
	case text == "" && c.symmetric():
		return errors.New("jwt.secret: is missing, but jwt.algorithms lists HS256; give it, or remove HS256")
	case text == "":
		return nil
	case !c.symmetric():
		return errors.New("jwt.secret: is set, but jwt.algorithms does not list HS256; add it there, or remove the secret")
	case isReference(text):
		return nil
	case len(text) < minSecret:
		return fmt.Errorf("jwt.secret: has %d bytes; HS256 needs %d random ones or more", len(text), minSecret)
	}
	return nil
}

// isReference reports whether a secret is still to be read from elsewhere.
func isReference(text string) bool {
	return strings.HasPrefix(text, "env:") || strings.HasPrefix(text, "file:")
}

func (c Config) checkParties() error {
	var wrong []error
	if c.Issuer == "" {
		wrong = append(wrong, errors.New("jwt.issuer: is missing; write what the claim iss of the tokens is"))
	}
	if len(c.Audience) == 0 || slices.Contains(c.Audience, "") {
		wrong = append(wrong, errors.New("jwt.audience: is missing or has an empty text; write what the claim aud of tokens for this service is, "+
			"else tokens for any other service of the issuer would do"))
	}
	return errors.Join(wrong...)
}

func checkPath(field, text string, optional bool) error {
	if text == "" && optional {
		return nil
	}
	if _, err := parsePath(text); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func between(field string, d, least, most time.Duration) error {
	if d < least || d > most {
		return fmt.Errorf("%s: is %s; it must be %s to %s", field, d, least, most)
	}
	return nil
}
