// Package pgreport bounds what PostgreSQL's error reports say.
//
// A statement may raise an error of any length:
//
//	do $$ begin raise exception '%', repeat('x', 15000000); end $$
//
// and its text would go into an answer several times, escaped. So whatever
// shows a report to a client shows what [Clip] left of it: router.WriteProblem,
// the protocol's error bodies, and the last line of a stream.
package pgreport

import (
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// MaxText is the greatest length of one text of a report in bytes, the mark
// of what is missing included. No message that was written for people to read
// comes near.
const MaxText = 8 << 10

// mark ends a text that was clipped.
const mark = "…"

// Clip returns the report with no text longer than [MaxText]: e itself when
// there is none, else a copy, which keeps nothing of the long texts alive. A
// nil report stays nil.
func Clip(e *pgconn.PgError) *pgconn.PgError {
	if e == nil {
		return nil
	}
	clipped := *e
	long := false
	for _, text := range texts(&clipped) {
		if len(*text) > MaxText {
			*text, long = Text(*text), true
		}
	}
	if !long {
		return e
	}
	return &clipped
}

// texts are all of a report's.
func texts(e *pgconn.PgError) [15]*string {
	return [...]*string{
		&e.Severity, &e.SeverityUnlocalized, &e.Code, &e.Message, &e.Detail, &e.Hint, &e.InternalQuery, &e.Where,
		&e.SchemaName, &e.TableName, &e.ColumnName, &e.DataTypeName, &e.ConstraintName, &e.File, &e.Routine,
	}
}

// Text returns s when it is no longer than [MaxText], else its beginning, cut
// between two characters, and an ellipsis.
func Text(s string) string {
	if len(s) <= MaxText {
		return s
	}
	end := MaxText - len(mark)
	// What is no UTF-8 has no characters to cut between: three steps are enough.
	for back := range utf8.UTFMax {
		if utf8.RuneStart(s[end-back]) {
			end -= back
			break
		}
	}
	return s[:end] + mark // a copy: s is free to go
}
