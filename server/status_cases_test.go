package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
	"github.com/poolkeeper/poolkeeper/router/token"
)

// A statusCase is a row of the status table, as a client meets it.
type statusCase struct {
	name   string
	setup  func(*harness)
	tenant string // acme when empty
	path   string // /sql when empty
	body   string // {"query":"one"} when empty
	header []string
	twice  bool // the second answer counts

	status     int    // as problem+json
	code       string // as problem+json
	neon       int    // with a connection string
	neonMapped int    // with a connection string and sql.errors: neon
	mappedCode string // then; "" means the key is null
	retry      string
}

func acquireError(err error) func(*harness) { return func(h *harness) { h.acquireErr = err } }

// refusing admits nobody.
type refusing struct{ err error }

func (r refusing) Admit(context.Context, *registry.Tenant) (*admission.Pass, error) {
	return nil, r.err
}

func admits(err error) func(*harness) {
	return func(h *harness) {
		h.routes = func(_ *router.Config, d *router.Deps) { d.Admission = refusing{err} }
	}
}

// vouching knows one key and one token, unless err is set.
type vouching struct {
	key apikey.Key
	err error
}

func (v vouching) Key(context.Context, string) (apikey.Key, error) { return v.key, v.err }

func (v vouching) Verify(context.Context, string) (*token.Token, error) { return nil, v.err }

// credentials has requests verified by v.
func credentials(v vouching) func(*harness) {
	return func(h *harness) {
		h.routes = func(c *router.Config, d *router.Deps) {
			c.Resolvers = append([]string{"key", "jwt"}, c.Resolvers...)
			d.Keys, d.Tokens = v, v
		}
	}
}

// onceAMinute lets an address be refused once a minute.
func onceAMinute(h *harness) {
	h.routes = func(c *router.Config, _ *router.Deps) { c.ProbeRate, c.ProbeBurst = 1, 1 }
}

const keyText = "pk_abcdefghijkl_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"

func raise(severity, code string) string {
	return fmt.Sprintf(`{"query":"raise %s %s"}`, severity, code)
}

