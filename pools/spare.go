package pools

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolkeeper/poolkeeper/pools/budget"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Spares are connections that belong to no tenant yet: authenticated, in the
// budget, ready for the next cold tenant. They are made by an entry that has
// no leases and no callers.
//
// With a shared login a spare is handed over as any tenant's connection is.
// For tenants with a login of their own it is opened by a login that may
// execute set_session_auth of the extension set_user, which makes the session
// the tenant's once and for all: nothing in the session gets out of it again,
// and so it never goes to another tenant.

// name of what spare connections are called on the server.
const spareName = "poolkeeper:spare"

// nameOf is the application_name of a tenant's sessions: it tells one tenant
// from another for those who look at the server, and names none.
func (k *Keeper) nameOf(id registry.ID) string {
	mac := hmac.New(sha256.New, k.nameKey)
	mac.Write([]byte(id.String()))
	return "poolkeeper:" + hex.EncodeToString(mac.Sum(nil)[:8])
}

// spare reports whether the entry makes spare connections.
func (e *entry) spare() bool { return e.cluster.spares == e }

// kinds are the kinds of connection that the tenant's are, and that it can
// use. A connection can go to a tenant that uses the same login of the same
// database, where the login is shared anyway; a spare for own logins to one
// whose login the server has let in before.
func (e *entry) kinds() (gives string, takes []string) {
	t, k := e.tenant, e.keeper
	if !k.cfg.Handoff || !t.DSN.IsZero() || t.Isolation == registry.IsolationDatabase && t.SharedLogin {
		return "", nil
	}
	if t.SharedLogin {
		if e.target.login != e.cluster.target.ConnConfig.User {
			return "", nil
		}
		kind := "login|" + e.target.database
		return kind, []string{kind}
	}
	if spares := e.cluster.spares; spares != nil && spares.own() && spares.target.database == e.target.database && k.isProven(e) {
		return "", []string{spareKind}
	}
	return "", nil
}

// spareKind is the kind of a spare for tenants with logins of their own.
const spareKind = "spare"

// own reports whether the spares are for tenants with logins of their own.
func (e *entry) own() bool { return e.plan.user != e.cluster.target.ConnConfig.User }

// newSpares returns the entry that makes a cluster's spares, nil when
// connections are not to be handed over at all.
func (c *cluster) newSpares() (*entry, error) {
	if !c.keeper.cfg.Handoff {
		return nil, nil //nolint:nilnil // there are none, which is no error
	}
	cfg := c.target.Copy()
	kind := "login|" + cfg.ConnConfig.Database
	if dsn := c.settings.SpareDSN; !dsn.IsZero() {
		var err error
		if cfg, err = pgxpool.ParseConfig(dsn.Reveal()); err != nil {
			return nil, fmt.Errorf("pools: clusters.%s.spare_dsn: not a PostgreSQL connection string: %w", c.name, redacted(err))
		}
		kind = spareKind
	}
	nobody := &registry.Tenant{Cluster: c.name, SharedLogin: true}
	p := &plan{
		user: cfg.ConnConfig.User, database: cfg.ConnConfig.Database, name: spareName,
		path: []string{}, pathText: "{}", wall: errSpare,
		settings: []setting{{name: "application_name", value: spareName, sql: "'" + spareName + "'"}},
	}
	p.compile()
	e := c.keeper.newEntry(nobody, c, p, cfg)
	if err := e.openPool(c.keeper.lifetime, cfg); err != nil {
		return nil, fmt.Errorf("pools: clusters.%s: %w", c.name, redacted(err))
	}
	e.account = c.budget.Open(budget.Terms{
		Name: "\x00spares", Weight: 1, Spare: true, Gives: kind, // none before openSpares
		Room: kind == spareKind, // with a shared login, what rests with a tenant is as good
	}, e)
	return e, nil
}

var errSpare = fmt.Errorf("%w: nobody's connection", ErrNotWalled)

