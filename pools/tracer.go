package pools

import (
	"context"
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
	if data.Err != nil && ctx.Err() == nil { // else the pool closed, which says nothing about the database
		t.entry.connectFailed(data.Err)
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *tracer) TraceQueryEnd(_ context.Context, c *pgx.Conn, data pgx.TraceQueryEndData) {
	noteDropped(c, data.CommandTag)
}

// TraceBatchStart implements pgx.BatchTracer.
func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (t *tracer) TraceBatchQuery(_ context.Context, c *pgx.Conn, data pgx.TraceBatchQueryData) {
	noteDropped(c, data.CommandTag)
}

// TraceBatchEnd implements pgx.BatchTracer.
func (t *tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

func noteDropped(c *pgx.Conn, tag pgconn.CommandTag) {
	text := tag.String()
	if text == "DISCARD ALL" || strings.HasPrefix(text, "DEALLOCATE") {
		if s := sessionOf(c); s != nil {
			s.dropped = true
		}
	}
}
