package pools

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
	"unique"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/registry"
)

// canary is a statement that every session prepares when it is pinned, never
// run. Only DISCARD and DEALLOCATE take it away, and with it the statements
// that the driver believes in. It is prepared through the protocol, which SQL
// cannot do: one that SQL prepared under its name does not pass for it.
const canary = "poolkeeper_canary"

// setting is one run-time parameter of a session.
type setting struct{ name, value, sql string }

// plan is what each connection of one pool must look like, and the SQL that
// makes it so. It is computed once per pool and never changed.
type plan struct {
	user, database string
	name           string   // application_name: an opaque id of the tenant
	path           []string // what current_schemas(false) must give; nil: not looked at
	pathText       string   // the same as the server writes it
	rowSetting     string   // the setting that names the tenant to row policies, or ""
	rowValue       string
	trusted        bool  // a reported search path is proof enough
	ownLogin       bool  // no other record uses the login
	wall           error // why the record alone rules a wall out, or nil
	ownDatabase    bool  // nobody else lives in the database

	settings []setting
	// Pools are many and connections few: what is longer is put together when
	// it is sent.
	set   string // makes a session the tenant's
	check string // says what the session is
}

// newPlan computes the plan of a tenant whose pool connects by target.
func newPlan(cfg Config, t *registry.Tenant, target *pgxpool.Config, name string) (*plan, error) {
	p := &plan{
		name: name,
		user: target.ConnConfig.User, database: target.ConnConfig.Database,
		ownLogin: !t.SharedLogin, wall: wallByRecord(t),
		ownDatabase: t.Isolation == registry.IsolationDatabase,
		trusted:     cfg.SQL == Trusted && t.Isolation != registry.IsolationRow,
	}
	switch t.Isolation {
	case registry.IsolationSchema, registry.IsolationRow:
		if t.Schema == "" {
			return nil, fmt.Errorf("%w: tenant %s: isolation %s needs a schema", ErrRecord, t.ID, t.Isolation)
		}
	case registry.IsolationDatabase:
	default:
		return nil, fmt.Errorf("%w: tenant %s: isolation %q is none of schema, database, row", ErrRecord, t.ID, t.Isolation)
	}
	if t.Isolation == registry.IsolationRow {
		p.rowSetting, p.rowValue = cfg.RowSetting, t.ID.String()
	}
	if err := p.pinPath(cfg, t); err != nil {
		return nil, err
	}
	p.settings = append(p.settings, setting{name: "application_name", value: name, sql: "'" + name + "'"}) // it holds no quote
	p.pinSettings(cfg, t)
	p.compile()
	return p, nil
}

// pinPath fixes the search path: the tenant's schema, then the configured
// tail. A database of its own without a schema keeps the server's default.
func (p *plan) pinPath(cfg Config, t *registry.Tenant) error {
	if t.Schema == "" {
		return nil
	}
	p.path = []string{t.Schema}
	for _, schema := range cfg.SearchPathTail {
		if !slices.Contains(p.path, schema) {
			p.path = append(p.path, schema)
		}
	}
	quoted := make([]string, len(p.path))
	for i, schema := range p.path {
		if schema == "" || len(schema) > 63 || strings.ContainsRune(schema, 0) {
			return fmt.Errorf("%w: tenant %s: %q cannot name a schema", ErrRecord, t.ID, schema)
		}
		quoted[i] = pgx.Identifier{schema}.Sanitize()
	}
	list := strings.Join(quoted, ", ")
	p.settings = append(p.settings, setting{name: "search_path", value: list, sql: list})
	p.pathText = arrayText(p.path)
	return nil
}

func (p *plan) pinSettings(cfg Config, t *registry.Tenant) {
	p.pinTimeout("statement_timeout", t.Limits.StatementTimeout, cfg.StatementTimeout)
	p.pinTimeout("idle_in_transaction_session_timeout", t.Limits.IdleInTransactionTimeout, cfg.IdleInTransactionTimeout)
	if p.rowSetting != "" {
		// An id holds letters, digits and hyphens only: no quote can be in it.
		p.settings = append(p.settings, setting{name: p.rowSetting, value: p.rowValue, sql: "'" + p.rowValue + "'"})
	}
}

func (p *plan) pinTimeout(name string, own, shared time.Duration) {
	if own == 0 {
		own = shared
	}
	if own > 0 {
		ms := strconv.FormatInt(max(1, own.Milliseconds()), 10)
		p.settings = append(p.settings, setting{name: name, value: ms, sql: ms})
	}
}

// startup returns the run-time parameters of the start-up message, to which
// RESET ALL and DISCARD ALL return. A login of the tenant's own carries the
// pins. A shared one carries nothing of the tenant's, and an empty search
// path: a session that resets itself finds no table rather than another's.
func (p *plan) startup() map[string]string {
	params := map[string]string{}
	if !p.ownLogin {
		params["search_path"] = `""`
		return params
	}
	for _, s := range p.settings {
		params[s.name] = s.value
	}
	return params
}

