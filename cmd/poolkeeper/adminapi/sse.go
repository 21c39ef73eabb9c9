package adminapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// event is one of a stream of server-sent events.
type event struct {
	name string // "message" unless the stream says otherwise
	id   string // the last that the stream has given
	data string
}

// maxEvent bounds a line of a stream, and the data of an event, in bytes. An
// operation over a fleet lists the tenants that failed.
const maxEvent = 16 << 20

var errEventTooLong = errors.New("an event is too long")

// events reads a stream of server-sent events as the HTML standard defines it:
// lines end with CR, LF or both, fields it does not know are skipped, and an
// event that the stream does not finish is dropped. An error ends it.
func events(from io.Reader) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		lines := bufio.NewScanner(from)
		lines.Buffer(nil, maxEvent)
		lines.Split((&lineSplitter{}).split)
		var next pending
		for first := true; lines.Scan(); first = false {
			line := lines.Bytes()
			if first {
				line = bytes.TrimPrefix(line, []byte("\uFEFF"))
			}
			e, complete, err := next.line(line)
			if err != nil {
				yield(event{}, err)
				return
			}
			if complete && !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(event{}, fmt.Errorf("reading events: %w", err))
		}
	}
}

// pending is the event that the lines so far make.
type pending struct {
	name, id string
	data     []byte
	any      bool // a data field has come
}

// line takes a line, and returns the event that it completes.
func (p *pending) line(line []byte) (e event, complete bool, err error) {
	if len(line) == 0 {
		e = event{name: orElse(p.name, "message"), id: p.id, data: string(p.data)}
		complete = p.any
		*p = pending{id: p.id}
		return e, complete, nil
	}
	name, value, _ := bytes.Cut(line, []byte(":")) // a comment's name is empty
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		p.name = string(value)
	case "id":
		if !bytes.ContainsRune(value, 0) {
			p.id = string(value)
		}
	case "data":
		if p.any {
			p.data = append(p.data, '\n')
		}
		p.any = true
		p.data = append(p.data, value...)
	}
	if len(p.data) > maxEvent {
		return event{}, false, errEventTooLong
	}
	return event{}, false, nil
}

// lineSplitter splits at CR, LF and CRLF. A line that ends with CR is handed
// out at once: the LF that may follow can be long in coming.
type lineSplitter struct{ afterCR bool }

// split is a bufio.SplitFunc.
//
// A call that skips the LF must look for the line after it, too: after the end
// of the input a bufio.Scanner takes a call without a line for the last one.
func (s *lineSplitter) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	skipped := 0
	if s.afterCR && bytes.HasPrefix(data, []byte("\n")) {
		skipped = 1
	}
	rest := data[skipped:]
	if i := bytes.IndexAny(rest, "\r\n"); i >= 0 {
		s.afterCR = rest[i] == '\r'
		return skipped + i + 1, rest[:i:i], nil
	}
	if len(data) > 0 {
		s.afterCR = false
	}
	if atEOF {
		return len(data), nil, nil // a line that does not end is not one
	}
	return skipped, nil, nil
}
