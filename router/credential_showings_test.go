package router_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/token"
)

// secretPart is in every credential of these tests and must be in no error and
// no answer.
const secretPart = "S3cr3tPart"

// keyOf and tokenOf are the credentials of a tenant. Those of "reader-NAME"
// may only read.
func keyOf(tenant string) string   { return "pk_" + tenant + "_" + secretPart }
func tokenOf(tenant string) string { return "eyJ." + tenant + "." + secretPart }

// A keyring knows the keys of every tenant, and those that are no good.
type keyring struct{ asked *atomic.Int64 }

func (k keyring) Key(ctx context.Context, text string) (apikey.Key, error) {
	if k.asked != nil {
		k.asked.Add(1)
	}
	tenant, scope, err := who(ctx, strings.TrimPrefix(text, "pk_"), "_", map[string]error{
		"unknown": apikey.ErrUnknown, "expired": apikey.ErrExpired, "revoked": apikey.ErrRevoked,
		"away": registry.ErrUnavailable,
	})
	switch {
	case errors.Is(err, apikey.ErrExpired), errors.Is(err, apikey.ErrRevoked):
		return apikey.Key{}, fmt.Errorf("pk_id: %w", err)
	case err != nil:
		return apikey.Key{}, fmt.Errorf("about %q: %w", text, err)
	}
	return apikey.Key{ID: "id-" + tenant.String(), Tenant: tenant, Scope: scope}, nil
}

// An issuer has signed the tokens of every tenant, and some that are no good.
type issuer struct{ asked *atomic.Int64 }

func (i issuer) Verify(ctx context.Context, text string) (*token.Token, error) {
	if i.asked != nil {
		i.asked.Add(1)
	}
	rest, _ := strings.CutPrefix(text, "eyJ.")
	if rest == text {
		rest = ""
	}
	tenant, scope, err := who(ctx, rest, ".", map[string]error{
		"forged": token.ErrSignature, "expired": token.ErrExpired, "claims": token.ErrClaims,
		"away": token.ErrKeys,
	})
	if err != nil {
		return nil, fmt.Errorf("about %q: %w", text, err)
	}
	return &token.Token{
		Tenant: tenant, ReadOnly: scope != apikey.ScopeWrite,
		Claims: map[string]any{"sub": "somebody of " + tenant.String()},
	}, nil
}

// who reads the texts of keyOf and tokenOf.
func who(ctx context.Context, text, sep string, bad map[string]error) (registry.ID, apikey.Scope, error) {
	if err := ctx.Err(); err != nil {
		return registry.ID{}, "", err
	}
	name, rest, _ := strings.Cut(text, sep)
	name, read := strings.CutPrefix(name, "reader-")
	malformed := apikey.ErrMalformed
	if sep == "." {
		malformed = token.ErrMalformed
	}
	switch id, err := registry.ParseID(name); {
	case bad[name] != nil:
		return registry.ID{}, "", bad[name]
	case name == "nobody-at-all":
		return registry.ID{}, apikey.ScopeWrite, nil
	case err != nil || rest != secretPart:
		return registry.ID{}, "", malformed
	case read:
		return id, apikey.ScopeRead, nil
	default:
		return id, apikey.ScopeWrite, nil
	}
}

