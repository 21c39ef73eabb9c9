package sqlwire

import "bytes"

// maxDimensions is beyond what PostgreSQL makes (6), and bounds the recursion.
const maxDimensions = 16

// arrayReader turns PostgreSQL's text of an array into a JSON array. It is made once per result and keeps a buffer for elements.
type arrayReader struct {
	text    []byte // what is left
	elem    kind
	delim   byte // between elements
	scratch []byte
}

// append appends the array in text, or text as a string when it is none.
func (r *arrayReader) append(dst, text []byte, t arrayType) []byte {
	r.text, r.elem, r.delim = text, t.elem, t.delim
	start := len(dst)
	if r.skipBounds() {
		if out, ok := r.level(dst, 1); ok && len(r.text) == 0 {
			return out
		}
	}
	return appendString(dst[:start], text)
}

// skipBounds reads a prefix such as [1:1][-2:-1]=, for which JSON has no place.
func (r *arrayReader) skipBounds() bool {
	if len(r.text) == 0 || r.text[0] != '[' {
		return true
	}
	i := bytes.IndexByte(r.text, '=')
	r.text = r.text[i+1:]
	return i >= 0
}

// level reads {…}, one dimension.
func (r *arrayReader) level(dst []byte, depth int) ([]byte, bool) {
	if !r.skip('{') || depth > maxDimensions {
		return dst, false
	}
	dst = append(dst, '[')
	if r.skip('}') {
		return append(dst, ']'), true
	}
	for {
		var ok bool
		if dst, ok = r.element(dst, depth); !ok {
			return dst, false
		}
		if r.skip('}') {
			return append(dst, ']'), true
		}
		if !r.skip(r.delim) {
			return dst, false
		}
		dst = append(dst, ',')
	}
}

func (r *arrayReader) element(dst []byte, depth int) ([]byte, bool) {
	switch {
	case len(r.text) == 0:
		return dst, false
	case r.text[0] == '{':
		return r.level(dst, depth+1)
	case r.text[0] == '"':
		if !r.unquote() {
			return dst, false
		}
		return appendValue(dst, r.scratch, r.elem), true
	}
	return r.plain(dst)
}

// plain reads an element without quotes; NULL is one, "NULL" is not.
func (r *arrayReader) plain(dst []byte) ([]byte, bool) {
	i := 0
	for i < len(r.text) && r.text[i] != r.delim && r.text[i] != '}' {
		i++
	}
	item := r.text[:i]
	r.text = r.text[i:]
	switch {
	case i == 0:
		return dst, false
	case string(item) == "NULL":
		return append(dst, "null"...), true
	default:
		return appendValue(dst, item, r.elem), true
	}
}

// unquote reads an element in quotes into scratch.
func (r *arrayReader) unquote() bool {
	r.scratch = r.scratch[:0]
	for i := 1; i < len(r.text); i++ {
		switch r.text[i] {
		case '"':
			r.text = r.text[i+1:]
			return true
		case '\\':
			if i++; i == len(r.text) {
				return false
			}
		}
		r.scratch = append(r.scratch, r.text[i])
	}
	return false
}

func (r *arrayReader) skip(c byte) bool {
	if len(r.text) > 0 && r.text[0] == c {
		r.text = r.text[1:]
		return true
	}
	return false
}
