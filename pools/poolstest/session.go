package poolstest

import (
	"errors"
	"io"
	"maps"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Session is one connection as the server sees it. A script may read and
// change it; it runs on the session's own goroutine.
type Session struct {
	// PID identifies the session, as a backend's process id does.
	PID uint32
	// User and Database are those of the start-up.
	User, Database string
	// Settings are the session's run-time parameters.
	Settings map[string]string
	// InTransaction is what the client is told after the statement.
	InTransaction bool

	server    *Server
	conn      *end
	backend   *pgproto3.Backend
	startup   map[string]string
	prepared  map[string]bool
	reported  string
	bound     string // the first parameter of what was bound last
	discarded bool   // DISCARD ALL was run
	crashed   bool   // with the server, which guards it
	life      *life
	cancelled chan struct{}
}

// Failure is an error that reaches the client with its own SQLSTATE.
type Failure struct{ Code, Message string }

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Cancelled returns a channel that gets a value when a cancel request came.
func (s *Session) Cancelled() <-chan struct{} { return s.cancelled }

// Fail returns an error with an SQLSTATE.
func Fail(code, message string) error { return &Failure{Code: code, Message: message} }

// Hang blocks until a cancel request comes, and answers it as PostgreSQL
// does, or until the client is gone.
func Hang(s *Session) error {
	select {
	case <-s.cancelled:
	case <-s.conn.in.done:
	}
	return Fail("57014", "canceling statement due to user request")
}

// Kill ends the connection, as a server does that crashes.
func (s *Session) Kill() { _ = s.conn.Close() } // it may be over

func (s *Session) serve() {
	defer s.conn.Close() //nolint:errcheck // nothing is left to be said
	defer s.server.census.died(s.life)
	s.backend = pgproto3.NewBackend(s.conn, s.conn)
	if !s.start() {
		return
	}
	defer s.server.leave(s)
	for {
		msg, err := s.backend.Receive()
		if err != nil || s.answer(msg) != nil {
			return
		}
	}
}

// start reports false when the connection is over: a cancel request, or a
// start-up that failed.
func (s *Session) start() bool {
	msg, err := s.backend.ReceiveStartupMessage()
	if err != nil {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			s.server.census.cancels(s.life) // of a session that has no key yet: it is no message at all
		}
		return false
	}
	switch msg := msg.(type) {
	case *pgproto3.SSLRequest: // there is no TLS
		if _, err := s.conn.Write([]byte("N")); err != nil {
			return false
		}
		return s.start()
	case *pgproto3.CancelRequest:
		s.server.census.cancels(s.life)
		s.server.cancel(msg.ProcessID)
		return false
	case *pgproto3.StartupMessage:
		return s.open(msg.Parameters)
	default:
		return false
	}
}

func (s *Session) open(params map[string]string) bool {
	s.User, s.Database = params["user"], params["database"]
	s.startup = maps.Clone(params)
	s.Settings = maps.Clone(params)
	s.prepared = map[string]bool{}
	err := s.authenticate()
	if err == nil {
		err = s.server.enter(s)
	}
	if err != nil {
		s.fail(err)
		_ = s.backend.Flush() // the client may be gone
		return false
	}
	s.backend.Send(&pgproto3.AuthenticationOk{})
	s.backend.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: s.server.versionText()})
	s.report()
	s.backend.Send(&pgproto3.BackendKeyData{ProcessID: s.PID, SecretKey: []byte{0, 0, 0, 0}})
	return s.ready() == nil
}

// report sends the search path when it changed, from version 18 on.
func (s *Session) report() {
	path := s.Settings["search_path"]
	if s.server.version >= 18 && path != s.reported {
		s.reported = path
		s.backend.Send(&pgproto3.ParameterStatus{Name: "search_path", Value: path})
	}
}

func (s *Session) ready() error {
	status := byte('I')
	if s.InTransaction {
		status = 'T'
	}
	s.report()
	s.backend.Send(&pgproto3.ReadyForQuery{TxStatus: status})
	return s.backend.Flush()
}

func (s *Session) fail(err error) {
	failure := &Failure{Code: "XX000", Message: err.Error()}
	errors.As(err, &failure)
	s.backend.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: failure.Code, Message: failure.Message})
}

