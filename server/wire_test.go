package server_test

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// A wire is a client of HTTP/2 that writes its frames by hand.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// Types of frames, RFC 9113 section 6.
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7
	flagEnd, flagAck, flagEndHeaders                                           = 1, 1, 4
)

// frame is one that came.
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func newWire(t *testing.T, a *authority, address string) *wire {
	t.Helper()
	cfg := a.trusting(t, nil, nil)
	cfg.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	w := &wire{t: t, conn: conn, in: bufio.NewReader(conn)}
	w.write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	w.send(frameSettings, 0, 0, nil)
	return w
}

func (w *wire) write(p []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(p); err != nil {
		w.t.Fatal(err)
	}
}

func appendFrame(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

func (w *wire) send(kind, flags byte, stream uint32, payload []byte) {
	w.t.Helper()
	w.write(appendFrame(nil, kind, flags, stream, payload))
}

// post is the header block of POST /t/acme/sql: RFC 7541, without tables.
func post(more ...string) []byte {
	block := []byte{0x83, 0x87} // :method POST, :scheme https
	block = appendText(append(block, 0x04), "/t/acme/sql")
	block = appendText(append(block, 0x01), "localhost")
	for i := 0; i+1 < len(more); i += 2 {
		block = appendText(appendText(append(block, 0x00), more[i]), more[i+1])
	}
	return block
}

// appendText appends a text of less than 127 bytes.
func appendText(b []byte, text string) []byte { return append(append(b, byte(len(text))), text...) }

// next returns the next frame, and nil when the connection has ended.
func (w *wire) next() *frame {
	w.t.Helper()
	var head [9]byte
	if _, err := io.ReadFull(w.in, head[:]); err != nil {
		if !isEnd(err) {
			w.t.Fatal(err)
		}
		return nil
	}
	f := &frame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:])}
	f.payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(w.in, f.payload); err != nil {
		return nil
	}
	return f
}

// until returns the first frame of a kind, and nil when there is none.
func (w *wire) until(kind byte) *frame {
	w.t.Helper()
	for {
		f := w.next()
		if f == nil || f.kind == kind {
			return f
		}
	}
}