// Every name below is qualified, or is one that pg_catalog answers first:
// what a tenant defined in its own schema has no say in these statements.
const (
	identity = `SELECT pg_catalog.current_schemas(false), session_user, current_user, pg_catalog.current_database(), `
	powers   = `SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, ` +
		`EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member OPERATOR(pg_catalog.=) r.oid), ` +
		`EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.datdba OPERATOR(pg_catalog.=) r.oid ` +
		`AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()), ` +
		`(pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8::pg_catalog.text, ` +
		`(pg_catalog.current_setting('max_connections')::pg_catalog.int4 OPERATOR(pg_catalog.-) ` +
		`pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int4 OPERATOR(pg_catalog.-) ` +
		`COALESCE(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int4)::pg_catalog.text`
	fromRoles = ` FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) session_user`
	// With its own defaults the tenant could have it wait for others to end:
	// SERIALIZABLE, READ ONLY, DEFERRABLE.
	begin = `BEGIN ISOLATION LEVEL READ COMMITTED; `
	clean = `CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; ` +
		`SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES`
	// One row, "f", when the canary is there and nothing that SQL prepared.
	prepared = `, from_sql FROM pg_catalog.pg_prepared_statement() WHERE from_sql OR name OPERATOR(pg_catalog.=) '` + canary + `'`
)

// compile writes the SQL of the pin, of the reset, and of the check that
// follows both in a transaction of its own: it sees what was committed, and
// nothing that the tenant wrote runs between it and the next loan.
func (p *plan) compile() {
	var set strings.Builder
	for _, s := range p.settings {
		fmt.Fprintf(&set, "; SET %s TO %s", s.name, s.sql)
	}
	row := "''"
	if p.rowSetting != "" {
		row = "pg_catalog.current_setting('" + p.rowSetting + "', true)"
	}
	p.check = unique.Make(identity + row + prepared).Value() // the same for nearly all
	p.set = strings.TrimPrefix(set.String(), "; ")
}

// reset undoes what was done in a session, sets and checks, at every release
// that is not free. One message is one answer, sent and read at once.
func (p *plan) reset() string { return begin + clean + "; " + p.set + "; COMMIT; " + p.check }

// pin is set for a new connection, which answers with the login's powers.
func (p *plan) pin() string { return powers + fromRoles + "; " + p.set }

// takeOver is set and check, for another tenant's connection after DISCARD
// ALL.
func (p *plan) takeOver() string { return begin + reseed() + p.set + "; COMMIT; " + p.check }

// reseed sets what DISCARD ALL leaves as it is, the state of random(): the
// earlier tenant would know what the next one draws.
func reseed() string {
	seed := 2*rand.Float64() - 1 //nolint:gosec // seeded by the system, and not to be told from outside
	return "SET seed TO " + strconv.FormatFloat(seed, 'f', -1, 64) + "; "
}

// Columns of the check's one row.
const (
	colPath = iota
	colSessionUser
	colUser
	colDatabase
	colRow
	colPrepared
	checkColumns
)

// Columns of the one row of the query powers: three questions about the
// login; when the server was started, in microseconds, by which two names of
// one server are told from two servers; and how many connections it has for
// those who are not privileged.
const (
	colAttributes = iota
	colMember
	colOwner
	colStarted
	colOffered
	powerColumns
)

// drift compares the check's row with the plan: "" when they agree, else
// what is different.
func (p *plan) drift(row [checkColumns]string) string {
	switch {
	case p.path != nil && row[colPath] != p.pathText:
		return "search_path"
	case row[colSessionUser] != p.user || row[colUser] != p.user:
		return "role"
	case row[colDatabase] != p.database:
		return "database"
	case row[colRow] != p.rowValue:
		return "setting"
	case row[colPrepared] != "f":
		return "statements"
	default:
		return ""
	}
}

// arrayText is how the server writes an array of names (array_out in its
// source): an element is quoted when it could be read as something else.
func arrayText(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = name
		if name == "" || strings.EqualFold(name, "NULL") || strings.ContainsAny(name, "\"\\{}, \t\n\r\v\f") {
			quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
		}
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// wallByRecord says why the record alone rules a wall out.
func wallByRecord(t *registry.Tenant) error {
	switch {
	case t.Isolation == registry.IsolationRow:
		return errRowWall
	case t.SharedLogin:
		return errLoginWall
	default:
		return nil
	}
}

var (
	errRowWall   = fmt.Errorf("%w: row isolation rests on a setting that SQL can change; give the tenant a schema or a database of its own", ErrNotWalled)
	errLoginWall = fmt.Errorf("%w: its login is used by others of the cluster; give the tenant a login of its own", ErrNotWalled)
)

// wallByPowers says why the login's powers rule a wall out.
func (p *plan) wallByPowers(row [powerColumns]string) error {
	switch {
	case row[colAttributes] != "f":
		return fmt.Errorf("%w: its login has SUPERUSER, CREATEROLE, CREATEDB, REPLICATION or BYPASSRLS; take them away", ErrNotWalled)
	case row[colMember] != "f":
		return fmt.Errorf("%w: its login is a member of other roles; revoke the memberships", ErrNotWalled)
	case row[colOwner] != "f" && !p.ownDatabase:
		return fmt.Errorf("%w: its login owns the database that it shares; give the database another owner", ErrNotWalled)
	default:
		return nil
	}
}
