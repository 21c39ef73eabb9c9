package router

import (
	"net/http"
	"net/textproto"

	"github.com/poolkeeper/poolkeeper/registry"
)

// headerResolver finds the tenant in a header of its own.
type headerResolver struct{ key string }

func newHeaderResolver(name string) headerResolver {
	// In the form that keys of http.Header have, for a lookup without Get.
	return headerResolver{key: textproto.CanonicalMIMEHeaderKey(name)}
}

// resolve refuses a repeated header, even with equal values: of two that
// differ, one program reads the first and another the last.
func (h headerResolver) resolve(req *http.Request) (registry.ID, error) {
	values := req.Header[h.key]
	switch len(values) {
	case 0:
		return registry.ID{}, nil
	case 1:
		return parseID(values[0])
	default:
		return registry.ID{}, ErrMalformed
	}
}
