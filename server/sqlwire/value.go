package sqlwire

import (
	"bytes"
	"unicode/utf8"
)

// maxResultNesting bounds the JSON that is embedded in an answer; deeper JSON goes as a string.
const maxResultNesting = 10_000

// kind is how a value of a type is written in typed mode.
type kind uint8

const (
	kindText   kind = iota // a JSON string: also int8, numeric and dates, which JavaScript's numbers would damage
	kindBool               // t, f
	kindNumber             // int2, int4, float4, float8; NaN and the infinities stay strings
	kindJSON               // embedded
)

// appendValue appends a value that is not NULL. Text that does not look like its kind goes as a string: an answer is always valid JSON.
func appendValue(dst, text []byte, k kind) []byte {
	switch k {
	case kindBool:
		switch string(text) {
		case "t":
			return append(dst, "true"...)
		case "f":
			return append(dst, "false"...)
		}
	case kindNumber:
		if isNumber(text) {
			return append(dst, text...)
		}
	case kindJSON:
		if isJSON(text) {
			return appendJSON(dst, text)
		}
	case kindText:
	}
	return appendString(dst, text)
}

func isNumber(text []byte) bool {
	s := scanner{data: text}
	return s.number() == nil && s.pos == len(text)
}

func isJSON(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	s := scanner{data: text, maxDepth: maxResultNesting}
	if _, err := s.raw(0); err != nil {
		return false
	}
	return s.peek() == 0 && s.pos == len(text)
}

// appendJSON appends JSON without its line ends, which would break lines of NDJSON. In valid JSON they are white space between values.
func appendJSON(dst, text []byte) []byte {
	for {
		i := bytes.IndexAny(text, "\n\r")
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, ' ')
		text = text[i+1:]
	}
}

// appendString appends s as a JSON string. Bytes that are not UTF-8, as a SQL_ASCII database may hold, become U+FFFD.
func appendString[T []byte | string](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0 // of what is not appended yet
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if n := runeLength(s[i:]); n > 0 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c >= utf8.RuneSelf {
				dst = append(dst, "\uFFFD"...)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// runeLength returns the length of the encoded rune at the start of s, 0 when there is none.
func runeLength[T []byte | string](s T) int {
	var buf [utf8.UTFMax]byte
	n := copy(buf[:], s[:min(len(s), utf8.UTFMax)])
	if r, size := utf8.DecodeRune(buf[:n]); r != utf8.RuneError || size > 1 {
		return size
	}
	return 0
}
