package sqlwire

import (
	"context"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	streamBuffer = 32 << 10              // bytes that wait for a write at most, beside one row
	streamDelay  = 20 * time.Millisecond // how long they wait at most
	maxStreamRow = 64 << 20              // bytes of one row, whatever the caller allows
)

// Stream runs one query and writes its answer as NDJSON. A line's first key tells what it is, whatever the columns are called:
//
//	{"fields":[…],"rowAsArray":false}     first
//	{"row":{…}}                           for each row: an object, or in array mode an array
//	{"command":"SELECT","rowCount":2}     last; or {"error":{…}} with the fields of ErrorBody
//
// Without a last line the stream was cut. It holds one row and 32 KiB, which it writes and flushes when they are full or 20 ms old, never two at a
// time but from more than one goroutine. A row of more than maxRow bytes is a *TooLargeError, and so is a message of PostgreSQL that cannot be one of
// less; 0 is 64 MiB, which is the most.
//
// Nothing is written before the first row, or the end, is there: an error with Outcome.Started false is the caller's to answer. An error after that is
// in the trailer, and is returned too. Errors are those of Execute, and those of w and flush.
func Stream(ctx context.Context, pg *pgconn.PgConn, q Query, opt Options, maxRow int64, w io.Writer, flush func() error) (Outcome, error) {
	if err := refuse(Request{Queries: []Query{q}}); err != nil {
		return Outcome{}, err
	}
	if maxRow <= 0 || maxRow > maxStreamRow {
		maxRow = maxStreamRow
	}
	limitMessages(pg, min(maxRow, maxStreamRow/2))
	defer unlimitMessages(pg)
	query, cancel := context.WithCancel(ctx)
	defer cancel()
	result := pg.ExecParams(query, q.SQL, q.Params, nil, nil, nil)
	out := &lineWriter{w: w, flush: flush, failed: cancel}
	out.timer = time.AfterFunc(streamDelay, out.late)
	defer out.close()
	outcome, err := stream(result, out, opt.RawText, q.arrayMode(opt), maxRow)
	fault := out.err() // nobody listens any more
	if fault != nil {
		err = fault
	}
	if fault != nil || isTooLarge(err) {
		outcome.Discard = true
		cancel()
		_, _ = result.Close()
	}
	outcome.Discard = outcome.Discard || inDoubt(ctx, pg, err)
	return outcome, err
}

// stream writes one result, and returns the error of the query.
func stream(result *pgconn.ResultReader, out *lineWriter, rawText, arrayMode bool, maxRow int64) (Outcome, error) {
	var outcome Outcome
	fields := slices.Clone(result.FieldDescriptions()) // theirs are valid until the result is closed
	rows := newRowWriter(fields, rawText, arrayMode)
	head := func(dst []byte) []byte {
		dst = appendFields(append(dst, `{"fields":`...), fields)
		dst = append(dst, `,"rowAsArray":`...)
		return append(strconv.AppendBool(dst, arrayMode), '}')
	}
	large := false
	for out.err() == nil && result.NextRow() {
		if large = rows.exceeds(result.Values(), int(maxRow)); large {
			break
		}
		if !outcome.Started {
			outcome.Started = true
			out.line(head)
		}
		out.line(func(dst []byte) []byte {
			return append(rows.appendRow(append(dst, `{"row":`...), result.Values()), '}')
		})
		outcome.Rows++
	}
	if err := out.err(); err != nil {
		return outcome, err
	}
	tag, err := outcome.end(result, large, maxRow)
	if err != nil && !outcome.Started {
		return outcome, err
	}
	if !outcome.Started {
		outcome.Started = true
		out.line(head)
	}
	out.line(func(dst []byte) []byte { return appendTrailer(dst, tag, err) })
	out.send()
	return outcome, err
}

// end is conclude, unless a row was too large: then nobody waits for those after it.
func (o *Outcome) end(result *pgconn.ResultReader, large bool, maxRow int64) (pgconn.CommandTag, error) {
	if large {
		return pgconn.CommandTag{}, &TooLargeError{Max: maxRow}
	}
	tag, err := o.conclude(result)
	return tag, limited(err, maxRow)
}

func appendTrailer(dst []byte, tag pgconn.CommandTag, err error) []byte {
	if err == nil {
		return append(appendTag(append(dst, '{'), tag), '}')
	}
	body := ErrorBody(err)
	return append(body.append(append(dst, `{"error":`...)), '}')
}
