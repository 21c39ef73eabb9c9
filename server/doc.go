// Package server is Poolkeeper's HTTP side: SQL over HTTP for tenants, and an
// admin API for operators on a listener of its own.
//
// A request's way, in the order of the files: routes.go names every route;
// observe.go gives the request its id, its trace and its line in the log, and
// recover.go keeps a panic inside; sql.go resolves the tenant and reads what is
// asked (request.go), runs the statements on a connection of the tenant's own
// pool, and writes the answer (answer.go), streams it (stream.go) or serves one
// that is kept (cached.go, package readcache). Whatever
// goes wrong on the way is an error that problem.go turns into a status and
// refuse.go writes in the dialect that the client speaks. run.go and stop.go
// are the server's own life, tls.go its certificates.
//
// # What holds
//
//   - No connection is taken before the tenant is known and the body is read
//     and understood; none is kept while an answer is written, unless the
//     client asked for a stream.
//   - A statement ends with its request: when the client goes away, when the
//     deadline passes, or when the server stops and its patience ends.
//   - Every write to a client has a deadline of its own, so that a reader who
//     stops reading holds nothing for long and a long stream is never cut
//     while it flows.
//   - Unknown, suspended and malformed tenants get one answer. Logs tell them
//     apart; no log line holds a statement, a parameter or a credential.
//
// # Admin API
//
// operator.go says what the API needs of an [Operator], admin_api.go names its
// routes, openapi.json describes them, and docs/admin-api.md shows them.
// Tests hold the handlers to that document. Work that takes longer than a request
// is an operation, which the request waits for (admin_wait.go) or follows
// (admin_follow.go) and which does not end with it. [NewAdmin] is the same
// API where no server runs.
//
//	/v1/tenants      records, without their secrets, and what is done to one
//	/v1/tenants/{id}/api-keys, /v1/api-keys      the keys of clients
//	/v1/apply, /v1/migrations, /v1/plans      the fleet
//	/v1/operations, /v1/audit, /v1/exports    what is done and was done
//	/v1/clusters     budgets: numbers and settings
//	/v1/pools        live pools; ?application_name= finds whose a session is
//	/v1/drain        ends the service, in peace
//
// A PATCH of a cluster or a pool takes a JSON object with any of the fields named and leaves the
// others as they are. It acts at once and is written nowhere: a cluster's
// settings hold until the configuration is reloaded with other ones, a
// tenant's limits until its record changes, and both until a restart. null
// gives a limit back to the record; 0 does too where it may stand, as in the
// record it means the default. A smaller budget closes idle connections first
// and waits for the rest; it cuts no statement. The log says what was changed,
// from what to what.
//
// With server.admin_tokens every request for /v1 needs a token, whose role says
// what it may do. Without, the admin listener binds to a loopback address
// unless a scrape token is set, and even then every route but /metrics and the
// health checks answers to loopback peers alone. A web page cannot use it
// through a visitor's browser: requests must name a loopback host or address,
// and come from no other site.
package server
