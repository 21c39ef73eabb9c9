package router

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router/token"
)

// A grant is what a request's verified credentials say beside the tenant. The
// zero grant is that of a request without any.
type grant struct {
	readOnly bool           // one of them may only read
	keyID    string         // of the API key
	claims   map[string]any // of the token
	token    bool           // there is one
	issued   time.Time      // the token; zero when it does not say
}

// suits refuses a token that may have been issued for another tenant, which had
// the id before.
func (g *grant) suits(t *registry.Tenant) error {
	if g.token && !t.Since.IsZero() && g.issued.Before(t.Since) {
		return fmt.Errorf("%w: %w", ErrCredential, token.ErrEarlier)
	}
	return nil
}

// A verifier knows the credentials of class 1, those that are listed.
type verifier struct {
	keys   Keys
	tokens Tokens
	ways   []way // those of key and jwt, in the order of trust
	dev    bool
}

// verify tells f what the request's credentials say. All that are there must
// be good; a kind that is not listed cannot be.
func (v *verifier) verify(req *http.Request, f *finding) {
	if len(v.ways) == 0 {
		return
	}
	shown := readCredentials(req, v.dev)
	if shown.none() {
		return
	}
	if shown.err != nil {
		f.refuse(&v.ways[0], shown.err)
	}
	for i := range v.ways {
		w := &v.ways[i]
		switch {
		case w.name == byKey && shown.key != "":
			v.verifyKey(req.Context(), f, w, shown.key)
			shown.key = ""
		case w.name == byToken && shown.token != "":
			v.verifyToken(req.Context(), f, w, shown.token)
			shown.token = ""
		}
	}
	if shown.key != "" || shown.token != "" {
		f.refuse(&v.ways[0], ErrCredential)
	}
}

func (v *verifier) verifyKey(ctx context.Context, f *finding, w *way, text string) {
	key, err := v.keys.Key(ctx, text)
	if err != nil {
		f.refuse(w, credentialError(err))
		return
	}
	f.grant.keyID = key.ID
	f.verified(w, key.Tenant, key.Scope != apikey.ScopeWrite)
}

func (v *verifier) verifyToken(ctx context.Context, f *finding, w *way, text string) {
	t, err := v.tokens.Verify(ctx, text)
	if err != nil {
		f.refuse(w, credentialError(err))
		return
	}
	f.grant.claims, f.grant.token, f.grant.issued = t.Claims, true, t.Issued
	f.verified(w, t.Tenant, t.ReadOnly)
}

// verified notes a credential that is good. What it does not say for certain
// is refused, whoever verified it.
func (f *finding) verified(w *way, id registry.ID, readOnly bool) {
	if id.IsZero() || id.IsReader() {
		f.refuse(w, ErrCredential)
		return
	}
	f.grant.readOnly = f.grant.readOnly || readOnly
	f.found(w, id)
	f.vouch(w)
}

// credentialError makes a refusal of what says that a credential is bad. It
// keeps the reason and nothing else of the error, but for a key that has
// ended: then it may name that key, as the log should. Any other error says
// that nobody knows, and is passed on.
func credentialError(err error) error {
	if errors.Is(err, apikey.ErrExpired) || errors.Is(err, apikey.ErrRevoked) {
		return fmt.Errorf("%w: %w", ErrCredential, err)
	}
	for _, reason := range [...]error{
		apikey.ErrMalformed, apikey.ErrUnknown,
		token.ErrMalformed, token.ErrSignature, token.ErrExpired, token.ErrClaims,
	} {
		if errors.Is(err, reason) {
			return fmt.Errorf("%w: %w", ErrCredential, reason)
		}
	}
	return fmt.Errorf("router: a credential cannot be checked: %w", err)
}
