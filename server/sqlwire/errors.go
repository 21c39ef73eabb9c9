package sqlwire

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolkeeper/poolkeeper/router/pgreport"
)

// ErrCopy is returned when a statement is COPY, which has no form over HTTP. The text is meant for the client.
var ErrCopy = errors.New("COPY is not supported over HTTP")

// errOutOfStep is returned when PostgreSQL's answers do not match a batch: a result is missing, or the transaction ended before its COMMIT.
// statement.go rules that out; this is for what nobody thought of.
var errOutOfStep = errors.New("sqlwire: the server's answers do not match the batch")

// BadRequestError says what is wrong with a request's body or headers; its text is meant for the client. Status 400.
type BadRequestError struct {
	Message string
}

// Error returns the message as it is.
func (e *BadRequestError) Error() string { return e.Message }

// TooLargeError says that an answer would exceed the limit; its text is meant for the client. Status 507.
type TooLargeError struct {
	Max int64 // bytes
}

// Error returns the text that the protocol's reference server uses.
func (e *TooLargeError) Error() string {
	return "response is too large (max is " + strconv.FormatInt(e.Max, 10) + " bytes)"
}

// ErrorFields are the 17 keys of an error body. Message is always a string; every other field is null when it is empty.
type ErrorFields struct {
	Message, Code, Detail, Hint, Position, InternalPosition, InternalQuery, Severity, Where, Table, Column, Schema, DataType,
	Constraint, File, Line, Routine string
}

// ErrorBody returns what a client is told of err. An error of PostgreSQL is told with texts of pgreport.MaxText at most, this package's own errors by their text;
// a cut connection or a deadline gets the SQLSTATE that PostgreSQL would give it; of anything else the text is hidden.
func ErrorBody(err error) ErrorFields {
	var pg *pgconn.PgError
	var bad *BadRequestError
	var large *TooLargeError
	switch {
	case errors.As(err, &pg):
		return fieldsOf(pg)
	case errors.As(err, &bad):
		return ErrorFields{Message: bad.Message}
	case errors.As(err, &large):
		return ErrorFields{Message: large.Error()}
	case errors.Is(err, ErrCopy):
		return ErrorFields{Message: ErrCopy.Error(), Code: "0A000", Severity: "ERROR"}
	case errors.Is(err, context.DeadlineExceeded):
		return ErrorFields{Message: "query cancelled: its deadline passed", Code: "57014", Severity: "ERROR"}
	case errors.Is(err, context.Canceled):
		return ErrorFields{Message: "Query cancelled, connection was terminated", Code: "08P01"}
	case isConnectionError(err):
		return ErrorFields{Message: "connection to the database was lost", Code: "08006", Severity: "FATAL"}
	default:
		return ErrorFields{Message: "internal error"}
	}
}

// isConnectionError reports whether err is of the network or of a closed connection. Their texts carry addresses, so they stay inside.
func isConnectionError(err error) bool {
	var op *net.OpError
	return errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &op)
}

func fieldsOf(e *pgconn.PgError) ErrorFields {
	e = pgreport.Clip(e)
	return ErrorFields{
		Message: e.Message, Code: e.Code, Detail: e.Detail, Hint: e.Hint,
		Position: number(e.Position), InternalPosition: number(e.InternalPosition), InternalQuery: e.InternalQuery,
		Severity: e.Severity, Where: e.Where,
		Table: e.TableName, Column: e.ColumnName, Schema: e.SchemaName, DataType: e.DataTypeName, Constraint: e.ConstraintName,
		File: e.File, Line: number(e.Line), Routine: e.Routine,
	}
}

// number returns n as the protocol wants it, a string; PostgreSQL counts from 1, so 0 is absent.
func number(n int32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}

// MarshalJSON writes all 17 keys in the protocol's order.
func (f ErrorFields) MarshalJSON() ([]byte, error) {
	return f.append(make([]byte, 0, 512)), nil
}

func (f *ErrorFields) append(dst []byte) []byte {
	dst = append(dst, `{"message":`...)
	dst = appendString(dst, f.Message)
	for _, field := range [...]struct{ key, value string }{
		{`,"code":`, f.Code},
		{`,"detail":`, f.Detail},
		{`,"hint":`, f.Hint},
		{`,"position":`, f.Position},
		{`,"internalPosition":`, f.InternalPosition},
		{`,"internalQuery":`, f.InternalQuery},
		{`,"severity":`, f.Severity},
		{`,"where":`, f.Where},
		{`,"table":`, f.Table},
		{`,"column":`, f.Column},
		{`,"schema":`, f.Schema},
		{`,"dataType":`, f.DataType},
		{`,"constraint":`, f.Constraint},
		{`,"file":`, f.File},
		{`,"line":`, f.Line},
		{`,"routine":`, f.Routine},
	} {
		dst = append(dst, field.key...)
		if field.value == "" {
			dst = append(dst, "null"...)
		} else {
			dst = appendString(dst, field.value)
		}
	}
	return append(dst, '}')
}

// limited returns err, or a TooLargeError when err says that one message of PostgreSQL, a row or an error, was beyond what the driver may read.
func limited(err error, maxBytes int64) error {
	if _, ok := errors.AsType[*pgproto3.ExceededMaxBodyLenErr](err); ok {
		return &TooLargeError{Max: maxBytes}
	}
	return err
}
