package pools

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// tracer sees, through the driver's own hooks, what the lease cannot: how a
// try to connect ended although nobody waits for it any more, and that the
// session's prepared statements were thrown away behind the driver's back.
type tracer struct{ entry *entry }

// TraceConnectStart implements pgx.ConnectTracer.
func (t *tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (t *tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	o, _ := ctx.Value(openingKey{}).(*opening)
	if o == nil {
		return
	}
	switch {
	case o.gift != nil: // taken over, or not: nobody logged in
	case data.Err == nil:
		t.entry.letIn(o.password)
	case ctx.Err() != nil: // a pool that closed says nothing about the database
	case t.entry.mayHeal(data.Err): // the opening goes on, and notes how it ends
	default:
		t.entry.connectFailed(data.Err, o.carried)
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *tracer) TraceQueryEnd(_ context.Context, c *pgx.Conn, data pgx.TraceQueryEndData) {
	noteDropped(c, data.CommandTag, data.Err)
}

// TraceBatchStart implements pgx.BatchTracer.
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (t *tracer) TraceBatchQuery(_ context.Context, c *pgx.Conn, data pgx.TraceBatchQueryData) {
	noteDropped(c, data.CommandTag, data.Err)
}

// TraceBatchEnd implements pgx.BatchTracer.
func (t *tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// noteDropped looks for statements that are gone: by a command that says so,
// or by the error of using one (26000), whoever dropped it.
func noteDropped(c *pgx.Conn, tag pgconn.CommandTag, err error) {
	text := tag.String()
	gone := text == "DISCARD ALL" || strings.HasPrefix(text, "DEALLOCATE")
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "26000" {
		gone = true
	}
	if gone {
		if s := sessionOf(c); s != nil {
			s.dropped = true
		}
	}
}
