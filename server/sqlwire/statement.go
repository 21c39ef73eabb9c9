package sqlwire

import (
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// refuse returns why a request must not run at all: ErrCopy, or transaction control inside a batch.
func refuse(req Request) error {
	for i := range req.Queries {
		w := words{sql: req.Queries[i].SQL}
		first := w.next()
		if first == "COPY" {
			return ErrCopy
		}
		if req.Batch && w.endsTransaction(first) {
			return &pgconn.PgError{
				Severity: "ERROR",
				Code:     "2D000", // invalid_transaction_termination
				Message:  first + " is not allowed in a batch",
				Hint:     "A batch is one transaction: it is committed when all of its queries succeed.",
			}
		}
	}
	return nil
}

// words reads the keywords at the start of a statement, over what PostgreSQL skips there: white space, comments, empty statements.
type words struct {
	sql string
	pos int
}

// endsTransaction reports whether the statement, whose first word was read, ends the transaction that it runs in.
func (w *words) endsTransaction(first string) bool {
	switch first {
	case "COMMIT", "END":
		return true
	case "ROLLBACK", "ABORT": // but not: ROLLBACK [WORK | TRANSACTION] TO savepoint
		next := w.next()
		if next == "WORK" || next == "TRANSACTION" {
			next = w.next()
		}
		return next != "TO"
	case "PREPARE": // but not: PREPARE transaction AS …, where the word is a statement's name
		return w.next() == "TRANSACTION" && w.next() != "AS"
	default:
		return false
	}
}

// next returns the next word in capitals, "" when something else follows. Only ASCII letters are folded, as in PostgreSQL's keywords.
func (w *words) next() string {
	w.skip()
	start := w.pos
	for w.pos < len(w.sql) && isWordByte(w.sql[w.pos]) {
		w.pos++
	}
	return strings.Map(upperASCII, w.sql[start:w.pos])
}

func upperASCII(r rune) rune {
	if 'a' <= r && r <= 'z' {
		return r - ('a' - 'A')
	}
	return r
}

func isWordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_' || c == '$' || c >= 0x80
}

func (w *words) skip() {
	for w.pos < len(w.sql) {
		rest := w.sql[w.pos:]
		switch {
		case strings.IndexByte(" \t\n\r\f\v;", rest[0]) >= 0:
			w.pos++
		case strings.HasPrefix(rest, "--"):
			w.pos += lineLength(rest)
		case strings.HasPrefix(rest, "/*"):
			w.pos += commentLength(rest)
		default:
			return
		}
	}
}

func lineLength(s string) int {
	if end := strings.IndexAny(s, "\n\r"); end >= 0 {
		return end
	}
	return len(s)
}

// commentLength returns the length of the comment at the start of s; comments nest. One without an end takes all that is left.
func commentLength(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}
