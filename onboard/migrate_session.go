package onboard

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// session is one connection for migrations, and what goose needs to work on
// it. It serves tenants of one database, one after the other; nothing that a
// migration leaves behind reaches the next file or tenant.
type session struct {
	*admin                                 // the connection; a trapped tenant's is its own login's
	db     *sql.DB                         // the same connection
	store  *store                          // of the tenant that is worked on
	goose  map[*migrations]*goose.Provider // a provider parses its files once
}

// store is goose's, of whichever tenant the session works for. It names the
// table with its schema, so that a migration that changes the search_path
// misleads nobody.
type store struct{ database.Store }

// TableExists keeps goose from making the table: it was made before.
func (*store) TableExists(context.Context, database.DBTxConn) (bool, error) { return true, nil }

// errLost is what database/sql gets instead of a second connection, which
// would be the administrator's where the first was the owner's.
var errLost = errors.New("the connection was lost")

// lone is the connector of one connection that is there already.
type lone chan driver.Conn

// Connect hands the connection over, once.
func (l lone) Connect(context.Context) (driver.Conn, error) {
	select {
	case conn := <-l:
		return conn, nil
	default:
		return nil, errLost
	}
}

// Driver is asked for by nobody.
func (lone) Driver() driver.Driver { return stdlib.GetDefaultDriver() }

// openSession connects for the tenant. One that owns its schema could have
// left functions there that run with our statements: for it the connection is
// its own, with no power to fall back to, and its statements have a limit.
func (p *Provisioner) openSession(ctx context.Context, pl *plan) (*session, error) {
	cfg := adminConfig(pl, pl.database)
	if pl.trapped() {
		cfg = pl.user.Copy()
		cfg.RuntimeParams = maps.Clone(cfg.RuntimeParams)
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
		cfg.Tracer = deadline{p.cfg.statementLimit() + grace}
	}
	conn, err := stdlib.GetConnector(*cfg).Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting as %s: %w", cfg.User, err)
	}
	std, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(errLost, conn.Close()) // the driver's own type
	}
	a := &admin{Conn: std.Conn(), name: cfg.User}
	a.super = a.PgConn().ParameterStatus("is_superuser") == "on"
	a.major = major(a.PgConn().ParameterStatus("server_version"))
	there := make(lone, 1)
	there <- conn
	s := &session{admin: a, db: sql.OpenDB(there), store: &store{}, goose: map[*migrations]*goose.Provider{}}
	s.db.SetMaxOpenConns(1)
	if pl.trapped() {
		if err := p.become(ctx, s, pl); err != nil {
			s.close(ctx)
			return nil, err
		}
	}
	return s, nil
}

// major is the first number of a server's version.
func major(version string) int {
	digits := version
	if end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = version[:end]
	}
	n, _ := strconv.Atoi(digits) // 0, the oldest, for what no server says
	return n
}

// close ends the connection.
func (s *session) close(ctx context.Context) {
	s.admin.close(ctx)
	_ = s.db.Close() // nothing is open any more
}

// provider is goose's for a set, on this connection.
func (s *session) provider(set *migrations) (*goose.Provider, error) {
	if provider := s.goose[set]; provider != nil {
		return provider, nil
	}
	provider, err := set.provider(s.db, s.store)
	if err == nil {
		s.goose[set] = provider
	}
	return provider, err
}

// settings are those of the schema's owner: itself, nothing but the schema in
// its path, and the limit of its statements.
func (p *Provisioner) settings(pl *plan) []any {
	limit := "0"
	if pl.trapped() {
		limit = strconv.FormatInt(p.cfg.statementLimit().Milliseconds(), 10)
	}
	return []any{pl.ownsSchema(), quote(pl.schema), limit}
}

// become has the session work as the schema's owner.
func (p *Provisioner) become(ctx context.Context, s *session, pl *plan) error {
	const query = "select set_config('role', $1, false), set_config('search_path', $2, false), set_config('statement_timeout', $3, false)"
	_, err := s.Exec(ctx, query, p.settings(pl)...)
	return err
}

// reset makes the session what it was when it was opened: no transaction, no
// role but its own, no settings, no temporary tables, no locks. A connection
// that it fails on is closed.
func (s *session) reset(ctx context.Context) error {
	var err error
	if !s.idle() {
		_, err = s.Exec(ctx, "ROLLBACK")
	}
	if err == nil {
		_, err = s.Exec(ctx, "DISCARD ALL")
	}
	if err != nil {
		s.admin.close(ctx)
	}
	return err
}

// idle reports that the session is in no transaction.
func (s *session) idle() bool { return s.PgConn().TxStatus() == 'I' }

// leave undoes what the administrator took for the tenant. Where the
// connection is gone another one does it.
func (a *admin) leave(ctx context.Context, pl *plan) error {
	if len(a.takes) == 0 || !a.IsClosed() {
		return a.leaveRoles(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	b, err := openAdmin(ctx, pl, pl.adminDatabase)
	if err != nil {
		return err
	}
	defer b.close(ctx)
	a.takes, b.takes = nil, a.takes
	return b.leaveRoles(ctx)
}
