package server

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// maxRequestID is the longest X-Request-Id that is taken over.
const maxRequestID = 128

// requestID returns what the client calls its request when that is a sane
// name, else a new UUID.
func requestID(given string) string {
	if given != "" && len(given) <= maxRequestID && strings.IndexFunc(given, unfitForID) < 0 {
		return given
	}
	return newUUID()
}

// unfitForID reports whether r may not stand in a request id. Those that may
// cannot change the meaning of a header, a log line or a JSON text.
func unfitForID(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	default:
		return !strings.ContainsRune("-_.:/+=@~", r)
	}
}

// newUUID returns a random UUID, version 4.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], b[:4])
	hex.Encode(text[9:13], b[4:6])
	hex.Encode(text[14:18], b[6:8])
	hex.Encode(text[19:23], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// trace is a W3C trace context that came with a request, and this server's
// own span in it. The zero trace is none: we begin no traces ourselves.
type trace struct {
	id    string // 32 hex digits
	span  string // 16 hex digits, ours
	flags string // 2 hex digits
}

func (t trace) known() bool     { return t.id != "" }
func (t trace) traceID() string { return t.id }

// String is the trace as a traceparent header: same trace, our span.
func (t trace) String() string { return "00-" + t.id + "-" + t.span + "-" + t.flags }

// continued reads a traceparent header. As the specification wants it, a
// later version's is read by its first four fields, and a broken one is
// ignored.
func continued(header string) trace {
	version, rest, _ := strings.Cut(header, "-")
	if !isHex(version, 2) || version == "ff" || version == "00" && len(header) != 55 {
		return trace{}
	}
	fields := strings.SplitN(rest, "-", 4)
	if len(fields) < 3 || !isHex(fields[0], 32) || !isHex(fields[1], 16) || !isHex(fields[2], 2) {
		return trace{}
	}
	if strings.Trim(fields[0], "0") == "" || strings.Trim(fields[1], "0") == "" {
		return trace{}
	}
	var span [8]byte
	rand.Read(span[:]) // never fails: it ends the program instead
	return trace{id: fields[0], span: hex.EncodeToString(span[:]), flags: fields[2]}
}

// isHex reports whether s is n lower-case hex digits.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}
