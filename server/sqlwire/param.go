package sqlwire

import (
	"bytes"
	"errors"
	"strconv"
)

// errNUL is a string that no text value of PostgreSQL can hold; params says which one it was.
var errNUL = errors.New("contains a NUL character")

// params reads a query's parameters; null counts as none.
func (d *decoder) params(depth, index int) ([][]byte, error) {
	switch d.peek() {
	case '[':
	case 'n':
		return nil, d.word()
	default:
		return nil, invalid(index, "params", "must be an array")
	}
	var params [][]byte
	err := d.array(depth, func(i int) error {
		if i == maxParams {
			return invalid(index, "params", "has too many elements (max is "+strconv.Itoa(maxParams)+")")
		}
		if d.given++; d.given > maxTogether {
			return invalid(topLevel, "queries", "have too many parameters together (max is "+strconv.Itoa(maxTogether)+")")
		}
		value, err := d.param(depth + 1)
		if errors.Is(err, errNUL) {
			err = invalid(index, "params["+strconv.Itoa(i)+"]", errNUL.Error())
		}
		params = append(params, value)
		return err
	})
	return params, err
}

// param reads one value and returns it as PostgreSQL's input functions expect it: strings as they are, numbers, booleans and objects as
// their JSON text, arrays as array literals, null as nil.
func (d *decoder) param(depth int) ([]byte, error) {
	switch d.peek() {
	case '"':
		return d.string()
	case '[':
		return d.appendLiteral(nil, depth)
	case 'n':
		return nil, d.word()
	default:
		return d.raw(depth)
	}
}

func (d *decoder) string() ([]byte, error) {
	text, err := d.text()
	if err == nil && bytes.IndexByte(text, 0) >= 0 {
		err = errNUL
	}
	return text, err
}

// appendLiteral reads a JSON array and appends it as an array literal. Strings are quoted even where they need not be, so that "NULL" and ""
// stay strings; objects become strings with their JSON text.
func (d *decoder) appendLiteral(dst []byte, depth int) ([]byte, error) {
	dst = append(dst, '{')
	err := d.array(depth, func(i int) error {
		if i > 0 {
			dst = append(dst, ',')
		}
		var piece []byte
		var err error
		switch d.peek() {
		case '[':
			dst, err = d.appendLiteral(dst, depth+1)
		case '"':
			piece, err = d.string()
			dst = appendQuoted(dst, piece)
		case '{':
			piece, err = d.raw(depth + 1)
			dst = appendQuoted(dst, piece)
		case 'n':
			dst, err = append(dst, "NULL"...), d.word()
		default:
			piece, err = d.raw(depth + 1)
			dst = append(dst, piece...)
		}
		return err
	})
	return append(dst, '}'), err
}

// appendQuoted appends an element of an array literal in quotes. Only quote and backslash are special there: JSON's other escapes would
// mean something else to PostgreSQL.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