// guarded is a router that takes credentials.
func guarded(t testing.TB, cfg router.Config, l *lender, obs router.Observer) *router.Router {
	t.Helper()
	r, err := router.New(cfg, router.Deps{
		Tenants: records{}, Pools: l, Observer: obs, Keys: keyring{}, Tokens: issuer{},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.OnRelease(l.release)
	return r
}

func bearer(text string) request { return request{header: header("Authorization", "Bearer "+text)} }

func password(text string) request {
	return request{header: header(neon, "postgresql://user:"+text+"@gw/db")}
}

// A showing is a request and what a router that takes keys and tokens, and
// nothing else, makes of it.
type showing struct {
	name string
	request
	want string // the tenant, or
	err  error
	by   string
}

func showings() []showing {
	in := func(pairs ...string) request { return request{header: header(pairs...)} }
	acme := func(name string, q request, by string) showing { return showing{name, q, "acme", nil, by} }
	bad := func(name string, q request, by string) showing { return showing{name, q, "", router.ErrCredential, by} }
	k, j := keyOf("acme"), tokenOf("acme")
	return []showing{
		acme("a key as bearer", bearer(k), "key"),
		acme("a token as bearer", bearer(j), "jwt"),
		acme("a key in its header", in("apikey", k), "key"),
		acme("a token in the keys' header", in("apikey", j), "jwt"),
		acme("a key as password", password(k), "key"),
		acme("a token as password", password(j), "jwt"),
		acme("a key as password, escaped", password("pk%5Facme%5F"+secretPart), "key"),
		acme("the scheme in lower case", in("Authorization", "bearer "+k), "key"),
		acme("the scheme in upper case", in("Authorization", "BEARER "+j), "jwt"),
		acme("two blanks", in("Authorization", "Bearer  "+k), "key"),
		acme("the same key everywhere", in("Authorization", "Bearer "+k, "apikey", k, neon, "postgresql://user:"+k+"@gw/db"), "key"),
		acme("a key and a token", in("Authorization", "Bearer "+j, "apikey", k), "key"),
		acme("a string without a password beside a token", in("Authorization", "Bearer "+j, neon, "postgresql://user@gw/db"), "jwt"),
		acme("a string with an empty password beside a token", in("Authorization", "Bearer "+j, neon, "postgresql://user:@gw/db"), "jwt"),

		{"none", request{}, "", router.ErrNoTenant, "none"},
		{"a string without a password", in(neon, "postgresql://user@gw/db"), "", router.ErrNoTenant, "none"},
		{"a key in the user's place", in(neon, "postgresql://"+k+"@gw/db"), "", router.ErrNoTenant, "none"},
		{"two keys of one tenant", in("Authorization", "Bearer "+k, "apikey", keyOf("reader-acme")), "", router.ErrConflict, "key"},
		{"two tokens of one tenant", in("Authorization", "Bearer "+j, "apikey", tokenOf("reader-acme")), "", router.ErrConflict, "key"},
		{"a key of one and a token of another", in("Authorization", "Bearer "+tokenOf("globex"), "apikey", k), "", router.ErrConflict, "jwt"},

		bad("no scheme", in("Authorization", k), "key"),
		bad("no token", in("Authorization", "Bearer"), "key"),
		bad("a blank instead", in("Authorization", "Bearer "), "key"),
		bad("an empty header", in("Authorization", ""), "key"),
		bad("another scheme", in("Authorization", "Basic dXNlcjpwYXNz"), "key"),
		bad("another scheme with a key", in("Authorization", "Token "+k), "key"),
		bad("a tab", in("Authorization", "Bearer\t"+k), "key"),
		bad("two headers", in("Authorization", "Bearer "+k, "Authorization", "Bearer "+k), "key"),
		bad("two schemes", in("Authorization", "Basic dXNlcjpwYXNz", "Authorization", "Bearer "+k), "key"),
		bad("a list", in("Authorization", "Bearer "+k+", Bearer "+k), "key"),
		bad("an empty key", in("apikey", ""), "key"),
		bad("keys in two headers", in("apikey", k, "apikey", k), "key"),
		bad("a list of keys", in("apikey", k+","+k), "key"),
		bad("a scheme in the keys' header", in("apikey", "Bearer "+k), "jwt"),
		bad("two strings", in(neon, "postgresql://user:"+k+"@gw/db", neon, "postgresql://user:"+k+"@gw/db"), "key"),
		bad("no connection string", in(neon, "nonsense"), "key"),
		bad("a key for a connection string", in(neon, k), "key"),
		bad("a password that is none of ours", password("hunter2"), "jwt"),
		bad("a password that cannot be decoded", password("pk%5Facme%zz"), "jwt"),
		bad("a key with a zero byte escaped", password(k+"%00"), "key"),
		bad("a key in upper case", bearer("PK_acme_"+secretPart), "jwt"),
		bad("a key with a blank", bearer(k+" "), "key"),
		bad("half a key", bearer("pk_"), "key"),
		bad("a key with another secret", bearer("pk_acme_x"), "key"),
		bad("a key that is unknown", bearer(keyOf("unknown")), "key"),
		bad("a key that has expired", bearer(keyOf("expired")), "key"),
		bad("a key that was revoked", bearer(keyOf("revoked")), "key"),
		bad("a key of no tenant", bearer("pk_nobody-at-all_"+secretPart), "key"),
		bad("a token that was forged", bearer(tokenOf("forged")), "jwt"),
		bad("a token that has expired", bearer(tokenOf("expired")), "jwt"),
		bad("a token with wrong claims", bearer(tokenOf("claims")), "jwt"),
		bad("a token of no tenant", bearer("eyJ.nobody-at-all."+secretPart), "jwt"),
		bad("no token at all", bearer("nonsense"), "jwt"),
		bad("a good token with a bad key", in("Authorization", "Bearer "+j, "apikey", keyOf("revoked")), "key"),
		bad("a good key with a bad token", in("Authorization", "Bearer "+tokenOf("expired"), "apikey", k), "jwt"),
		bad("a good key with an empty one", in("Authorization", "Bearer "+k, "apikey", ""), "key"),
		bad("a good key with a bad password", in("Authorization", "Bearer "+k, neon, "postgresql://user:hunter2@gw/db"), "jwt"),

		{"the tenant of a key is inactive", bearer(keyOf("hooli")), "", registry.ErrInactive, "key"},
		{"the tenant of a token is gone", bearer(tokenOf("nobody")), "", registry.ErrUnknown, "jwt"},
		{"keys that cannot be asked", bearer(keyOf("away")), "", registry.ErrUnavailable, "key"},
		{"tokens that cannot be verified", bearer(tokenOf("away")), "", token.ErrKeys, "jwt"},
		{"a record that cannot be had", bearer(keyOf("faraway")), "", registry.ErrUnavailable, "key"},
	}
}
