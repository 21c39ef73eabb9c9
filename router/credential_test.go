package router_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/token"
)

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

func TestAKeyNeedsNoTenantInItsConnectionStringsHost(t *testing.T) {
	t.Parallel()
	r := guarded(t, production("key", "neon"), &lender{}, nil)
	for host, want := range map[string]error{
		"acme.gw": nil, "api.gw": nil, "localhost:8080": nil, "127.0.0.1": nil, "127.0.0.1:8080": nil, "[::1]:8080": nil,
		"globex.gw": router.ErrConflict, "127.1": router.ErrMalformed, "42": router.ErrMalformed,
	} {
		visit, err := r.Route(request{header: header(neon, "postgresql://app:"+keyOf("acme")+"@"+host+"/db")}.build(t))
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", host, err, want)
		} else if err == nil && visit.Tenant().ID.String() != "acme" {
			t.Errorf("%s: it is %s", host, visit.Tenant().ID)
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
