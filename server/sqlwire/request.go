package sqlwire

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Bounds of a request beside the body's size, which the caller limits.
const (
	maxNesting = 512    // of JSON; PostgreSQL's arrays end at 6, its parsers at some thousands
	maxParams  = 65_535 // of one query: the protocol counts them in 16 bits
	maxQueries = 65_535 // of one batch
	// maxTogether is how many parameters all queries of a batch have: in memory each takes much more than the two bytes that it takes in a body.
	maxTogether = 1 << 20
)

// Request is a decoded body: one query, or a batch of them.
type Request struct {
	Batch   bool    // the body had "queries"
	Queries []Query // exactly one unless Batch; a batch may be empty
}

// Query is one statement with its parameters.
type Query struct {
	SQL       string
	Params    [][]byte // in text format, types left to PostgreSQL; a nil element is NULL
	ArrayMode *bool    // overrides Options.ArrayMode; nil: not given
}

// Decode parses a request body: {"query": …, "params": […], "arrayMode": …} or {"queries": [{…}, …]}. Parameters are pieces of body where
// that is possible, so body must stay as it is while the request is in use. Unknown keys are ignored.
// The error is always a *BadRequestError.
func Decode(body []byte) (Request, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return Request{}, &BadRequestError{Message: "request body is empty"}
	}
	if !utf8.Valid(body) {
		return Request{}, &BadRequestError{Message: "request body is not valid UTF-8"}
	}
	d := decoder{scanner: scanner{data: body, maxDepth: maxNesting}}
	if d.peek() != '{' {
		return Request{}, &BadRequestError{Message: "request body must be a JSON object"}
	}
	o, err := d.members(0, topLevel)
	if err != nil {
		return Request{}, err
	}
	if d.peek() != 0 || d.pos != len(body) {
		return Request{}, d.fail("something follows the object")
	}
	return o.request()
}

// topLevel is the index of the body's own object; those of a batch count from 0.
const topLevel = -1

type decoder struct {
	scanner
	given int // parameters read so far, of all queries
}

// keys is a set of the keys that have a meaning.
type keys uint8

const (
	keyQuery keys = 1 << iota
	keyParams
	keyArrayMode
	keyQueries
)

// members are the known keys of one object.
type members struct {
	query   Query
	queries []Query
	seen    keys
}

func (m *members) has(k keys) bool { return m.seen&k != 0 }

func (m *members) request() (Request, error) {
	switch single, batch := m.has(keyQuery), m.has(keyQueries); {
	case single && batch:
		return Request{}, &BadRequestError{Message: `request has both "query" and "queries"`}
	case single:
		return Request{Queries: []Query{m.query}}, nil
	case !batch:
		return Request{}, &BadRequestError{Message: `request has neither "query" nor "queries"`}
	case m.has(keyParams | keyArrayMode):
		return Request{}, &BadRequestError{Message: `"params" and "arrayMode" of a batch belong to each of its queries`}
	default:
		return Request{Batch: true, Queries: m.queries}, nil
	}
}

// members reads one object: the body's, or that of the query with the given index in a batch.
func (d *decoder) members(depth, index int) (members, error) {
	var m members
	err := d.object(depth, func(name []byte) error {
		key := keyOf(name, index)
		if m.has(key) {
			return invalid(index, string(name), "is given twice")
		}
		m.seen |= key
		var err error
		switch key {
		case keyQuery:
			m.query.SQL, err = d.sql(index)
		case keyParams:
			m.query.Params, err = d.params(depth+1, index)
		case keyArrayMode:
			m.query.ArrayMode, err = d.flag(index)
		case keyQueries:
			m.queries, err = d.queries(depth + 1)
		default:
			_, err = d.raw(depth + 1)
		}
		return err
	})
	return m, err
}

// keyOf returns 0 for a key without a meaning; "queries" has one in the body's own object only.
func keyOf(name []byte, index int) keys {
	switch string(name) {
	case "query":
		return keyQuery
	case "params":
		return keyParams
	case "arrayMode":
		return keyArrayMode
	case "queries":
		if index == topLevel {
			return keyQueries
		}
	}
	return 0
}

func (d *decoder) sql(index int) (string, error) {
	if d.peek() != '"' {
		return "", invalid(index, "query", "must be a string")
	}
	text, err := d.text()
	if err == nil && bytes.IndexByte(text, 0) >= 0 {
		err = invalid(index, "query", "contains a NUL character")
	}
	return string(text), err
}

func (d *decoder) flag(index int) (*bool, error) {
	word, err := d.raw(maxNesting) // no array or object is fine here
	if err == nil {
		switch string(word) {
		case "true", "false":
			on := len(word) == len("true")
			return &on, nil
		case "null":
			return nil, nil
		}
	}
	return nil, invalid(index, "arrayMode", "must be true or false")
}

func (d *decoder) queries(depth int) ([]Query, error) {
	if d.peek() != '[' {
		return nil, invalid(topLevel, "queries", "must be an array")
	}
	queries := []Query{}
	err := d.array(depth, func(i int) error {
		if i == maxQueries {
			return invalid(topLevel, "queries", "has too many elements (max is "+strconv.Itoa(maxQueries)+")")
		}
		if d.peek() != '{' {
			return invalid(i, "", "must be an object")
		}
		m, err := d.members(depth+1, i)
		if err == nil && !m.has(keyQuery) {
			err = invalid(i, "query", "is missing")
		}
		queries = append(queries, m.query)
		return err
	})
	return queries, err
}

// invalid says what is wrong with a key of the object with the given index.
func invalid(index int, key, what string) error {
	path := key
	if index != topLevel {
		path = "queries[" + strconv.Itoa(index) + "]"
		if key != "" {
			path += "." + key
		}
	}
	return &BadRequestError{Message: path + " " + what}
}
