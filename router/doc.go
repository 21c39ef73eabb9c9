// Package router takes an HTTP request to its tenant: it reads who the request
// is for, checks that the tenant may be served, and lends the handler the
// tenant's pool.
//
// # The way of a request
//
//	r, err := router.New(cfg, tenants, keeper, observer)
//	http.ListenAndServe(addr, r.Middleware(mux)) // or engine.Use(r.Gin())
//
// and in a handler, net/http or Gin alike:
//
//	lease, err := router.Lease(req.Context())
//	if err != nil {
//		router.WriteProblem(w, req, router.ProblemOf(err))
//		return
//	}
//	rows, err := lease.Query(req.Context(), "select ...")
//
// The middleware resolves the request into a [Visit] and refuses it when that
// fails. The visit leases the tenant's pool when the handler first asks, and
// gives it back when the handler ends, by a panic too. A handler that does not
// ask costs no lease. In Gin, use c.Request.Context(): the Gin context itself
// does not carry the visit and is never cancelled.
//
// Work that outlives its request (a job, a goroutine that goes on) must not use
// the request's lease: it leases from the keeper by itself.
//
// # Who a request is for
//
// A resolver reads one place. The configuration lists the resolvers in the
// order of trust; those not listed are never looked at.
//
//	host    acme.example.com, by a template     class 2: a place that the operator controls
//	path    /t/acme/...                         class 2
//	neon    the first label of the host in      class 3: the client writes what it likes
//	        Neon-Connection-String
//	header  X-Tenant-ID: acme                   class 3
//
// A resolver says who, not that it may. What it says suffices when the resolver
// is listed as open, in dev mode, or, for class 3, when the request comes from
// a configured proxy, which has then authenticated it. The rules:
//
//   - All listed resolvers are asked. Those that find a tenant must agree,
//     whether they suffice or not; a disagreement is refused.
//   - A malformed name is a refusal and no reason to try the next resolver.
//   - At least one of the resolvers that found the tenant must suffice.
//   - There is no default tenant.
//   - A reserved label (api.example.com) or an address (127.0.0.1) names no
//     tenant. Another resolver may name one; when none does, it is a refusal.
//
// # What the client sees
//
// A tenant that is unknown, inactive, malformed, forbidden, reserved or named
// twice in different ways gets one answer: the same status, headers and body,
// so that nobody can find out which tenants exist. The error and the [Observer]
// tell them apart. [ProblemOf] holds the one table from errors to statuses.
package router
