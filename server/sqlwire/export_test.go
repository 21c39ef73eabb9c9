package sqlwire

import "github.com/jackc/pgx/v5/pgconn"

// AppendTypedValue writes one value as a column of the type would be written in typed mode.
func AppendTypedValue(dst []byte, oid uint32, text []byte) []byte {
	return newRowWriter([]pgconn.FieldDescription{{DataTypeOID: oid}}, false, true).appendRow(dst, [][]byte{text})
}

// AppendRow writes one row of columns with the given names, all text.
func AppendRow(dst []byte, names []string, arrayMode bool, values [][]byte) []byte {
	fields := make([]pgconn.FieldDescription, len(names))
	for i, name := range names {
		fields[i] = pgconn.FieldDescription{Name: name, DataTypeOID: 25}
	}
	return newRowWriter(fields, false, arrayMode).appendRow(dst, values)
}

// AppendTag writes command and rowCount of a tag.
func AppendTag(dst []byte, tag string) []byte { return appendTag(dst, pgconn.NewCommandTag(tag)) }

// ErrOutOfStep is what a batch ends with when the server's answers do not match it.
var ErrOutOfStep = errOutOfStep

// Refuse returns why a request would not run.
func Refuse(req Request) error { return refuse(req) }

// IsArray reports whether a type's values are read as arrays, and between which delimiters.
func IsArray(oid uint32) (byte, bool) {
	t, ok := arrayOf(oid)
	return t.delim, ok
}
