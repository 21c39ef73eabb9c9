package router

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/poolkeeper/poolkeeper/pools"
)

// requestIDHeader names a request in the logs of everybody on its way.
const requestIDHeader = "X-Request-Id"

// visitKey is the key of the visit in a request's context.
type visitKey struct{}

// Middleware resolves each request and calls next with its [Visit] in the
// request's context; the visit is closed when next returns or panics. A
// request that is refused gets [WriteProblem] and does not reach next.
//
// Mount it outside of whatever changes the path, such as http.StripPrefix.
func (r *Router) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		nameRequest(w.Header(), req)
		v, err := r.Route(req)
		if err != nil {
			WriteProblem(w, req, ProblemOf(err))
			return
		}
		// Deferred and without recover: a panic goes on with its own stack.
		defer v.Close()
		v.Header(w.Header())
		next.ServeHTTP(w, req.WithContext(withVisit(req.Context(), v)))
	})
}

func withVisit(ctx context.Context, v *Visit) context.Context {
	return context.WithValue(ctx, visitKey{}, v)
}

// From returns the visit of the request that ctx belongs to, or [ErrNoVisit].
func From(ctx context.Context) (*Visit, error) {
	v, ok := ctx.Value(visitKey{}).(*Visit)
	if !ok {
		return nil, ErrNoVisit
	}
	return v, nil
}

// Claims returns what the verified token says with which the request was made
// that ctx belongs to; nil when there is none. The map is shared and must not
// be changed.
//
// The claims are for the program's own SQL, as parameters of its statements or
// as transaction-local settings that row policies read. SQL that a client
// wrote can set such a setting too: never rely on one there.
func Claims(ctx context.Context) map[string]any {
	v, err := From(ctx)
	if err != nil {
		return nil
	}
	return v.Claims()
}

// Lease returns the lease of the request that ctx belongs to: [From], then
// [Visit.Lease].
func Lease(ctx context.Context) (*pools.Lease, error) {
	v, err := From(ctx)
	if err != nil {
		return nil, err
	}
	return v.Lease(ctx)
}

// nameRequest sets the response's request id, unless somebody before us did:
// to the client's when that is harmless in a log, else to a random one.
func nameRequest(header http.Header, req *http.Request) {
	if len(header[requestIDHeader]) > 0 {
		return
	}
	if sent := req.Header[requestIDHeader]; len(sent) == 1 && isRequestID(sent[0]) {
		header[requestIDHeader] = []string{sent[0]}
		return
	}
	header[requestIDHeader] = []string{rand.Text()}
}

// isRequestID accepts 1 to 128 of [A-Za-z0-9._-].
func isRequestID(text string) bool {
	if text == "" || len(text) > 128 {
		return false
	}
	for i := range len(text) {
		if !isNameByte(text[i]) {
			return false
		}
	}
	return true
}
