package router_test

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
)

// forCredentials is a router that takes nothing else.
func forCredentials(f *testing.F) *router.Router {
	f.Helper()
	return guarded(f, quiet("key", "jwt"), &lender{}, nil)
}

// fuzzCredential checks what is owed whatever is shown: a good credential's
// tenant, or a refusal that holds nothing of it.
func fuzzCredential(t *testing.T, r *router.Router, h http.Header, served func()) {
	t.Helper()
	visit, err := r.Route(request{header: h}.build(t))
	if err == nil {
		visit.Close()
		served()
		return
	}
	p := router.ProblemOf(err)
	if !errors.Is(err, router.ErrRefused) && !errors.Is(err, router.ErrNoTenant) || p.Status != http.StatusUnauthorized {
		// What the fakes cannot say is no refusal; and their tenants may be gone.
		if p.Status != http.StatusServiceUnavailable && p.Code != "tenant_refused" {
			t.Fatalf("%q gave %v, %+v", h, err, p)
		}
		return
	}
	if strings.Contains(err.Error()+written(t, p), secretPart) {
		t.Fatalf("the error has a part of the credential: %v", err)
	}
}

func FuzzBearer(f *testing.F) {
	r := forCredentials(f)
	for _, c := range showings() {
		for _, value := range c.header["Authorization"] {
			f.Add(value)
		}
	}
	good := regexp.MustCompile(`^(?i:bearer) +(pk_(reader-)?[a-z0-9]+_|eyJ\.(reader-)?[a-z0-9]+\.)` + secretPart + `$`)
	f.Fuzz(func(t *testing.T, value string) {
		fuzzCredential(t, r, http.Header{"Authorization": {value}}, func() {
			if !good.MatchString(value) {
				t.Fatalf("%q was served", value)
			}
		})
		// Beside another tenant's good key it is never a way in.
		if strings.Contains(value, "acme") {
			fuzzCredential(t, r, http.Header{"Authorization": {value}, "Apikey": {keyOf("globex")}}, func() {
				t.Fatalf("%q was served beside a key of another", value)
			})
		}
		fuzzCredential(t, r, http.Header{"Authorization": {value, "Bearer " + keyOf("acme")}}, func() {
			t.Fatalf("%q was served before another", value)
		})
	})
}

func FuzzKeyHeader(f *testing.F) {
	r := forCredentials(f)
	for _, c := range showings() {
		for _, value := range c.header["Apikey"] {
			f.Add(value)
		}
	}
	good := regexp.MustCompile(`^(pk_(reader-)?[a-z0-9]+_|eyJ\.(reader-)?[a-z0-9]+\.)` + secretPart + `$`)
	f.Fuzz(func(t *testing.T, value string) {
		fuzzCredential(t, r, http.Header{"Apikey": {value}}, func() {
			if !good.MatchString(value) {
				t.Fatalf("%q was served", value)
			}
		})
	})
}

// A password is what a client's own parser takes for it. net/url is such a
// parser, where it understands the string at all.
func FuzzPassword(f *testing.F) {
	r := forCredentials(f)
	for _, c := range append(neonCases(), resolution{request: password(keyOf("acme"))}, resolution{request: password("pk%5facme%5F" + secretPart)}) {
		for _, value := range c.header[neon] {
			f.Add(value)
			f.Add(strings.Replace(value, "secret", keyOf("acme"), 1))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzzCredential(t, r, http.Header{neon: {text}}, func() {
			u, err := url.Parse(text)
			if err != nil {
				return
			}
			shown, _ := u.User.Password()
			if !strings.HasSuffix(shown, secretPart) {
				t.Fatalf("%q has the password %q, but was served", text, shown)
			}
		})
		// Whatever it is, beside another tenant's key it leads nowhere else.
		visit, err := r.Route(request{header: http.Header{neon: {text}, "Apikey": {keyOf("globex")}}}.build(t))
		if err == nil && visit.Tenant().ID.String() != "globex" {
			t.Fatalf("%q was served as %s beside a key of globex", text, visit.Tenant().ID)
		}
	})
}
