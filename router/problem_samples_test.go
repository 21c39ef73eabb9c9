package router_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

func pg(code string) *pgconn.PgError {
	return &pgconn.PgError{Severity: "ERROR", Code: code, Message: "server says " + code}
}

func down(left time.Duration, err error) error {
	return &pools.DatabaseError{Tenant: registry.MustParseID("acme"), RetryAfter: left, Err: err}
}

func lookup(t *testing.T, q request) error {
	t.Helper()
	_, err := newRouter(t, production("host", "path", "neon", "header"), &lender{}, nil).Route(q.build(t))
	return err
}

func refusedCredential(t *testing.T, q request) error {
	t.Helper()
	_, err := guarded(t, production("key", "jwt", "path"), &lender{}, nil).Route(q.build(t))
	return err
}

// probe returns what an address gets after the refusals that it may have.
func probe(t *testing.T) (err error) {
	t.Helper()
	cfg := production("path")
	cfg.ProbeRate, cfg.ProbeBurst = 1, 1 // a minute to wait, by a clock that stands still
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, cfg, &lender{}, nil)
		_, _ = r.Route(request{path: "/t/nobody"}.build(t))
		_, err = r.Route(request{path: "/t/nobody"}.build(t))
	})
	return err
}

// beyondRate returns what a tenant gets that has used up its rate.
func beyondRate(t *testing.T) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := limited(t, &lender{}, nil, func(c *admission.Config) { c.Rate, c.Burst = 0.1, 1 })
		for range 2 {
			_, err = r.Route(request{path: "/t/acme"}.build(t))
		}
	})
	return err
}

// A sample is an error and what is said of it.
type sample struct {
	what string
	err  error
}

func samples(t *testing.T) []sample {
	t.Helper()
	constraint := pg("23505")
	constraint.Detail, constraint.Hint = "Key (id)=(1) already exists.", "choose another"
	constraint.SchemaName, constraint.TableName, constraint.ConstraintName = "acme", "items", "items_pkey"
	position := pg("42601")
	position.Position = 8
	fatal := pg("08P01")
	fatal.Severity = "FATAL"
	return []sample{
		{"tenant being prepared", fmt.Errorf("%w: %w", pools.ErrPreparing, context.DeadlineExceeded)},
		{"tenant not prepared", fmt.Errorf("%w: %w", pools.ErrPrepare, pg("42601"))},
		{"no tenant named", lookup(t, request{})},
		{"unknown by header", lookup(t, request{remote: fromProxy, header: header(tenantID, "nobody")})},
		{"unknown by path", lookup(t, request{path: "/t/nobody"})},
		{"unknown by host", lookup(t, request{host: "nobody.example.com"})},
		{"inactive by path", lookup(t, request{path: "/t/hooli"})},
		{"malformed by header", lookup(t, request{header: header(tenantID, "a_b")})},
		{"conflict", lookup(t, request{remote: fromProxy, header: header(tenantID, "acme", neon, neonOf("globex.gw"))})},
		{"untrusted", lookup(t, request{header: header(tenantID, "acme")})},
		{"bare registry.ErrUnknown", registry.ErrUnknown},
		{"bare registry.ErrInactive", registry.ErrInactive},
		{"bare registry.ErrInvalidID", registry.ErrInvalidID},
		{"bad credential", refusedCredential(t, bearer(keyOf("revoked")))},
		{"bad credential by path", refusedCredential(t, request{path: "/t/acme", header: bearer(keyOf("revoked")).header})},
		{"bad token", refusedCredential(t, bearer(tokenOf("forged")))},
		{"tokens cannot be verified", refusedCredential(t, bearer(tokenOf("away")))},
		{"keys cannot be asked", refusedCredential(t, bearer(keyOf("away")))},
		{"probing", probe(t)},
		{"bare router.ErrProbing", router.ErrProbing},
		{"rate", beyondRate(t)},
		{"bare admission.ErrRate", admission.ErrRate},
		{"bare admission.ErrInFlight", fmt.Errorf("router: tenant acme: %w", admission.ErrInFlight)},
		{"bare admission.ErrStore", admission.ErrStore},
		{"no login that can only read", fmt.Errorf("tenant acme: %w", registry.ErrNoReader)},
		{"not walled", fmt.Errorf("%w: give it a login of its own", pools.ErrNotWalled)},
		{"not walled, bare", pools.ErrNotWalled},
		{"tenant's queue full", pools.ErrTenantQueue},
		{"tenant's connections busy", pools.ErrTenantTimeout},
		{"cluster's budget used up", fmt.Errorf("cluster main: %w", pools.ErrBudget)},
		{"cluster's budget used up while connecting", down(0, pools.ErrBudget)},
		{"cluster's queue full", fmt.Errorf("cluster main: %w", pools.ErrClusterQueue)},
		{"cluster's queue full while connecting", down(4200*time.Millisecond, pools.ErrClusterQueue)},
		{"pool limit", pools.ErrPoolLimit},
		{"keeper closed", pools.ErrClosed},
		{"lease drained", pools.ErrDrained},
		{"53300", pg("53300")},
		{"53300 while connecting", down(2500*time.Millisecond, pg("53300"))},
		{"database down", down(4200*time.Millisecond, errors.New("dial tcp 10.9.8.7:5432: connection refused"))},
		{"database down, no back-off", down(0, io.EOF)},
		{"database down by a time limit of its own", down(40*time.Millisecond, context.DeadlineExceeded)},
		{"login refused while connecting", down(time.Second, pg("28P01"))},
		{"bare pools.ErrDatabase", pools.ErrDatabase},
		{"records unavailable", fmt.Errorf("%w: %w", registry.ErrUnavailable, context.DeadlineExceeded)},
		{"canceled", context.Canceled},
		{"canceled, and the statement with it", errors.Join(pg("57014"), context.Canceled)},
		{"57014", pg("57014")},
		{"57014 and the deadline", errors.Join(context.DeadlineExceeded, pg("57014"))},
		{"deadline", fmt.Errorf("timeout: %w", context.DeadlineExceeded)},
		{"57P01", pg("57P01")},
		{"57P03", pg("57P03")},
		{"08006", pg("08006")},
		{"28P01", pg("28P01")},
		{"08P01 that ends the session", fatal},
		{"08P01, a wrong number of parameters", pg("08P01")},
		{"42601", position},
		{"42501", pg("42501")},
		{"23505", constraint},
		{"body too large", &http.MaxBytesError{Limit: 10}},
		{"result too large", router.ErrResultTooLarge},
		{"connection lost", fmt.Errorf("receive: %w", io.ErrUnexpectedEOF)},
		{"record that cannot be opened", pools.ErrRecord},
		{"lease released", pools.ErrReleased},
		{"visit closed", router.ErrVisitClosed},
		{"no visit", router.ErrNoVisit},
		{"anything else", errors.New("postgres://u:hunter2@10.9.8.7/x is broken")},
		{"nil", nil},
	}
}
