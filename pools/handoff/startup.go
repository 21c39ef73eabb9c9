package handoff

import (
	"encoding/binary"
	"fmt"
)

// maxStartup is the longest start-up message that PostgreSQL takes.
const maxStartup = 10000

// startup follows a start-up message as it is written, in whatever pieces.
// What it asks for is not looked at: the session has begun long ago.
type startup struct {
	head  [8]byte // length and protocol version
	have  int     // of the head
	left  int     // of the rest, once begun
	begun bool    // the head was looked at
}

// swallow takes what belongs to the message off the beginning of b and
// returns how much that is. It fails on anything else than a start-up
// message: a request for encryption or to cancel, or no PostgreSQL protocol.
func (s *startup) swallow(b []byte) (int, error) {
	n := copy(s.head[s.have:], b)
	s.have += n
	if s.have < len(s.head) {
		return n, nil
	}
	if !s.begun {
		if err := s.begin(); err != nil {
			return n, err
		}
	}
	rest := min(s.left, len(b)-n)
	s.left -= rest
	return n + rest, nil
}

func (s *startup) begin() error {
	length, version := binary.BigEndian.Uint32(s.head[:4]), binary.BigEndian.Uint32(s.head[4:])
	if length <= uint32(len(s.head)) || length > maxStartup || version>>16 != 3 {
		return fmt.Errorf("handoff: a start-up message was expected, not % x", s.head)
	}
	s.left, s.begun = int(length)-len(s.head), true
	return nil
}

func (s *startup) complete() bool { return s.begun && s.left == 0 }