// openSpares lets the budget begin to fill the spares.
func (c *cluster) openSpares() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filling = true
	c.resizeLocked()
}

// closeSpares ends the spares, and waits until their pool is closed.
func (c *cluster) closeSpares() {
	e := c.spares
	if e == nil {
		return
	}
	e.account.Close()
	for _, s := range e.shelf.close(e.tenant.ID) {
		s.end(string(ReasonShutdown))
	}
	e.pool.Close()
}

// gate is the function by which a session becomes a tenant's.
type gate struct{ schema, oid string }

// Columns that are asked for besides the powers when a spare becomes a
// tenant's: whether the tenant may connect to the database, whether it may
// itself execute the function, and whether its login has settings that the
// pin does not set: they would not be in force. A password that has expired
// counts as a refusal to connect.
const (
	colConnect = iota
	colExecute
	colSettings
	claimColumns
)

// sendClaim makes the session the tenant's: in a transaction of its own, for
// whoever rolls that back would be half way between the two logins. Canary
// and pin follow, then the powers, as the tenant, with what a dial would have
// been refused for.
func (s *session) sendClaim() {
	p, fe := s.entry.plan, s.pg.Frontend()
	const text = 25 // pg_type's oid
	fe.SendParse(&pgproto3.Parse{Query: "SELECT " + s.gate.schema + ".set_session_auth($1)", ParameterOIDs: []uint32{text}})
	fe.SendBind(&pgproto3.Bind{Parameters: [][]byte{[]byte(p.user)}})
	fe.SendExecute(&pgproto3.Execute{})
	fe.SendSync(&pgproto3.Sync{})
	s.answer.left++
	s.ask("SET SESSION AUTHORIZATION DEFAULT; " + p.set + "; " + s.gate.fitness(p.pinned()))
}

// fitness asks what the login of the session is fit for, see the columns; the
// given settings do not count.
func (g *gate) fitness(pinned string) string {
	return powers +
		`, pg_catalog.has_database_privilege(session_user, pg_catalog.current_database(), 'CONNECT')` +
		` AND COALESCE(r.rolvaliduntil OPERATOR(pg_catalog.>) pg_catalog.now(), true)` +
		`, pg_catalog.has_function_privilege(session_user, ` + g.oid + `::pg_catalog.oid, 'EXECUTE')` +
		`, EXISTS (SELECT FROM pg_catalog.pg_db_role_setting c, pg_catalog.unnest(c.setconfig) AS set(text) ` +
		`WHERE c.setrole OPERATOR(pg_catalog.=) r.oid AND pg_catalog.split_part(set.text, '=', 1) ` +
		`OPERATOR(pg_catalog.<>) ALL ('` + pinned + `'::pg_catalog.text[]))` + fromRoles
}

// pinned are the settings that the pin sets, as an array's text: those of the
// login's own do not matter, as they would not on a new connection. None of
// the names holds what would have to be quoted.
func (p *plan) pinned() string {
	names := make([]string, len(p.settings))
	for i, s := range p.settings {
		names[i] = s.name
	}
	return "{" + strings.Join(names, ",") + "}"
}

// recognise draws the conclusions from the pin's answers.
func (s *session) recognise() error {
	e := s.entry
	claimed := s.how == StartSpare && e.plan.ownLogin
	if claimed {
		c := s.answer.claim
		if c[colConnect] != "t" || c[colExecute] != "f" || c[colSettings] != "f" {
			return fmt.Errorf("%w: %q", errUnfit, c)
		}
	}
	if s.how == StartDial || claimed {
		s.recogniseWall()
	} else {
		s.wall = e.plan.wall
	}
	if s.how == StartDial && e.plan.ownLogin {
		e.prove()
	}
	return nil
}