func (s *Session) answer(msg pgproto3.FrontendMessage) error {
	switch msg := msg.(type) {
	case *pgproto3.Query:
		s.simple(msg.String)
		return s.ready()
	case *pgproto3.Parse:
		s.prepared[msg.Name] = true
		s.startup["\x00"+msg.Name] = msg.Query
		s.backend.Send(&pgproto3.ParseComplete{})
	case *pgproto3.Describe:
		s.backend.Send(&pgproto3.ParameterDescription{})
		s.backend.Send(&pgproto3.NoData{})
	case *pgproto3.Bind:
		s.startup["\x00bound"], s.bound = s.startup["\x00"+msg.PreparedStatement], ""
		if len(msg.Parameters) > 0 {
			s.bound = string(msg.Parameters[0])
		}
		s.backend.Send(&pgproto3.BindComplete{})
	case *pgproto3.Execute:
		s.statement(s.startup["\x00bound"])
	case *pgproto3.Close:
		s.backend.Send(&pgproto3.CloseComplete{})
	case *pgproto3.Flush:
		return s.backend.Flush()
	case *pgproto3.Sync:
		return s.ready()
	case *pgproto3.Terminate:
		return io.EOF
	}
	return nil
}

// simple runs the statements of one query message until one fails.
func (s *Session) simple(text string) {
	for sql := range strings.SplitSeq(text, "; ") {
		if !s.statement(sql) {
			return
		}
	}
}

// statement answers one statement and reports whether it succeeded.
func (s *Session) statement(sql string) bool {
	if fn := s.server.script(sql); fn != nil {
		if err := fn(s); err != nil {
			s.fail(err)
			return false
		}
		s.complete("SCRIPT")
		return true
	}
	word, rest, _ := strings.Cut(sql, " ")
	switch word {
	case "SET":
		s.set(rest)
	case "RESET":
		s.Settings = maps.Clone(s.startup)
	case "ROLLBACK", "COMMIT":
		s.InTransaction = false
	case "begin", "BEGIN":
		s.InTransaction = true
	case "DISCARD":
		if rest == "ALL" {
			_ = s.Discard()
		}
		s.complete(sql)
		return true
	case "SELECT":
		s.selects(rest)
	}
	s.complete(word)
	return true
}

func (s *Session) set(text string) {
	if s.server.lying(s.discarded) {
		return
	}
	if name, value, ok := strings.Cut(text, " TO "); ok {
		s.Settings[name] = strings.Trim(value, "'")
	}
}

// Discard does what DISCARD ALL does, for a script that stands in its place.
func (s *Session) Discard() error {
	s.Settings, s.discarded = maps.Clone(s.startup), true
	clear(s.prepared)
	return nil
}

// selects answers the questions that package pools asks.
func (s *Session) selects(text string) {
	switch {
	case s.answerGate(text):
	case strings.HasPrefix(text, "pg_catalog.pg_terminate_backend("):
		pid, _ := strconv.ParseUint(strings.Trim(strings.TrimPrefix(text, "pg_catalog.pg_terminate_backend"), "()"), 10, 32)
		s.server.terminate(uint32(pid))
	case strings.HasPrefix(text, "rolsuper"):
		s.row(s.server.powers(), "f", "f", "1", s.server.offers())
	case strings.HasPrefix(text, "pg_catalog.current_schemas"):
		if !s.dropped() {
			s.row(s.path(), s.User, s.User, s.Database, s.Settings["app.tenant_id"], "f")
		}
	}
}

// dropped reports whether the statement that the pin prepared is gone.
func (s *Session) dropped() bool {
	for name := range s.prepared {
		if strings.HasPrefix(name, "poolkeeper_") {
			return false
		}
	}
	return true
}

// path is what current_schemas(false) gives, for names that need no quotes.
func (s *Session) path() string {
	schemas := []string{}
	for name := range strings.SplitSeq(s.Settings["search_path"], ", ") {
		if name = strings.Trim(name, `"`); name != "" {
			schemas = append(schemas, name)
		}
	}
	return "{" + strings.Join(schemas, ",") + "}"
}

func (s *Session) row(values ...string) {
	fields := make([]pgproto3.FieldDescription, len(values))
	row := make([][]byte, len(values))
	for i, value := range values {
		fields[i] = pgproto3.FieldDescription{Name: []byte("c"), DataTypeOID: 25, DataTypeSize: -1, TypeModifier: -1}
		row[i] = []byte(value)
	}
	s.backend.Send(&pgproto3.RowDescription{Fields: fields})
	s.backend.Send(&pgproto3.DataRow{Values: row})
}

func (s *Session) complete(tag string) {
	s.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}
