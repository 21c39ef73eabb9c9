package router_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// A resolution is a row of the table that all resolvers share: what one of
// them, alone, makes of a request.
type resolution struct {
	name string
	request
	want string // the tenant, or
	err  error
}

func none(name string, q request) resolution { return resolution{name, q, "", router.ErrNoTenant} }
func bad(name string, q request) resolution  { return resolution{name, q, "", router.ErrMalformed} }
func kept(name string, q request) resolution { return resolution{name, q, "", router.ErrReserved} }
func acme(name string, q request) resolution { return resolution{name, q, "acme", nil} }

// Every resolver reads ids that ParseID refuses; where it reads them differs.
func malformedIDs() map[string]string {
	return map[string]string{
		"empty":           "",
		"blank":           " ",
		"leading hyphen":  "-acme",
		"trailing hyphen": "acme-",
		"underscore":      "ac_me",
		"quote":           `ac"me`,
		"single quote":    "acme'--",
		"semicolon":       "acme;drop",
		"comma":           "acme,globex",
		"space inside":    "ac me",
		"NUL":             "acme\x00",
		"newline":         "acme\n",
		"unicode":         "äcme",
		"look-alike":      "аcme", // a Cyrillic letter
		"64 bytes":        strings.Repeat("a", 64),
		"10,000 bytes":    strings.Repeat("a", 10_000),
	}
}

func hostCases() []resolution {
	via := func(peer string, values ...string) request {
		return request{remote: peer, header: http.Header{forwarded: values}}
	}
	cases := []resolution{
		acme("plain", request{host: "acme.example.com"}),
		acme("port", request{host: "acme.example.com:8443"}),
		acme("empty port", request{host: "acme.example.com:"}),
		acme("trailing dot", request{host: "acme.example.com."}),
		acme("trailing dot and port", request{host: "acme.example.com.:8443"}),
		acme("upper case", request{host: "ACME.Example.COM"}),
		{"digits alone", request{host: "42.example.com"}, "42", nil},
		none("the domain itself", request{host: "example.com"}),
		none("another domain", request{host: "acme.example.org"}),
		none("a domain that ends alike", request{host: "acme.notexample.com"}),
		none("a longer domain", request{host: "acme.example.com.evil.test"}),
		none("a private name with an underscore", request{host: "my_service:8080"}),
		kept("reserved", request{host: "www.example.com"}),
		kept("reserved in upper case", request{host: "API.example.com:443"}),
		kept("IPv4", request{host: "127.0.0.1"}),
		kept("IPv4 and port", request{host: "127.0.0.1:8080"}),
		kept("IPv4 with a dot", request{host: "127.0.0.1."}),
		kept("IPv4 in short", request{host: "127.1"}),
		kept("IPv6", request{host: "[::1]"}),
		kept("IPv6 and port", request{host: "[::1]:8080"}),
		kept("IPv6 without brackets", request{host: "::1"}),
		kept("IPv4 in IPv6", request{host: "[::ffff:127.0.0.1]:80"}),
		bad("two labels", request{host: "a.acme.example.com"}),
		bad("no label", request{host: ".example.com"}),
		bad("two dots", request{host: "acme..example.com"}),
		bad("two trailing dots", request{host: "acme.example.com.."}),
		bad("only a dot", request{host: "."}),
		bad("only a port", request{host: ":8080"}),
		bad("a port that is none", request{host: "acme.example.com:http"}),
		bad("a long port", request{host: "acme.example.com:080808"}),
		bad("two ports", request{host: "acme.example.com:80:80"}),
		bad("user", request{host: "x@acme.example.com"}),
		bad("an escape", request{host: "ac%6De.example.com"}),
		bad("an open bracket", request{host: "[::1"}),
		bad("a slash", request{host: "acme.example.com/t"}),

		acme("forwarded by a proxy", via(fromProxy, "acme.example.com")),
		acme("forwarded with port", via(fromProxy, "ACME.example.com:443")),
		acme("forwarded by a proxy on IPv6", via("[fd00::1]:99", "acme.example.com")),
		acme("forwarded by a proxy on IPv4 in IPv6", via("[::ffff:10.0.0.1]:99", "acme.example.com")),
		none("forwarded by a client", via(fromClient, "acme.example.com")),
		none("forwarded by a socket's peer", via("@", "acme.example.com")),
		none("forwarded over two lines by a client", via(fromClient, "acme.example.com", "globex.example.com")),
		bad("forwarded over two lines", via(fromProxy, "acme.example.com", "acme.example.com")),
		bad("forwarded in a list", via(fromProxy, "acme.example.com, globex.example.com")),
		bad("forwarded empty", via(fromProxy, "")),
		none("forwarded elsewhere, whatever the host", request{
			host: "acme.example.com", remote: fromProxy, header: header(forwarded, "elsewhere.test"),
		}),
	}
	for name, id := range malformedIDs() {
		if name != "empty" { // ".example.com", above
			cases = append(cases, bad(name, request{host: id + ".example.com"}))
		}
	}
	return cases
}

