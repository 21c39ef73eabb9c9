package sqlwire

import (
	"bytes"
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// Outcome is what the caller must know of an execution beside its error; it counts with an error too.
type Outcome struct {
	Discard bool  // the connection must be destroyed: its protocol state or its prepared statements are not what others expect
	Rows    int64 // rows written
	Started bool  // Stream only: the first line was written, so an error is in the trailer line already
}

// Execute runs the request on pg and appends the whole answer to dst, which on an error is as it was before. ctx ends the running statement.
// maxResult is the greatest answer in bytes, 0 means any.
//
// A single query runs in autocommit, unless it is BEGIN: then the session is left in a transaction, for the caller to roll back.
// The error is a *pgconn.PgError, a *TooLargeError, ErrCopy, or that of the context or the connection as pgconn gives it.
func Execute(ctx context.Context, pg *pgconn.PgConn, req Request, opt Options, maxResult int64, dst *bytes.Buffer) (Outcome, error) {
	if err := refuse(req); err != nil {
		return Outcome{}, err
	}
	limitMessages(pg, maxResult)
	defer unlimitMessages(pg)
	a := answer{dst: dst, start: dst.Len(), maxBytes: maxResult, opt: opt}
	var err error
	if req.Batch {
		err = a.batch(ctx, pg, req.Queries)
	} else {
		err = a.single(ctx, pg, req.Queries[0])
	}
	if err != nil {
		dst.Truncate(a.start)
		err = limited(err, maxResult)
	}
	a.outcome.Discard = a.outcome.Discard || errors.Is(err, errOutOfStep) || inDoubt(ctx, pg, err)
	return a.outcome, err
}

// answer is one execution's buffer and what is known of it so far.
type answer struct {
	dst      *bytes.Buffer
	start    int // length of dst before the answer
	maxBytes int64
	opt      Options
	outcome  Outcome
}

func (a *answer) single(ctx context.Context, pg *pgconn.PgConn, q Query) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := pg.ExecParams(ctx, q.SQL, q.Params, nil, nil, nil)
	err := a.result(result, q)
	if isTooLarge(err) {
		a.outcome.Discard = true
		cancel()
		_, _ = result.Close()
	}
	return err
}

// batch runs the queries in a transaction; an empty one does not touch the database.
func (a *answer) batch(ctx context.Context, pg *pgconn.PgConn, queries []Query) error {
	if len(queries) == 0 {
		return a.write(`{"results":[]}`)
	}
	err := a.queries(ctx, pg, queries)
	if err == nil {
		err = a.commit(ctx, pg)
	}
	if err != nil {
		a.rollback(ctx, pg)
	}
	return err
}

// queries runs BEGIN and the queries, and writes their results.
func (a *answer) queries(ctx context.Context, pg *pgconn.PgConn, queries []Query) error {
	for begun := false; len(queries) > 0; begun = true {
		if begun && pg.TxStatus() != 'T' {
			return errOutOfStep
		}
		n := portion(queries)
		if err := a.portion(ctx, pg, queries[:n], begun); err != nil {
			return err
		}
		queries = queries[n:]
	}
	return a.write(`]}`)
}

// atOnce is how many bytes of a batch are sent before their results are read.
const atOnce = 16 << 10

// portion returns how many of the queries are sent at once: one, and those after it that surely fit the socket's buffers. While a write waits for
// PostgreSQL, which may be writing rows itself, the driver puts all these aside, and nobody counts them. One query is read whole before it has any.
func portion(queries []Query) int {
	const frame = 64 // of the messages around a query
	size := 0
	for i := range queries {
		size += frame + len(queries[i].SQL)
		for _, p := range queries[i].Params {
			size += 8 + len(p)
		}
		if i > 0 && size > atOnce {
			return i
		}
	}
	return len(queries)
}

