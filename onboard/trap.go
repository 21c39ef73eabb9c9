package onboard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A tenant that owns its schema may have left a trap there: a policy or a
// trigger that sleeps when a migration, or only the question which ones are
// missing, comes by. It may cost that tenant its start, but not hold up the
// others for long: each statement has a limit.

// trapped reports whether statements in the schema run what the tenant wrote.
func (pl *plan) trapped() bool { return pl.ownsSchema() == pl.login }

// statementLimit is the longest that one statement may take in a schema that
// its tenant owns.
func (c Config) statementLimit() time.Duration { return max(c.Timeout/10, time.Millisecond) }

// grace lets the server be the first to end a statement, because its error
// says more. Ours is for a trap that switches the server's limit off.
const grace = time.Second

// deadline is a pgx.QueryTracer that gives every statement a limit.
type deadline struct{ limit time.Duration }

// cancelKey is where TraceQueryEnd finds what frees the limit.
type cancelKey struct{}

// TraceQueryStart returns the context that the statement runs with.
func (d deadline) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	ctx, cancel := context.WithTimeout(ctx, d.limit)
	return context.WithValue(ctx, cancelKey{}, cancel)
}

// TraceQueryEnd gets the context of TraceQueryStart.
func (d deadline) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if cancel, ok := ctx.Value(cancelKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// explainLimit names the limit when err came of it. ctx is the one of the
// whole work.
func (c Config) explainLimit(ctx context.Context, err error) error {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	canceled := ok && refused.Code == "57014"
	if ctx.Err() != nil || (!canceled && !errors.Is(err, context.DeadlineExceeded)) {
		return err
	}
	return fmt.Errorf("the schema is the tenant's own, so a statement may take %v there, a tenth of onboard.timeout: %w", c.statementLimit(), err)
}