func pathCases() []resolution {
	cases := []resolution{
		acme("with more", request{path: "/t/acme/sql"}),
		acme("alone", request{path: "/t/acme"}),
		acme("with a slash", request{path: "/t/acme/"}),
		acme("with a query", request{path: "/t/acme/sql?t=/t/globex/"}),
		acme("with escapes behind", request{path: "/t/acme/a%2Fb%20c"}),
		acme("with dots behind", request{path: "/t/acme/./sql"}),
		none("root", request{path: "/"}),
		none("another path", request{path: "/sql"}),
		none("the prefix without its slash", request{path: "/t"}),
		none("a longer segment", request{path: "/tx/acme"}),
		none("the prefix further on", request{path: "/x/t/acme"}),
		none("upper case prefix", request{path: "/T/acme"}),
		bad("no segment", request{path: "/t/"}),
		bad("empty segment", request{path: "/t//acme"}),
		bad("upper case", request{path: "/t/Acme/sql"}),
		bad("escaped slash", request{path: "/t/acme%2Fglobex/sql"}),
		bad("escaped letter", request{path: "/t/acm%65/sql"}),
		bad("escaped prefix", request{path: "/%74/acme/sql"}),
		bad("escaped slash of the prefix", request{path: "/t%2Facme/sql"}),
		bad("escaped NUL", request{path: "/t/acme%00/sql"}),
		bad("escaped twice", request{path: "/t/acme%252Fsql"}),
		bad("two slashes first", request{path: "//t/acme/sql"}),
		bad("a detour", request{path: "/x/../t/acme/sql"}),
		bad("a way to another", request{path: "/t/acme/../globex/sql"}),
		bad("an escaped way to another", request{path: "/t/acme/%2e%2e/globex/sql"}),
		bad("a way out", request{path: "/t/acme/../../sql"}),
		bad("dots as the tenant", request{path: "/t/../sql"}),
		bad("a parameter", request{path: "/t/acme;v=1/sql"}),
	}
	for _, name := range []string{"leading hyphen", "underscore", "single quote", "64 bytes", "10,000 bytes"} {
		cases = append(cases, bad(name, request{path: "/t/" + malformedIDs()[name] + "/sql"}))
	}
	return cases
}

func headerCases() []resolution {
	cases := []resolution{
		acme("plain", request{header: header(tenantID, "acme")}),
		none("absent", request{}),
		none("another header", request{header: header("X-Tenant", "acme")}),
		bad("upper case", request{header: header(tenantID, "Acme")}),
		bad("a list", request{header: header(tenantID, "acme, acme")}),
		bad("twice", request{header: header(tenantID, "acme", tenantID, "globex")}),
		bad("twice the same", request{header: header(tenantID, "acme", tenantID, "acme")}),
	}
	for name, id := range malformedIDs() {
		cases = append(cases, bad(name, request{header: header(tenantID, id)}))
	}
	return cases
}