// prove notes that the server has let the tenant's login in, by its password
// and whatever else it asks for, which a spare skips. From then on spares
// serve the login too.
func (e *entry) prove() {
	if e.proven.Swap(true) {
		return
	}
	k := e.keeper
	k.proven.LoadOrStore(e.proof(), true)
	if spares := e.cluster.spares; spares != nil && spares.own() {
		k.workers.Go(e.adjust)
	}
}

// disprove notes that the server did not let the login in: until it does
// again, the login gets no spare.
func (e *entry) disprove() {
	if e.spare() { // its account has terms of its own
		return
	}
	e.proven.Store(false)
	e.keeper.proven.Delete(e.proof())
	e.adjust()
}

// proof identifies a login with the password that it begins with.
func (e *entry) proof() [sha256.Size]byte {
	mac := hmac.New(sha256.New, e.keeper.nameKey)
	_, _ = fmt.Fprintf(mac, "%q %q", e.target, e.passwords.begin().Reveal()) // a hash takes anything
	return [sha256.Size]byte(mac.Sum(nil))
}

func (k *Keeper) isProven(e *entry) bool {
	proven, _ := k.proven.Load(e.proof())
	return proven == true
}

// unfit notes that a spare could not become the tenant's: it has settings of
// its own, or may not connect here. It is dialled from then on, which says
// what is wrong, if anything is.
func (e *entry) unfit() {
	e.keeper.proven.Store(e.proof(), false)
	e.adjust()
}

// errUnfit says that a spare cannot become a login's.
var errUnfit = errors.New("pools: a spare cannot become the login's")

// isUnfit reports whether a claim failed for what the login is, rather than
// because the server went away or has no room.
func isUnfit(err error) bool {
	pg, refused := errors.AsType[*pgconn.PgError](err)
	return errors.Is(err, errUnfit) || refused && !strings.HasPrefix(pg.Code, "57") && !strings.HasPrefix(pg.Code, "53")
}

// findGate asks a spare's server for the function that makes sessions a
// tenant's, and whether the spare's login is fit for it: one that has powers
// of its own, or members, would be a way around every wall. The function is
// looked up, never assumed: anybody might have made one of that name.
const findGate = `SELECT pg_catalog.quote_ident(n.nspname), p.oid::pg_catalog.text FROM pg_catalog.pg_extension e ` +
	`JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass ` +
	`AND d.refobjid OPERATOR(pg_catalog.=) e.oid AND d.deptype OPERATOR(pg_catalog.=) 'e' ` +
	`AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass ` +
	`JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid AND p.proname OPERATOR(pg_catalog.=) 'set_session_auth' ` +
	`AND p.pronargs OPERATOR(pg_catalog.=) 1 AND p.proargtypes[0] OPERATOR(pg_catalog.=) 'pg_catalog.text'::pg_catalog.regtype::pg_catalog.oid ` +
	`JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace ` +
	`JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) session_user ` +
	`WHERE e.extname OPERATOR(pg_catalog.=) 'set_user' AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE') ` +
	`AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') ` +
	`AND NOT (r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls) ` +
	`AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m WHERE m.member OPERATOR(pg_catalog.=) r.oid OR m.roleid OPERATOR(pg_catalog.=) r.oid)`

// errNoGate says what a spare for own logins wants.
var errNoGate = errors.New("pools: spare_dsn: its login must have EXECUTE on set_session_auth of the extension set_user " +
	"and USAGE on its schema, no other power, no membership and no members")

// equip finds the spare's gate.
func (s *session) equip(ctx context.Context) error {
	results, err := s.pg.Exec(ctx, findGate).ReadAll()
	if err != nil {
		return err
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return errNoGate
	}
	row := results[0].Rows[0]
	s.gate = &gate{schema: string(row[0]), oid: string(row[1])}
	// The server's process reads its part of the catalogue now, rather than
	// while the first tenant waits.
	_, err = s.pg.Exec(ctx, s.gate.fitness("{}")+"; "+s.entry.plan.check).ReadAll()
	return err
}
