// Package poolstest is a PostgreSQL server for tests that needs no process,
// no network and no real time: it speaks the wire protocol over net.Pipe, so
// that a real pgxpool runs on it inside a testing/synctest bubble.
//
// A [Server] knows just enough to be one: the start-up, the session pin and
// reset of package pools (with a search path, a row setting and prepared
// statements that behave), and statements that a test scripts with
// [Server.Script]. Give its Dial to pools.Config.
package poolstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
)

// ErrRefused is what Dial returns while the server is down.
var ErrRefused = errors.New("poolstest: connection refused")

// Server is the fake server. The zero value is not usable; see New.
type Server struct {
	version int

	mu       sync.Mutex
	down     bool
	dials    int
	startups int
	queries  map[string]int
	scripts  map[string]func(*Session) error
	sessions map[*Session]struct{}
	onStart  func(*Session) error
	onEnd    func(*Session)
	lost     bool
	faithful bool // until DISCARD ALL
	powerful bool
	offered  int

	guards    map[string]bool // of the gate, by login
	forbidden map[string]bool
	passwords map[string]string // by login
	refused   int               // passwords
	census    census
}

// New returns a server that presents itself as PostgreSQL of the given major
// version; from 18 on it reports the search path.
func New(version int) *Server {
	return &Server{
		version: version, offered: 97, queries: map[string]int{},
		scripts: map[string]func(*Session) error{}, sessions: map[*Session]struct{}{}, forbidden: map[string]bool{}, guards: map[string]bool{},
		passwords: map[string]string{},
	}
}

// Dial opens a connection; its type fits pools.Config.Dial.
func (s *Server) Dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials++
	if s.down {
		return nil, ErrRefused
	}
	client, server := newPipe()
	session := &Session{server: s, conn: server, life: s.census.born(), cancelled: make(chan struct{}, 1)}
	go session.serve()
	return client, nil
}

// Script has fn answer the statement sql: its error becomes the answer (an
// *pgproto3.ErrorResponse through Fail, or any other as SQLSTATE XX000).
func (s *Server) Script(sql string, fn func(*Session) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[sql] = fn
}

// OnStart has fn decide about each session that starts: an error refuses it.
// It runs on the session's goroutine and may block. nil accepts all.
func (s *Server) OnStart(fn func(*Session) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onStart = fn
}

// OnEnd has fn run when a session ends, before the server's side is gone. It
// runs on the session's goroutine and may block: a server that takes its time.
func (s *Server) OnEnd(fn func(*Session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onEnd = fn
}

// LosePins makes the server forget what SET said: a server that lies.
func (s *Server) LosePins(lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.faithful = lost, false
}

// LosePinsAfterDiscard makes it lie in sessions alone that DISCARD ALL was run
// in: those that change hands.
func (s *Server) LosePinsAfterDiscard(lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost, s.faithful = lost, true
}

// Stop cuts every connection and refuses new ones.
func (s *Server) Stop() {
	s.mu.Lock()
	s.down = true
	open := make([]*Session, 0, len(s.sessions))
	for session := range s.sessions {
		open = append(open, session)
		s.crash(session)
	}
	s.mu.Unlock()
	for _, session := range open {
		_ = session.conn.Close()
	}
}

// crash ends a session, whatever it does; the caller holds mu.
func (s *Server) crash(session *Session) {
	session.crashed = true
	delete(s.sessions, session)
	s.census.died(session.life)
}

// Resume accepts connections again.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// Dials returns how many connections were tried, cancel requests included.
func (s *Server) Dials() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials
}

// Startups returns how many sessions were opened in all.
func (s *Server) Startups() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startups
}

// Open returns how many sessions are open.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Count returns how often the statement sql was run.
func (s *Server) Count(sql string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[sql]
}

func (s *Server) script(sql string) func(*Session) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries[sql]++
	return s.scripts[sql]
}

// enter registers a session that starts, unless it is refused.
func (s *Server) enter(session *Session) error {
	s.mu.Lock()
	ask := s.onStart
	s.mu.Unlock()
	if ask != nil {
		if err := ask(session); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startups++
	session.PID = uint32(s.startups) //nolint:gosec // a test does not open four billion
	s.sessions[session] = struct{}{}
	return nil
}

func (s *Server) leave(session *Session) {
	s.mu.Lock()
	end, crashed := s.onEnd, session.crashed
	s.mu.Unlock()
	if end != nil && !crashed {
		end(session)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session)
}

// cancel interrupts the statement of the session with pid.
func (s *Server) cancel(pid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		if session.PID == pid {
			select {
			case session.cancelled <- struct{}{}:
			default:
			}
		}
	}
}

// terminate ends the session with pid.
func (s *Server) terminate(pid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		if session.PID == pid {
			s.crash(session)
			_ = session.conn.Close() // it may be over
		}
	}
}

// Empower gives every login powers that a tenant's must not have.
func (s *Server) Empower() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.powerful = true
}

// powers is what the server says of them.
func (s *Server) powers() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.powerful {
		return "t"
	}
	return "f"
}

// Offer changes how many connections the server says it has, 97 at first.
func (s *Server) Offer(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = n
}

func (s *Server) offers() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.Itoa(s.offered)
}

func (s *Server) lying(discarded bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost && (discarded || !s.faithful)
}

func (s *Server) versionText() string { return fmt.Sprintf("%d.4", s.version) }
