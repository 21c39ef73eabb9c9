package sqlwire

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON strictly (RFC 8259) and hands out pieces of its input, so that numbers and objects keep their text. encoding/json would
// match keys regardless of case, let the last of two equal keys win, and replace lone surrogates: each hides a client's mistake.
type scanner struct {
	data     []byte // valid UTF-8
	pos      int
	maxDepth int // of nested arrays and objects
}

func (s *scanner) fail(what string) error {
	return &BadRequestError{Message: "malformed JSON at byte " + strconv.Itoa(s.pos) + ": " + what}
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// accept reads c if it is next.
func (s *scanner) accept(c byte) bool {
	if s.peek() != c || s.pos == len(s.data) {
		return false
	}
	s.pos++
	return true
}

// object reads an object; member is called with the position after each key's colon and reads the value.
func (s *scanner) object(depth int, member func(key []byte) error) error {
	if err := s.open('{', depth); err != nil {
		return err
	}
	if s.accept('}') {
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fail("expected a key")
		}
		key, err := s.text()
		if err != nil {
			return err
		}
		if !s.accept(':') {
			return s.fail("expected ':'")
		}
		if err := member(key); err != nil {
			return err
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
}

// array reads an array; element is called at each element and reads it.
func (s *scanner) array(depth int, element func(i int) error) error {
	if err := s.open('[', depth); err != nil {
		return err
	}
	if s.accept(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		if done, err := s.next(']'); done || err != nil {
			return err
		}
	}
}

func (s *scanner) open(bracket byte, depth int) error {
	if depth >= s.maxDepth {
		return &BadRequestError{Message: "JSON is nested too deeply (max is " + strconv.Itoa(s.maxDepth) + ")"}
	}
	if !s.accept(bracket) {
		return s.fail("expected '" + string(rune(bracket)) + "'")
	}
	return nil
}

// next reads the comma before another member, or the closing bracket.
func (s *scanner) next(closing byte) (done bool, err error) {
	switch {
	case s.accept(closing):
		return true, nil
	case s.accept(','):
		return false, nil
	default:
		return false, s.fail("expected ',' or '" + string(rune(closing)) + "'")
	}
}

// raw reads any value and returns its text. A string in it may hold lone surrogates: only text() looks at what escapes mean.
func (s *scanner) raw(depth int) ([]byte, error) {
	c := s.peek()
	start := s.pos
	var err error
	switch {
	case c == '{':
		err = s.object(depth, func([]byte) error { _, err := s.raw(depth + 1); return err })
	case c == '[':
		err = s.array(depth, func(int) error { _, err := s.raw(depth + 1); return err })
	case c == '"':
		_, err = s.quoted()
	case c == '-' || isDigit(c):
		err = s.number()
	default:
		err = s.word()
	}
	return s.data[start:s.pos], err
}

// word reads true, false or null.
func (s *scanner) word() error {
	for _, word := range []string{"null", "true", "false"} {
		if bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
			s.pos += len(word)
			return nil
		}
	}
	return s.fail("expected a value")
}

// number reads a number: -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (s *scanner) number() error {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return s.fail("expected a digit")
	}
	if s.skip('.') && !s.digits() {
		return s.fail("expected a digit after '.'")
	}
	if s.skip('e') || s.skip('E') {
		if !s.skip('+') {
			s.skip('-')
		}
		if !s.digits() {
			return s.fail("expected a digit in the exponent")
		}
	}
	return nil
}

// skip reads c if it is the very next byte.
func (s *scanner) skip(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && isDigit(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// quoted reads a string and returns what stands between the quotes, escape sequences as they are.
func (s *scanner) quoted() ([]byte, error) {
	s.pos++ // the quote, which the caller has seen
	start := s.pos
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			s.pos++
			return s.data[start : s.pos-1], nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, s.fail("control character in a string")
		default:
			s.pos++
		}
	}
	return nil, s.fail("string without an end")
}

// escape reads one escape sequence without looking at its meaning.
func (s *scanner) escape() error {
	rest := s.data[s.pos+1:]
	switch {
	case len(rest) >= 1 && strings.IndexByte(`"\/bfnrt`, rest[0]) >= 0:
		s.pos += 2
		return nil
	case len(rest) >= 5 && rest[0] == 'u' && hex4(rest[1:5]) >= 0:
		s.pos += 6
		return nil
	default:
		return s.fail("bad escape in a string")
	}
}

// text reads a string and returns its meaning: a piece of the input when it has no escapes.
func (s *scanner) text() ([]byte, error) {
	quoted, err := s.quoted()
	if err != nil || bytes.IndexByte(quoted, '\\') < 0 {
		return quoted, err
	}
	out := make([]byte, 0, len(quoted))
	for i := 0; i < len(quoted); {
		if quoted[i] != '\\' {
			out = append(out, quoted[i])
			i++
			continue
		}
		r, n := unescape(quoted[i:])
		if r < 0 {
			return nil, s.fail("lone surrogate in the string before")
		}
		out = utf8.AppendRune(out, r)
		i += n
	}
	return out, nil
}

// unescape returns the meaning of the escape sequence at the start of b, which is well formed, and its length; -1 for a lone surrogate.
func unescape(b []byte) (rune, int) {
	if i := strings.IndexByte("bfnrt", b[1]); i >= 0 {
		return rune("\b\f\n\r\t"[i]), 2
	}
	if b[1] != 'u' {
		return rune(b[1]), 2
	}
	r := hex4(b[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if r = utf16.DecodeRune(r, hex4(b[8:12])); r != utf8.RuneError {
			return r, 12
		}
	}
	return -1, 6
}

// hex4 returns the value of four hexadecimal digits, -1 if they are not.
func hex4(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
