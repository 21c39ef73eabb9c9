package poolstest

import "strings"

// OpenGate gives the server the extension set_user, whose set_session_auth
// the given login may execute: it makes a session another login's for good.
func (s *Server) OpenGate(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guards[login] = true
}

// ShutGate takes that right away again.
func (s *Server) ShutGate(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.guards, login)
}

// Forbid keeps a login from connecting to the database, as far as the server
// is asked: REVOKE CONNECT.
func (s *Server) Forbid(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden[login] = true
}

func (s *Server) letsThrough(login string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guards[login]
}

func (s *Server) forbids(login string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.forbidden[login]
}

// answerGate answers what a spare is asked, and reports whether text was that.
func (s *Session) answerGate(text string) bool {
	switch {
	case strings.HasPrefix(text, "pg_catalog.quote_ident(n.nspname)"):
		if s.server.letsThrough(s.User) {
			s.row("ext", "4711")
		}
	case strings.HasPrefix(text, "ext.set_session_auth("):
		if s.server.letsThrough(s.User) {
			s.User = s.bound
			s.row("")
		}
	case strings.HasPrefix(text, "rolsuper") && strings.Contains(text, "has_database_privilege"):
		s.row(s.server.powers(), "f", "f", "1", s.server.offers(), bit(!s.server.forbids(s.User)), bit(s.server.letsThrough(s.User)), "f")
	default:
		return false
	}
	return true
}

func bit(b bool) string {
	if b {
		return "t"
	}
	return "f"
}