// portion sends queries at once, the first ones with BEGIN, and writes their results as they come. PostgreSQL skips what follows an error.
func (a *answer) portion(ctx context.Context, pg *pgconn.PgConn, queries []Query, begun bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batch := &pgconn.Batch{}
	if !begun {
		batch.ExecParams(a.opt.Batch.begin(), nil, nil, nil, nil)
	}
	for i := range queries {
		batch.ExecParams(queries[i].SQL, queries[i].Params, nil, nil, nil)
	}
	results := pg.ExecBatch(ctx, batch)
	err := a.results(results, queries, begun)
	if isTooLarge(err) {
		a.outcome.Discard = true
		cancel()
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (a *answer) results(results *pgconn.MultiResultReader, queries []Query, begun bool) error {
	opening := ","
	if !begun {
		if !results.NextResult() { // of BEGIN
			return missing(results)
		}
		opening = `{"results":[`
	}
	for i := range queries {
		if !results.NextResult() {
			return missing(results)
		}
		if err := a.write(opening); err != nil {
			return err
		}
		if err := a.result(results.ResultReader(), queries[i]); err != nil {
			return err
		}
		opening = ","
	}
	return nil
}

// missing returns the error that kept a result from coming.
func missing(results *pgconn.MultiResultReader) error {
	if err := results.Close(); err != nil {
		return err
	}
	return errOutOfStep
}

func (a *answer) commit(ctx context.Context, pg *pgconn.PgConn) error {
	if pg.TxStatus() != 'T' {
		return errOutOfStep
	}
	tag, err := pg.ExecParams(ctx, "commit", nil, nil, nil, nil).Close()
	if err == nil && tag.String() != "COMMIT" {
		return errOutOfStep
	}
	return err
}

// rollback ends a failed batch's transaction now, so that its locks do not wait for the caller's release. When ctx has ended that is all
// there is, and the release's own rollback does it.
func (a *answer) rollback(ctx context.Context, pg *pgconn.PgConn) {
	if a.outcome.Discard || pg.IsClosed() || pg.TxStatus() == 'I' || ctx.Err() != nil {
		return
	}
	if _, err := pg.ExecParams(ctx, "rollback", nil, nil, nil, nil).Close(); err != nil {
		a.outcome.Discard = true
	}
}

// result writes one query's result and reads it to its end, unless it grows too large.
func (a *answer) result(result *pgconn.ResultReader, q Query) error {
	arrayMode := q.arrayMode(a.opt)
	fields := result.FieldDescriptions()
	rows := newRowWriter(fields, a.opt.RawText, arrayMode)
	b := append(a.dst.AvailableBuffer(), `{"fields":`...)
	b = append(appendFields(b, fields), `,"rows":[`...)
	a.dst.Write(b)
	for i := 0; result.NextRow(); i++ {
		if a.maxBytes > 0 && rows.exceeds(result.Values(), int(a.maxBytes)-(a.dst.Len()-a.start)) {
			return &TooLargeError{Max: a.maxBytes}
		}
		b = a.dst.AvailableBuffer()
		if i > 0 {
			b = append(b, ',')
		}
		a.dst.Write(rows.appendRow(b, result.Values()))
		a.outcome.Rows++
		if a.maxBytes > 0 && int64(a.dst.Len()-a.start) > a.maxBytes {
			return &TooLargeError{Max: a.maxBytes}
		}
	}
	tag, err := a.outcome.conclude(result)
	if err != nil {
		return err
	}
	b = append(a.dst.AvailableBuffer(), `],`...)
	b = appendTag(b, tag)
	b = append(b, `,"rowAsArray":`...)
	a.dst.Write(append(strconv.AppendBool(b, arrayMode), '}'))
	return nil
}

// write appends a piece of a batch's answer, and checks the limit here too: a batch of many empty results has no rows to check it at, and
// before COMMIT it is not too late to refuse.
func (a *answer) write(s string) error {
	a.dst.WriteString(s)
	if a.maxBytes > 0 && int64(a.dst.Len()-a.start) > a.maxBytes {
		return &TooLargeError{Max: a.maxBytes}
	}
	return nil
}

// conclude reads the end of a result and remembers what its command did to the connection.
func (o *Outcome) conclude(result *pgconn.ResultReader) (pgconn.CommandTag, error) {
	tag, err := result.Close()
	o.Discard = o.Discard || endsPreparedStatements(tag)
	if err == nil && isCopy(tag) {
		o.Discard = true
		err = ErrCopy
	}
	return tag, err
}

func (q *Query) arrayMode(o Options) bool {
	if q.ArrayMode != nil {
		return *q.ArrayMode
	}
	return o.ArrayMode
}

// inDoubt reports whether the connection may still hear of this request: it is closed, a result is half read, or ctx ended and a cancel may be on
// its way. A 57014 is that cancel's arrival.
func inDoubt(ctx context.Context, pg *pgconn.PgConn, err error) bool {
	if pg.IsClosed() || pg.IsBusy() {
		return true
	}
	if ctx.Err() == nil || pgconn.SafeToRetry(err) {
		return false
	}
	var pgErr *pgconn.PgError
	return !errors.As(err, &pgErr) || pgErr.Code != "57014"
}

func isTooLarge(err error) bool {
	var large *TooLargeError
	return errors.As(err, &large)
}

const (
	maxMessage    = 1<<30 - 1 // what pgproto3 and PostgreSQL allow
	messageMargin = 1 << 16   // room for what is no row, such as an error where the limit is small
)

// limitMessages keeps one message of PostgreSQL, be it a row, an error or a notice, from taking more memory than the answer may: the driver reads
// it whole before anyone can look at it. A row is at most twice as long on the wire as in JSON (four bytes of length for an empty string or NULL).
func limitMessages(pg *pgconn.PgConn, maxBytes int64) {
	if maxBytes > 0 && maxBytes < (maxMessage-messageMargin)/2 {
		pg.Frontend().SetMaxBodyLen(int(2*maxBytes + messageMargin))
	}
}

func unlimitMessages(pg *pgconn.PgConn) { pg.Frontend().SetMaxBodyLen(maxMessage) }
