package sqlwire

import (
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// columnWriter knows how one column's values are written.
type columnWriter struct {
	key   []byte // in object mode: the name as a JSON key, with what separates it from the key before
	value int    // index of the value
	kind  kind
	array arrayType // elements, when isArray
	list  bool
}

// rowWriter writes the rows of one result.
type rowWriter struct {
	columns []columnWriter
	objects bool
	arrays  arrayReader
}

func newRowWriter(fields []pgconn.FieldDescription, rawText, arrayMode bool) *rowWriter {
	w := &rowWriter{columns: make([]columnWriter, len(fields)), objects: !arrayMode}
	for i := range fields {
		w.columns[i] = newColumnWriter(fields[i].DataTypeOID, i, rawText)
	}
	if w.objects {
		w.nameColumns(fields)
	}
	return w
}

func newColumnWriter(oid uint32, index int, rawText bool) columnWriter {
	c := columnWriter{value: index}
	if rawText {
		return c
	}
	if c.array, c.list = arrayOf(oid); !c.list {
		c.kind = kindOf(oid)
	}
	return c
}

// nameColumns makes the keys. Of columns with the same name the last one's value stands at the first one's place, as when a JavaScript
// object is filled in order.
func (w *rowWriter) nameColumns(fields []pgconn.FieldDescription) {
	at := make(map[string]int, len(fields))
	unique := w.columns[:0]
	for i := range fields {
		c := w.columns[i]
		if first, twice := at[fields[i].Name]; twice {
			c.key = unique[first].key
			unique[first] = c
			continue
		}
		at[fields[i].Name] = len(unique)
		if len(unique) > 0 {
			c.key = append(c.key, ',')
		}
		c.key = append(appendString(c.key, fields[i].Name), ':')
		unique = append(unique, c)
	}
	w.columns = unique
}

// appendRow appends one row.
func (w *rowWriter) appendRow(dst []byte, values [][]byte) []byte {
	opening, closing := byte('['), byte(']')
	if w.objects {
		opening, closing = '{', '}'
	}
	dst = append(dst, opening)
	for i := range w.columns {
		c := &w.columns[i]
		if w.objects {
			dst = append(dst, c.key...)
		} else if i > 0 {
			dst = append(dst, ',')
		}
		switch text := values[c.value]; {
		case text == nil:
			dst = append(dst, "null"...)
		case c.list:
			dst = w.arrays.append(dst, text, c.array)
		default:
			dst = appendValue(dst, text, c.kind)
		}
	}
	return append(dst, closing)
}

// appendFields appends the description of a result's columns.
func appendFields(dst []byte, fields []pgconn.FieldDescription) []byte {
	dst = append(dst, '[')
	for i := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		f := &fields[i]
		dst = append(dst, `{"name":`...)
		dst = appendString(dst, f.Name)
		dst = appendInt(dst, `,"dataTypeID":`, int64(f.DataTypeOID))
		dst = appendInt(dst, `,"tableID":`, int64(f.TableOID))
		// System columns have negative numbers, which pgconn reads as unsigned.
		dst = appendInt(dst, `,"columnID":`, int64(int16(f.TableAttributeNumber))) //nolint:gosec // the wrap is undone here
		dst = appendInt(dst, `,"dataTypeSize":`, int64(f.DataTypeSize))
		dst = appendInt(dst, `,"dataTypeModifier":`, int64(f.TypeModifier))
		dst = append(dst, `,"format":"text"}`...)
	}
	return append(dst, ']')
}

func appendInt(dst []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(dst, key...), n, 10)
}

// appendTag appends "command" and "rowCount" of a command tag such as "SELECT 5", "INSERT 0 1" or "CREATE TABLE"; the count is null when
// the tag has none.
func appendTag(dst []byte, tag pgconn.CommandTag) []byte {
	command, rest, _ := strings.Cut(tag.String(), " ")
	if command == "INSERT" {
		_, rest, _ = strings.Cut(rest, " ") // an OID, 0 for 20 years now
	}
	dst = append(dst, `"command":`...)
	dst = appendString(dst, command)
	if n, err := strconv.ParseInt(rest, 10, 64); err == nil {
		return appendInt(dst, `,"rowCount":`, n)
	}
	return append(dst, `,"rowCount":null`...)
}

// endsPreparedStatements reports whether a command of the client took away prepared statements that the driver may count on.
func endsPreparedStatements(tag pgconn.CommandTag) bool {
	command, _, _ := strings.Cut(tag.String(), " ")
	return command == "DISCARD" || command == "DEALLOCATE"
}

func isCopy(tag pgconn.CommandTag) bool {
	return strings.HasPrefix(tag.String(), "COPY")
}
