package sqlwire

import "unicode/utf8"

const (
	maxEscape = 6   // bytes that one byte of text takes in JSON at most
	maxBounds = 256 // bytes of an array's bounds, which JSON does not have
)

// exceeds reports whether a row takes more than room as JSON, before it is written: control characters take six times what they take on the wire.
// It may be wrong about what is little more.
func (w *rowWriter) exceeds(values [][]byte, room int) bool {
	wire := 0
	for i := range w.columns {
		wire += len(values[w.columns[i].value])
	}
	return wire > room/maxEscape && w.least(values, room) > room
}

// least returns what a row takes as JSON at least, counted until that is beyond room.
func (w *rowWriter) least(values [][]byte, room int) int {
	n := 0
	for i := 0; i < len(w.columns) && n <= room; i++ {
		c := &w.columns[i]
		switch text := values[c.value]; {
		case c.list && c.array.elem == kindJSON:
			n += len(text) / 2
		case c.list:
			n += max(0, escaped(text)-maxBounds)
		case c.kind == kindText:
			n += escaped(text) + quoted(text)
		default:
			n += len(text)
		}
	}
	return n
}

// escaped returns how long text gets by the escapes of control characters alone.
func escaped(text []byte) int {
	n := len(text)
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			n += maxEscape - 1
		}
	}
	return n
}

// quoted returns by how much text gets longer by its other escapes.
func quoted(text []byte) int {
	n := 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"', c == '\\', c == '\n', c == '\r', c == '\t':
			n++
		case c >= utf8.RuneSelf:
			if size := runeLength(text[i:]); size > 0 {
				i += size - 1
			} else {
				n += len("\uFFFD") - 1
			}
		}
		i++
	}
	return n
}
