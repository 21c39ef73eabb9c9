package handoff_test

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// Whatever is written, in whatever pieces: a start-up message is swallowed to
// its last byte, what follows it reaches the server, and when there is none
// nothing does.
func FuzzWhatFollowsTheStartUpMessageReachesTheServer(f *testing.F) {
	message := startupMessage(f)
	f.Add(message, 1)
	f.Add(append(bytes.Clone(message), "Q\x00\x00\x00\x0dSELECT 1\x00"...), 5)
	f.Add([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}, 8)
	f.Add([]byte{0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 7, 0, 0, 0, 0}, 16)
	f.Add([]byte{0, 0, 0, 9, 0, 3, 0, 2, 0, 'x'}, 9)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0}, 3)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		h, server := nobody(t)
		c := replayed(t, h)
		want, good := afterStartUp(b)
		if piece = max(1, piece); piece > len(b) {
			piece = max(1, len(b))
		}
		failed := false
		for rest := b; len(rest) > 0 && !failed; {
			now := rest[:min(piece, len(rest))]
			n, err := c.Write(now)
			if failed = err != nil; !failed && n != len(now) {
				t.Fatalf("%d of %d bytes written, and no error", n, len(now))
			}
			rest = rest[n:]
		}
		if failed == good {
			t.Errorf("start-up message: %v; failed: %v", good, failed)
		}
		if got := server.written(); !bytes.Equal(got, want) {
			t.Errorf("the server got %q, not %q", got, want)
		}
	})
}

// afterStartUp returns what follows the start-up message that b begins with,
// and whether it is the beginning of one at all.
func afterStartUp(b []byte) (rest []byte, good bool) {
	if len(b) < 8 {
		return nil, true
	}
	length := int64(binary.BigEndian.Uint32(b))
	if length < 9 || length > 10000 || b[4] != 0 || b[5] != 3 {
		return nil, false
	}
	return b[min(length, int64(len(b))):], true
}