func statusCases() []statusCase {
	id := registry.MustParseID("acme")
	down := &pools.DatabaseError{Tenant: id, RetryAfter: 2500 * time.Millisecond, Err: errors.New("dial 10.0.0.1 as acme: refused")}
	badLogin := &pools.DatabaseError{Tenant: id, Err: &pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: "password authentication failed for user \"acme_login\""}}
	reader := apikey.Key{ID: "abcdefghijkl", Tenant: id, Scope: apikey.ScopeRead}
	return []statusCase{
		{name: "unknown tenant in the path", path: "/t/nobody/sql", tenant: "nobody", status: 404, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "tenants that disagree", path: "/t/quick/sql", status: 404, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "bad key", setup: credentials(vouching{err: apikey.ErrUnknown}), header: []string{"Authorization", "Bearer " + keyText}, status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "key of another", setup: credentials(vouching{key: reader}), tenant: "quick", header: []string{"Apikey", keyText}, status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "no reader", setup: credentials(vouching{key: reader}), header: []string{"Apikey", keyText}, status: 403, code: "read_only", neon: 403, neonMapped: 403, mappedCode: "read_only"},
		{name: "keys unavailable", setup: credentials(vouching{err: registry.ErrUnavailable}), header: []string{"Apikey", keyText}, status: 503, code: "registry_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "tokens unavailable", setup: credentials(vouching{err: token.ErrKeys}), header: []string{"Authorization", "Bearer a.b.c"}, status: 503, code: "credentials_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "probing", setup: onceAMinute, tenant: "nobody", twice: true, status: 429, code: "probe_limit", neon: 429, neonMapped: 400, mappedCode: "53300", retry: "60"},
		{name: "tenant rate", setup: admits(admission.ErrRate), status: 429, code: "tenant_limit", neon: 429, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "tenant requests under way", setup: admits(admission.ErrInFlight), status: 429, code: "tenant_limit", neon: 429, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "shared limits down", setup: admits(admission.ErrStore), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "being prepared", setup: acquireError(fmt.Errorf("%w: %w", pools.ErrPreparing, context.DeadlineExceeded)), status: 503, code: "preparing", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "not prepared", setup: acquireError(pools.ErrPrepare), status: 503, code: "not_prepared", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "lease cut", setup: acquireError(pools.ErrDrained), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "encoded body", header: []string{"Content-Encoding", "gzip"}, status: 415, code: "unsupported_encoding", neon: 415, neonMapped: 415, mappedCode: "unsupported_encoding"},
		{name: "no such path", path: "/nowhere", status: 404, code: "not_found", neon: 404, neonMapped: 404, mappedCode: "not_found"},
		{name: "no such method", path: "/livez", status: 405, code: "method_not_allowed", neon: 405, neonMapped: 405, mappedCode: "method_not_allowed"},
		{name: "bad timeout", header: []string{"X-Request-Timeout", "soon"}, status: 400, code: "bad_request", neon: 400, neonMapped: 400},
		{name: "unknown tenant", tenant: "nobody", status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "suspended tenant", tenant: "hooli", status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "malformed tenant", tenant: "no_such'\"tenant", status: 401, code: "tenant_refused", neon: 400, neonMapped: 400, mappedCode: "28P01"},
		{name: "tenant queue", setup: acquireError(fmt.Errorf("x: %w", pools.ErrTenantQueue)), status: 429, code: "tenant_limit", neon: 429, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "tenant timeout", setup: acquireError(pools.ErrTenantTimeout), status: 429, code: "tenant_limit", neon: 429, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "cluster budget", setup: acquireError(fmt.Errorf("cluster main, wanted by globex: %w", pools.ErrBudget)), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "cluster budget while connecting", setup: acquireError(&pools.DatabaseError{Tenant: id, RetryAfter: 2500 * time.Millisecond, Err: pools.ErrBudget}), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "cluster queue", setup: acquireError(fmt.Errorf("x: %w", pools.ErrClusterQueue)), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "pool limit", setup: acquireError(pools.ErrPoolLimit), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "keeper closed", setup: acquireError(pools.ErrClosed), status: 503, code: "capacity", neon: 503, neonMapped: 400, mappedCode: "53300", retry: "1"},
		{name: "database down", setup: acquireError(down), status: 503, code: "database_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "3"},
		{name: "our login refused", setup: acquireError(badLogin), status: 503, code: "28P01", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "registry down", setup: func(h *harness) { h.records.err = registry.ErrUnavailable }, status: 503, code: "registry_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "deadline", setup: func(h *harness) { h.cfg.SQL.Timeout = 50 * time.Millisecond }, body: `{"query":"sleep"}`, status: 504, code: "deadline", neon: 504, neonMapped: 400, mappedCode: "57014"},
		{name: "statement timeout", body: raise("ERROR", "57014"), status: 504, code: "57014", neon: 504, neonMapped: 400, mappedCode: "57014"},
		{name: "sql error", body: raise("ERROR", "42P01"), status: 400, code: "42P01", neon: 400, neonMapped: 400, mappedCode: "42P01"},
		{name: "sql error under a statement timeout", tenant: "quick", body: raise("ERROR", "42P01"), status: 400, code: "42P01", neon: 400, neonMapped: 400, mappedCode: "42P01"},
		{name: "constraint", body: raise("ERROR", "23505"), status: 400, code: "23505", neon: 400, neonMapped: 400, mappedCode: "23505"},
		{name: "parameter count", body: raise("ERROR", "08P01"), status: 400, code: "08P01", neon: 400, neonMapped: 400, mappedCode: "08P01"},
		{name: "statement raises an outage", body: raise("ERROR", "57P01"), status: 400, code: "57P01", neon: 400, neonMapped: 400, mappedCode: "57P01"},
		{name: "statement raises exhaustion", body: raise("ERROR", "53300"), status: 400, code: "53300", neon: 400, neonMapped: 400, mappedCode: "53300"},
		{name: "session ended", body: raise("FATAL", "57P01"), status: 503, code: "57P01", neon: 503, neonMapped: 400, mappedCode: "57P01", retry: "1"},
		{name: "connection lost", body: `{"query":"drop"}`, status: 503, code: "database_unavailable", neon: 503, neonMapped: 400, mappedCode: "57P03", retry: "1"},
		{name: "no wall by record", tenant: "shared", status: 403, code: "isolation", neon: 403, neonMapped: 403, mappedCode: "isolation"},
		{name: "no wall by connection", setup: func(h *harness) { h.walled = fmt.Errorf("%w: login is a superuser; use another", pools.ErrNotWalled) }, status: 403, code: "isolation", neon: 403, neonMapped: 403, mappedCode: "isolation"},
		{name: "body too large", setup: func(h *harness) { h.cfg.SQL.MaxBody = 1024 }, body: `{"query":"` + strings.Repeat("x", 2000) + `"}`, status: 413, code: "body_too_large", neon: 413, neonMapped: 413, mappedCode: "body_too_large"},
		{name: "result too large", setup: func(h *harness) { h.cfg.SQL.MaxResult = 1024 }, body: `{"query":"wide 5000"}`, status: 507, code: "result_too_large", neon: 507, neonMapped: 507},
		{name: "malformed body", body: `{"query":`, status: 400, code: "bad_request", neon: 400, neonMapped: 400},
		{name: "copy", body: `{"query":"COPY t TO STDOUT"}`, status: 400, code: "0A000", neon: 400, neonMapped: 400, mappedCode: "0A000"},
		{name: "anything else", setup: acquireError(errors.New("host=10.0.0.1 password=hunter2")), status: 500, code: "internal", neon: 500, neonMapped: 500, mappedCode: "internal"},
	}
}