func neonCases() []resolution {
	with := func(values ...string) request { return request{header: http.Header{neon: values}} }
	cases := []resolution{
		acme("plain", with("postgresql://key:secret@acme.gw.example.com/db")),
		acme("the other scheme", with("postgres://key:secret@acme.gw.example.com/db")),
		acme("scheme in upper case", with("PostgreSQL://key:secret@acme.gw.example.com/db")),
		acme("no password", with("postgresql://key@acme.gw.example.com/db")),
		acme("empty password", with("postgresql://key:@acme.gw.example.com/db")),
		acme("port and parameters", with("postgresql://key:s%40cret@acme.gw.example.com:5433/appdb?sslmode=require&options=endpoint%3Dglobex")),
		acme("upper case host", with("postgresql://key:secret@ACME.gw.example.com/db")),
		acme("host of one label", with("postgresql://key:secret@acme/db")),
		acme("trailing dot", with("postgresql://key:secret@acme.gw./db")),
		acme("an at sign in the password", with("postgresql://key:globex.gw@acme.gw/db")),
		acme("several of them", with("postgresql://key:a@b@c@acme.gw/db")),
		acme("bytes that net/url refuses", with("postgresql://key:^|`{}ü%zz@acme.gw/db")),
		acme("a password of 10,000 bytes", with("postgresql://key:"+strings.Repeat("x", 10_000)+"@acme.gw/db")),
		acme("a host in the parameters", with("postgresql://key:secret@acme.gw/db?host=globex.gw")),
		acme("a host in the database", with("postgresql://key:secret@acme.gw/db@globex.gw")),
		none("absent", request{}),
		kept("reserved", with("postgresql://key:secret@api.gw.example.com/db")),
		kept("IPv4", with("postgresql://key:secret@127.0.0.1/db")),
		kept("IPv4 and port", with("postgresql://key:secret@127.0.0.1:5432/db")),
		kept("IPv6", with("postgresql://key:secret@[::1]:5432/db")),
		bad("empty", with("")),
		bad("twice", with("postgresql://key:secret@acme.gw/db", "postgresql://key:secret@acme.gw/db")),
		bad("another scheme", with("mysql://key:secret@acme.gw/db")),
		bad("no scheme", with("key:secret@acme.gw/db")),
		bad("one slash", with("postgresql:/key:secret@acme.gw/db")),
		bad("keywords", with("host=acme.gw user=key password=secret dbname=db")),
		bad("no user", with("postgresql://acme.gw/db")),
		bad("empty user", with("postgresql://@acme.gw/db")),
		bad("password alone", with("postgresql://:secret@acme.gw/db")),
		bad("no host", with("postgresql://key:secret@/db")),
		bad("port alone", with("postgresql://key:secret@:5432/db")),
		bad("no database", with("postgresql://key:secret@acme.gw")),
		bad("empty database", with("postgresql://key:secret@acme.gw/")),
		bad("parameters instead", with("postgresql://key:secret@acme.gw/?sslmode=require")),
		bad("parameters without a path", with("postgresql://key:secret@acme.gw?sslmode=require")),
		bad("fragment instead", with("postgresql://key:secret@acme.gw/#db")),
		bad("IPv4 in short", with("postgresql://key:secret@127.1:5432/db")),
		bad("a number", with("postgresql://key:secret@42/db")),
		bad("two hosts", with("postgresql://key:secret@acme.gw,globex.gw/db")),
		bad("an escape", with("postgresql://key:secret@acm%65.gw/db")),
		bad("port that is none", with("postgresql://key:secret@acme.gw:pg/db")),
		bad("a slash in the password", with("postgresql://key:sec/ret@acme.gw/db")),
		bad("a backslash", with(`postgresql://key:secret@acme.gw\@globex.gw/db`)),
		bad("NUL in the password", with("postgresql://key:sec\x00ret@acme.gw/db")),
		bad("newline in the password", with("postgresql://key:sec\nret@acme.gw/db")),
		bad("a host of 10,000 bytes", with("postgresql://key:secret@acme."+strings.Repeat("x", 10_000)+"/db")),
	}
	for name, id := range malformedIDs() {
		cases = append(cases, bad(name, with("postgresql://key:secret@"+id+".gw.example.com/db")))
	}
	return cases
}

func TestEachResolverReadsItsPlaceAndNothingElse(t *testing.T) {
	t.Parallel()
	tables := map[string][]resolution{
		"host": hostCases(), "path": pathCases(), "header": headerCases(), "neon": neonCases(),
	}
	for resolver, cases := range tables {
		cfg := config(resolver)
		cfg.Proxies = []string{"10.0.0.0/8", "fd00::1"}
		obs := &log{}
		r := newRouter(t, cfg, &lender{}, obs)
		for _, c := range cases {
			t.Run(resolver+"/"+c.name, func(t *testing.T) {
				visit, err := r.Route(c.build(t))
				by, observed := obs.last(t)
				if !errors.Is(err, c.err) || !errors.Is(observed, c.err) {
					t.Fatalf("got %v, observed %v, want %v", err, observed, c.err)
				}
				if wantBy := reporter(resolver, c.err); by != wantBy {
					t.Errorf("observed by %q, want %q", by, wantBy)
				}
				if err != nil {
					checkRefusal(t, visit, err, c.request)
					return
				}
				if got := visit.Tenant().ID; got != registry.MustParseID(c.want) {
					t.Errorf("found %q, want %q", got, c.want)
				}
			})
		}
	}
}

func reporter(resolver string, err error) string {
	if errors.Is(err, router.ErrNoTenant) {
		return "none"
	}
	return resolver
}

// checkRefusal checks that nothing of the request is in the error.
func checkRefusal(t *testing.T, visit *router.Visit, err error, q request) {
	t.Helper()
	if visit != nil {
		t.Error("a refusal came with a visit")
	}
	text := err.Error()
	for _, said := range []string{"secret", "acme", "gw", q.host} {
		if said != "" && strings.Contains(text, said) {
			t.Errorf("the error repeats %q: %s", said, text)
		}
	}
}
