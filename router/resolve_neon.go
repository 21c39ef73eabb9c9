package router

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// neonHeader holds a connection string, and with it a credential.
const neonHeader = "Neon-Connection-String"

// neonResolver finds the tenant in the first label of the host of the
// connection string that clients of Neon's protocol send.
type neonResolver struct{ reserved labels }

// resolve takes an address for a reserved name: it has no label, and so names
// nobody.
func (n neonResolver) resolve(req *http.Request) (registry.ID, error) {
	values := req.Header[neonHeader]
	if len(values) == 0 {
		return registry.ID{}, nil
	}
	if len(values) > 1 {
		return registry.ID{}, ErrMalformed
	}
	c, ok := parseConnection(values[0])
	if !ok {
		return registry.ID{}, ErrMalformed
	}
	name, err := hostname(c.host)
	switch {
	case errors.Is(err, errAddress) && isLiteral(c.host):
		return registry.ID{}, errAddress
	case err != nil:
		return registry.ID{}, ErrMalformed
	}
	label, _, _ := strings.Cut(name, ".")
	return n.reserved.id(label)
}

// isLiteral reports whether a host is an address beyond doubt. Other programs take
// 127.1 and 42 for one, too; here they may be meant as somebody's name.
func isLiteral(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	_, err := netip.ParseAddr(name)
	return err == nil || isAddress(host)
}

// A connection is what counts of a connection string, as it is written there.
type connection struct {
	host     string // with its port
	password string // with its escapes
}

// parseConnection reads a connection string such as
// postgresql://user:password@host:5432/database?sslmode=require. User, host
// and database must be there.
//
// It follows the WHATWG URL standard, which the clients' own parsers follow,
// where net/url is stricter: a password may hold bytes that url.Parse refuses.
// (And the errors of url.Parse repeat what they could not parse.)
func parseConnection(text string) (connection, bool) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found || !strings.EqualFold(scheme, "postgresql") && !strings.EqualFold(scheme, "postgres") {
		return connection{}, false
	}
	if strings.ContainsFunc(rest, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return connection{}, false
	}
	// A backslash ends the authority too, and so the search for a database in
	// vain: some parsers take it for a slash.
	end := strings.IndexAny(rest, `/?#\`)
	if end < 0 {
		return connection{}, false
	}
	authority, after := rest[:end], rest[end:]
	at := strings.LastIndexByte(authority, '@')
	if at < 0 || !hasUser(authority[:at]) || !hasDatabase(after) {
		return connection{}, false
	}
	_, password, _ := strings.Cut(authority[:at], ":")
	return connection{host: authority[at+1:], password: password}, true
}

// credential returns the password without its escapes; "" when there is none.
// A text that cannot be decoded is returned as it is: it has a percent sign,
// which no credential has.
func (c connection) credential() string {
	text, err := url.PathUnescape(c.password)
	if err != nil {
		return c.password
	}
	return text
}

func hasUser(userinfo string) bool { return userinfo != "" && userinfo[0] != ':' }

// hasDatabase expects what follows the authority: "/database?parameters".
func hasDatabase(after string) bool {
	return len(after) > 1 && after[0] == '/' && after[1] != '?' && after[1] != '#'
}
