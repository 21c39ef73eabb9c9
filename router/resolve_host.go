package router

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// forwardedHost is where a proxy says which host it was asked for.
const forwardedHost = "X-Forwarded-Host"

// maxHost is the longest host with a trailing dot and a port: 253 bytes of
// name, RFC 1035 section 2.3.4 in text form.
const maxHost = 253 + len(".") + len(":65535")

// errAddress is returned for a host that is an IP address.
var errAddress = fmt.Errorf("%w: an address", ErrReserved)

// hostResolver finds the tenant in the first label of the request's host.
type hostResolver struct {
	suffix   string // ".example.com"
	reserved labels
	proxies  proxies
}

func newHostResolver(template string, reserved labels, p proxies) hostResolver {
	return hostResolver{
		suffix:   strings.TrimPrefix(template, placeholder),
		reserved: reserved,
		proxies:  p,
	}
}

// resolve ignores a host outside the template's domain: it is not where
// tenants are named.
func (h hostResolver) resolve(req *http.Request) (registry.ID, error) {
	host := req.Host
	if forwarded := req.Header[forwardedHost]; len(forwarded) > 0 && h.proxies.sent(req) {
		if len(forwarded) > 1 {
			return registry.ID{}, ErrMalformed
		}
		host = forwarded[0]
	} else if host == "" {
		return registry.ID{}, nil // HTTP/1.0
	}
	name, err := hostname(host)
	if err != nil {
		return registry.ID{}, err
	}
	label, found := strings.CutSuffix(name, h.suffix)
	if !found {
		return registry.ID{}, nil
	}
	return h.reserved.id(label)
}

// labels are first labels that are no tenants.
type labels map[string]struct{}

func newLabels(names []string) labels {
	l := make(labels, len(names))
	for _, name := range names {
		l[name] = struct{}{}
	}
	return l
}

// id reads a host's label, in lower case, as a tenant's id.
func (l labels) id(label string) (registry.ID, error) {
	if _, found := l[label]; found {
		return registry.ID{}, ErrReserved
	}
	return parseID(label)
}

// parseID keeps the text, which ParseID's error may repeat, out of ours.
func parseID(text string) (registry.ID, error) {
	id, err := registry.ParseID(text)
	if err != nil {
		return registry.ID{}, ErrMalformed
	}
	return id, nil
}

// hostname returns a host's name as DNS compares it: lower case, without port
// and trailing dot. It fails with errAddress for an IP address and with
// ErrMalformed for what is no host at all.
func hostname(host string) (string, error) {
	if len(host) > maxHost {
		return "", ErrMalformed
	}
	if isAddress(host) {
		return "", errAddress
	}
	name, port, hasPort := strings.Cut(host, ":")
	if hasPort && (len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return "", ErrMalformed
	}
	name = strings.TrimSuffix(name, ".")
	if !isName(name) {
		return "", ErrMalformed
	}
	// The last label of a name has a letter; 127.1 and 2130706433 are
	// addresses to many resolvers of names.
	if last := name[strings.LastIndexByte(name, '.')+1:]; strings.Trim(last, "0123456789") == "" {
		return "", errAddress
	}
	return strings.ToLower(name), nil
}

// isAddress reports whether host is an IPv6 address in one of the forms that a
// Host header or a URL may have: ::1, [::1] and [::1]:80. (An IPv4 address is
// known by its last label.) It parses only what has an address's colons,
// because a failure of ParseAddr allocates.
func isAddress(host string) bool {
	if inner, found := strings.CutPrefix(host, "["); found {
		inner, rest, closed := strings.Cut(inner, "]")
		_, err := netip.ParseAddr(inner)
		return closed && err == nil && (rest == "" || rest[0] == ':')
	}
	if strings.Count(host, ":") < 2 {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// isName is as lenient as names on private networks are, underscores
// included; what may be a tenant is for ParseID to say.
func isName(name string) bool {
	if name == "" || len(name) > 253 || strings.Contains(name, "..") || strings.Trim(name, ".") != name {
		return false
	}
	for i := range len(name) {
		if !isNameByte(name[i]) {
			return false
		}
	}
	return true
}

// isNameByte accepts [A-Za-z0-9._-].
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '.'
}
