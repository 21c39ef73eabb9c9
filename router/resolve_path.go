package router

import (
	"net/http"
	"path"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// pathResolver finds the tenant in the path, after a prefix such as /t/.
type pathResolver struct{ prefix string }

// resolve reads the path as it was sent, before percent-decoding: an id needs
// no escapes, so one that has any is refused, %2F above all. The decoded and
// cleaned path must name the same tenant, because that is what whoever
// dispatches the request may go by: /t/acme/../globex/sql, //t/acme and
// /%74/acme are refused.
func (p pathResolver) resolve(req *http.Request) (registry.ID, error) {
	sent, isSent := p.segment(req.URL.EscapedPath())
	meant, isMeant := p.segment(path.Clean(req.URL.Path))
	switch {
	case !isSent && !isMeant:
		return registry.ID{}, nil
	case sent != meant:
		return registry.ID{}, ErrMalformed
	default:
		return parseID(sent)
	}
}

// segment returns what follows the prefix, up to the next slash.
func (p pathResolver) segment(text string) (string, bool) {
	rest, found := strings.CutPrefix(text, p.prefix)
	segment, _, _ := strings.Cut(rest, "/")
	if !found {
		return "", false
	}
	return segment, true
}
