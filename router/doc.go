// Package router takes an HTTP request to its tenant: it reads who the request
// is for, verifies its credential, checks that the tenant may be served now,
// and lends the handler the tenant's pool.
//
// # The way of a request
//
//	r, err := router.New(cfg, router.Deps{
//		Tenants:   tenants,  // *registry.Registry
//		Pools:     keeper,   // *pools.Keeper
//		Keys:      database, // *control.Database, when the resolvers list key
//		Tokens:    verifier, // *token.Verifier, when they list jwt
//		Admission: control,  // *admission.Control; without it there are no limits
//		Observer:  observer,
//	})
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
// gives it back when the handler ends, by a panic too. What the handler has left
// open then, rows or a transaction, is cut with its connection, and the keeper's
// log says so. A handler that does not ask costs no lease. In Gin, use
// c.Request.Context(): the Gin context itself does not carry the visit and is
// never cancelled.
//
// Work that outlives its request (a job, a goroutine that goes on) must not use
// the request's lease: it leases from the keeper by itself.
//
// # Who a request is for
//
// A resolver reads one kind of evidence. The configuration lists the resolvers
// in the order of trust, class 1 before 2 before 3; those not listed are never
// looked at.
//
//	key     an API key                          class 1: verified
//	jwt     a JSON Web Token                    class 1
//	host    acme.example.com, by a template     class 2: a place that the operator controls
//	path    /t/acme/...                         class 2
//	neon    the first label of the host in      class 3: the client writes what it likes
//	        Neon-Connection-String
//	header  X-Tenant-ID: acme                   class 3
//
// A verified credential says who and that it may. The others only say who. What
// they say suffices when the resolver is listed as open, in dev mode, or, for
// class 3, when the request comes from a configured proxy, which has then
// authenticated it. The rules:
//
//   - All listed resolvers are asked. Those that find a tenant must agree,
//     whether they suffice or not; a disagreement is refused.
//   - At least one of the resolvers that found the tenant must suffice. So a
//     header or a connection string from anywhere counts beside a credential
//     that agrees with it.
//   - A malformed name or a bad credential is a refusal and no reason to try
//     the next resolver; a bad credential also where the rest would suffice.
//   - There is no default tenant.
//   - A reserved label (api.example.com) or an address (127.0.0.1) names no
//     tenant. Another resolver may name one; when none does, it is a refusal.
//
// Which resolvers fit:
//
//	[key, host, path, neon]  clients with keys, wherever the tenant stands too
//	[jwt, header]            tokens of an identity provider; the header is checked against them
//	[host], open: [host]     something in front authenticates
//	[header], proxies: [...] a gateway authenticates and says who
//
// # Credentials
//
// With key or jwt among the resolvers, a credential is looked for in three
// places:
//
//	Authorization: Bearer TEXT
//	apikey: TEXT
//	Neon-Connection-String: postgresql://user:TEXT@host/db   (percent-encoding is undone)
//
// A text that begins with pk_ is an API key, any other a token. Whatever stands
// in these places must be good: another scheme than Bearer, an empty text, a
// repeated header and a kind that is not listed are refused with
// [ErrCredential]. A connection string without a password shows none. In dev
// mode its password is passed over, unless it begins with pk_: the strings of
// examples have passwords.
//
// A request may show the same text in several places, and a key beside a token;
// they must name the same tenant. Two different keys, or two different tokens,
// are refused with [ErrConflict]: nobody could say whose claims count.
//
// A credential that may only read (a key of scope read, a token that says so;
// when there are two, either of them) makes the visit [Visit.ReadOnly]: its
// lease is on another pool of the tenant's, whose login can only read, so that
// no SQL gets around it. A tenant without such a login answers 403.
//
// Where the tenant's id was another's before, a token that is not certain to have
// been issued since then is a bad credential: registry.Tenant.Since.
//
// [Claims] hands the token's claims to the handler, for the program's own SQL:
//
//	tx.Exec(ctx, "select set_config('app.user', $1, true)", claims["sub"])
//
// and a row policy that reads the setting. Where clients send SQL of their own
// this protects nothing, because they can set it too.
//
// # What the client sees
//
// A tenant that is unknown, inactive, malformed, forbidden, reserved or named
// twice in different ways, and a credential that is missing, bad or another's,
// get one answer: the same status, headers and body, so that nobody can find
// out which tenants exist. The status is 404 where the request names a tenant
// by host or path, else 401. The error and the [Observer] tell them apart.
// What may be said only to who is known, such as 403 and the tenant's limits,
// is said after that. [ProblemOf] holds the one table from errors to statuses.
//
// # Those who look around
//
// Refused requests are counted by the client's address, one of IPv4 or a
// network /64 of IPv6, wherever the reason lies; a request that names nobody
// and shows nothing does not count. An address that has had ProbeBurst
// refusals gets [ErrProbing], 429, for everything that it asks, before anything
// is looked up; ProbeRate of its refusals are forgotten in a minute. Only a
// request that a verified credential vouches for is served all the same, as
// many people may share an address. What is remembered is bounded: of some
// thousand addresses, those that were heard of last.
//
// Behind proxies the client is the last in X-Forwarded-For that is no proxy.
// So proxies must be listed, and must add to that header; a listed proxy that
// sends none counts as asking for itself, and is not limited. A proxy that is
// not listed is a client like any other: it is limited for all who stand
// behind it. Only where no proxy is listed at all, a request for which an open
// resolver suffices is neither counted nor refused: what Config.Open is for
// stands in front then, under one address. Its clients may try as many names as
// it lets them.
//
// # Limits of a tenant
//
// After all that the tenant's own limits are asked (package admission): its
// rate and its requests under way, which this one is until its visit is closed.
// The headers RateLimit and RateLimit-Policy are set by the middleware, on
// good answers and on refusals for this reason; whoever calls [Router.Route]
// calls [Visit.Header].
package router
