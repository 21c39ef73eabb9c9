package router_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

func TestACredentialIsGoodOrARefusalWhereverItStands(t *testing.T) {
	t.Parallel()
	for _, c := range showings() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			obs, lent := &log{}, &lender{}
			visit, err := guarded(t, production("key", "jwt"), lent, obs).Route(c.build(t))
			by, observed := obs.last(t)
			if !errors.Is(err, c.err) || !errors.Is(observed, c.err) || by != c.by {
				t.Fatalf("got %v, observed %v by %s; want %v by %s", err, observed, by, c.err, c.by)
			}
			lent.expect(t, 0, 0)
			if err == nil {
				if got := visit.Tenant().ID.String(); got != c.want {
					t.Errorf("found %q, want %q", got, c.want)
				}
				return
			}
			if c.by != "none" && errors.Is(err, router.ErrRefused) && strings.Contains(err.Error()+written(t, router.ProblemOf(err)), secretPart) {
				t.Errorf("the error has a part of the credential: %v", err)
			}
		})
	}
}

// Which key has ended is for the log alone.
func TestAKeyThatHasEndedIsNamedByItsPublicId(t *testing.T) {
	t.Parallel()
	r := guarded(t, production("key"), &lender{}, nil)
	for _, text := range []string{keyOf("expired"), keyOf("revoked")} {
		_, err := r.Route(bearer(text).build(t))
		if !strings.Contains(err.Error(), "pk_id") || strings.Contains(written(t, router.ProblemOf(err)), "pk_") {
			t.Errorf("got %v", err)
		}
	}
}

// Why a credential is bad is for the log alone.
func TestTheReasonWhyACredentialIsBadIsInTheError(t *testing.T) {
	t.Parallel()
	r := guarded(t, production("key", "jwt"), &lender{}, nil)
	for text, reason := range map[string]error{
		keyOf("unknown"): apikey.ErrUnknown, keyOf("expired"): apikey.ErrExpired, keyOf("revoked"): apikey.ErrRevoked, "pk_": apikey.ErrMalformed,
		tokenOf("forged"): token.ErrSignature, tokenOf("expired"): token.ErrExpired, tokenOf("claims"): token.ErrClaims, "x": token.ErrMalformed,
	} {
		_, err := r.Route(bearer(text).build(t))
		if !errors.Is(err, reason) || !errors.Is(err, router.ErrCredential) || strings.Contains(err.Error(), "about") {
			t.Errorf("got %v, want %v and no more", err, reason)
		}
	}
}

func TestAKindOfCredentialThatIsNotListedIsNoGood(t *testing.T) {
	t.Parallel()
	for listed, other := range map[string]string{"key": tokenOf("acme"), "jwt": keyOf("acme")} {
		for _, q := range []request{bearer(other), password(other), {header: header("apikey", other)}} {
			asked := &atomic.Int64{}
			r, err := router.New(production(listed), router.Deps{
				Tenants: records{}, Pools: &lender{}, Keys: keyring{asked}, Tokens: issuer{asked},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Route(q.build(t)); !errors.Is(err, router.ErrCredential) || asked.Load() != 0 {
				t.Errorf("only %s is listed: got %v after %d questions", listed, err, asked.Load())
			}
		}
	}
}

// Who lists no credential has somebody in front who takes care of them.
func TestWithoutAResolverForThemCredentialsAreNotLookedAt(t *testing.T) {
	t.Parallel()
	all := production("host", "path", "header")
	for _, c := range showings() {
		q := c.request
		q.host = "acme.example.com"
		asked := &atomic.Int64{}
		r, err := router.New(all, router.Deps{Tenants: records{}, Pools: &lender{}, Keys: keyring{asked}, Tokens: issuer{asked}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Route(q.build(t)); err != nil || asked.Load() != 0 {
			t.Errorf("%s: got %v after %d questions", c.name, err, asked.Load())
		}
	}
}

func TestInDevModeOnlyAConnectionStringsPasswordMayBeNoCredential(t *testing.T) {
	t.Parallel()
	r := guarded(t, config("key", "jwt", "neon", "header"), &lender{}, nil)
	for _, c := range []struct {
		name string
		http.Header
		want error
	}{
		{"a password of an example", header(neon, "postgresql://demo:demo@acme.localhost/db"), nil},
		{"a password that cannot be decoded", header(neon, "postgresql://demo:%zz@acme.localhost/db"), nil},
		{"a key that is good", header(neon, "postgresql://demo:"+keyOf("acme")+"@acme.localhost/db"), nil},
		{"a key that is bad", header(neon, "postgresql://demo:"+keyOf("revoked")+"@acme.localhost/db"), router.ErrCredential},
		{"a key that is bad, escaped", header(neon, "postgresql://demo:%70k_revoked_x@acme.localhost/db"), router.ErrCredential},
		{"a key of another tenant", header(neon, "postgresql://demo:"+keyOf("globex")+"@acme.localhost/db"), router.ErrConflict},
		{"a bearer that is none", header("Authorization", "Bearer demo", tenantID, "acme"), router.ErrCredential},
		{"another scheme", header("Authorization", "Basic ZGVtbzpkZW1v", tenantID, "acme"), router.ErrCredential},
		{"a key that is none", header("apikey", "demo", tenantID, "acme"), router.ErrCredential},
		{"nothing but a header", header(tenantID, "acme"), nil},
	} {
		if _, err := r.Route(request{header: c.Header}.build(t)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestOneCredentialIsVerifiedOnceHoweverOftenItIsShown(t *testing.T) {
	t.Parallel()
	asked := &atomic.Int64{}
	r, err := router.New(production("key"), router.Deps{Tenants: records{}, Pools: &lender{}, Keys: keyring{asked}})
	if err != nil {
		t.Fatal(err)
	}
	k := keyOf("acme")
	q := request{header: header("Authorization", "Bearer "+k, "apikey", k, neon, "postgresql://user:"+k+"@gw/db")}
	if _, err := r.Route(q.build(t)); err != nil || asked.Load() != 1 {
		t.Errorf("got %v after %d questions, want one", err, asked.Load())
	}
}

func TestTheRequestsContextReachesTheVerifiers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := guarded(t, production("key", "jwt"), &lender{}, nil)
	for _, text := range []string{keyOf("acme"), tokenOf("acme")} {
		if _, err := r.Route(bearer(text).build(t).WithContext(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
	}
}

// An API's host names no tenant; that there is no credential either is 401,
// which says that one would do. A bad credential gets no other answer.
func TestAtAReservedHostARefusalAsksForACredential(t *testing.T) {
	t.Parallel()
	r := guarded(t, production("key", "host"), &lender{}, nil)
	for _, q := range []request{{}, bearer(keyOf("revoked")), bearer(keyOf("hooli"))} {
		q.host = "api.example.com"
		_, err := r.Route(q.build(t))
		if p := router.ProblemOf(err); p.Status != http.StatusUnauthorized {
			t.Errorf("%v gives %+v", err, p)
		}
	}
	if visit, err := r.Route(request{host: "api.example.com", header: bearer(keyOf("acme")).header}.build(t)); err != nil || visit.Tenant().ID.String() != "acme" {
		t.Errorf("got %v, %v", visit, err)
	}
}
