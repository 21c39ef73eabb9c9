package router_test

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// What every resolver owes, whatever it is sent: a tenant whose id is one, or
// a refusal that repeats nothing of it. found gets the id of what was served.
func fuzz(t *testing.T, r *router.Router, req *http.Request, sent string, found func(id string)) {
	t.Helper()
	visit, err := r.Route(req)
	if err == nil {
		defer visit.Close()
		id := visit.Tenant().ID.String()
		if _, err := registry.ParseID(id); err != nil {
			t.Fatalf("%q gave %q, which is no id: %v", sent, id, err)
		}
		found(id)
		return
	}
	if !errors.Is(err, router.ErrRefused) && !errors.Is(err, router.ErrNoTenant) {
		t.Fatalf("%q gave %v, which is no refusal", sent, err)
	}
	// Short texts may well be a part of the error's own words.
	if len(sent) > 12 && strings.Contains(err.Error(), sent) {
		t.Fatalf("the error repeats the request: %v", err)
	}
	if p := router.ProblemOf(err); p.Status != http.StatusUnauthorized && p.Status != http.StatusNotFound {
		t.Fatalf("%q gave %+v", sent, p)
	}
}

// forEverybody is a router for which every id is a tenant.
func forEverybody(f *testing.F, resolver string) *router.Router {
	f.Helper()
	cfg := config(resolver)
	cfg.Proxies = []string{"10.0.0.0/8"}
	cfg.ProbeRate = 0
	r, err := router.New(cfg, router.Deps{Tenants: everybody{}, Pools: &lender{}})
	if err != nil {
		f.Fatal(err)
	}
	return r
}

func FuzzHost(f *testing.F) {
	r := forEverybody(f, "host")
	for _, c := range hostCases() {
		f.Add(c.host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		check := func(id string) {
			want := id + ".example.com"
			rest := strings.TrimPrefix(strings.ToLower(host), want)
			if rest == strings.ToLower(host) || strings.Trim(rest, ".:0123456789") != "" {
				t.Fatalf("%q gave %q", host, id)
			}
			if id == "www" {
				t.Fatalf("%q is reserved", host)
			}
		}
		req := request{}.build(t)
		req.Host = host
		fuzz(t, r, req, host, check)

		forwardedReq := request{remote: fromProxy, header: header(forwarded, host)}.build(t)
		forwardedReq.Host = "globex.example.com"
		fuzz(t, r, forwardedReq, host, check)
	})
}

func FuzzPath(f *testing.F) {
	r := forEverybody(f, "path")
	for _, c := range pathCases() {
		f.Add(c.path)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		target, err := url.ParseRequestURI(sent)
		if err != nil {
			return // net/http answers 400 by itself
		}
		req := request{}.build(t)
		req.URL = target
		fuzz(t, r, req, sent, func(id string) {
			want := "/t/" + id
			if !strings.HasPrefix(target.EscapedPath(), want) {
				t.Fatalf("%q gave %q, which it does not begin with", sent, id)
			}
			// However somebody below reads the path, it is this tenant's.
			if clean := path.Clean(target.Path) + "/"; !strings.HasPrefix(clean, want+"/") {
				t.Fatalf("%q gave %q, but means %q", sent, id, clean)
			}
			if !strings.HasPrefix(target.Path+"/", want+"/") {
				t.Fatalf("%q gave %q, but decodes to %q", sent, id, target.Path)
			}
		})
	})
}

func FuzzHeader(f *testing.F) {
	r := forEverybody(f, "header")
	for name, id := range malformedIDs() {
		f.Add(id)
		f.Add(name)
	}
	f.Add("acme")
	f.Fuzz(func(t *testing.T, value string) {
		fuzz(t, r, request{header: http.Header{"X-Tenant-Id": {value}}}.build(t), value, func(id string) {
			if id != value {
				t.Fatalf("%q gave %q", value, id)
			}
		})
		fuzz(t, r, request{header: http.Header{"X-Tenant-Id": {"acme", value}}}.build(t), value, func(id string) {
			t.Fatalf("two values gave %q", id)
		})
	})
}

func FuzzConnectionString(f *testing.F) {
	r := forEverybody(f, "neon")
	for _, c := range neonCases() {
		for _, value := range c.header[neon] {
			f.Add(value)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		fuzz(t, r, request{header: http.Header{neon: {text}}}.build(t), text, func(id string) {
			authority, _, _ := strings.Cut(text[strings.Index(text, "://")+3:], "/")
			host := strings.ToLower(authority[strings.LastIndex(authority, "@")+1:])
			if host != id && !strings.HasPrefix(host, id+".") && !strings.HasPrefix(host, id+":") {
				t.Fatalf("%q has the host %q, but gave %q", text, host, id)
			}
		})
	})
}

// The connection string is a credential: whatever surrounds it, its password
// is in no error and in no answer.
func FuzzConnectionStringKeepsItsPassword(f *testing.F) {
	r := forEverybody(f, "neon")
	f.Add("postgresql://key:", "@acme.gw/db")
	f.Add("postgresql://", "@[::1]/db")
	f.Add("", "")
	f.Add("postgresql://key:x@", ".gw/db")
	f.Add("%", "\x00")
	f.Fuzz(func(t *testing.T, before, after string) {
		const password = "npg_S3cr3tP4ss"
		_, err := r.Route(request{header: http.Header{neon: {before + password + after}}}.build(t))
		if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(written(t, router.ProblemOf(err)), password)) {
			t.Fatalf("the password is in %v", err)
		}
	})
}

func FuzzForwardedPeer(f *testing.F) {
	r := forEverybody(f, "host")
	for _, seed := range []string{fromProxy, fromClient, "@", "", "10.0.0.1", "[::ffff:10.0.0.1]:1", "[fe80::1%eth0]:1", ":80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, peer string) {
		req := request{header: header(forwarded, "acme.example.com")}.build(t)
		req.RemoteAddr = peer
		fuzz(t, r, req, peer, func(string) {
			if !strings.Contains(peer, "10.") && !strings.Contains(strings.ToLower(peer), "a") {
				t.Fatalf("%q was taken for a proxy", peer)
			}
		})
	})
}
