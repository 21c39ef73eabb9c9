package poolstest

import (
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
)

// SetPassword has a login need this password from now on, as ALTER ROLE does;
// sessions that are there go on. Logins for which it was never called are let
// in with any.
func (s *Server) SetPassword(login, password string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passwords[login] = password
}

// Refused returns how often the server did not take a password.
func (s *Server) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// authenticate asks for the login's password, if it has one.
func (s *Session) authenticate() error {
	if !s.server.asks(s.User) {
		return nil
	}
	s.backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if err := s.backend.Flush(); err != nil {
		return err
	}
	if err := s.backend.SetAuthType(pgproto3.AuthTypeCleartextPassword); err != nil {
		return err
	}
	msg, err := s.backend.Receive()
	if err != nil {
		return err
	}
	given, ok := msg.(*pgproto3.PasswordMessage)
	if !ok || !s.server.takes(s.User, given.Password) {
		return Fail("28P01", fmt.Sprintf("password authentication failed for user %q", s.User))
	}
	return nil
}

func (s *Server) asks(login string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.passwords[login]
	return ok
}

func (s *Server) takes(login, password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.passwords[login] == password {
		return true
	}
	s.refused++
	return false
}
