package onboard

import (
	"context"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
)

// cloneSchema clones a schema.
func (c *copying) cloneSchema(ctx context.Context, data bool) error {
	if err := c.newest(ctx); err != nil {
		return err
	}
	done := false
	if data {
		err := c.at(ctx, c.to, c.to.database, func(a *admin) error {
			return step(ctx, "clone: schema", func() (err error) {
				done, err = c.mark(ctx, a)
				return err
			})
		})
		if err != nil {
			return err
		}
	}
	if err := c.provision(ctx, c.to.tenant); err != nil || done {
		return err
	}
	return c.together(ctx, c.to.database, func(ctx context.Context, a *admin) error {
		return c.copySchema(ctx, a, data)
	})
}

// newest refuses a source that is behind, before anything is made.
func (c *copying) newest(ctx context.Context) error {
	want := c.Latest(c.from.tenant)
	if want == 0 {
		return nil
	}
	is, err := c.VersionOf(ctx, c.from.tenant)
	if err == nil && is < want {
		err = refuse(ErrClone, "the source is at version %d of the migrations and the newest is %d; migrate %s first", is, want, c.from.tenant.ID)
	}
	return err
}

// mark makes the target's schema, with a comment that says what for, and
// reports whether a copy is there already. Without the comment a schema could
// be a tenant's whose rows must not be replaced.
func (c *copying) mark(ctx context.Context, a *admin) (done bool, err error) {
	if err := c.roles(ctx, a, c.to); err != nil {
		return false, err
	}
	var owner, comment string
	var empty bool
	const query = `select pg_get_userbyid(n.nspowner)::text, coalesce(obj_description(n.oid, 'pg_namespace'), ''),
		not exists (select from pg_class c where c.relnamespace = n.oid) from pg_namespace n where n.nspname = $1`
	exists, err := one(a.Query(ctx, query, c.to.schema))(&owner, &comment, &empty)
	if err != nil {
		return false, err
	}
	if exists && (owner != c.to.ownsSchema() || (comment != c.begun() && comment != c.cloned() && !empty)) {
		return false, refuse(ErrConflict, "the schema %s exists and was not begun as a copy of this source; drop that tenant first, or clone into another",
			c.to.schema)
	}
	if comment == c.begun() || comment == c.cloned() {
		return comment == c.cloned(), nil
	}
	literal, err := a.literal(ctx, c.begun())
	if err != nil {
		return false, err
	}
	statements := []string{
		"SET LOCAL ROLE " + quote(c.to.ownsSchema()),
		"COMMENT ON SCHEMA " + quote(c.to.schema) + " IS " + literal,
	}
	if !exists {
		statements = append([]string{"CREATE SCHEMA " + quote(c.to.schema) + " AUTHORIZATION " + quote(c.to.ownsSchema())}, statements...)
	}
	return false, privilege(a.exec(ctx, "", statements...), a.name)
}

// copySchema compares both schemas and copies the rows. Each side is worked on
// as the role that owns it.
func (c *copying) copySchema(ctx context.Context, a *admin, data bool) error {
	for _, pl := range []*plan{c.from, c.to} {
		if pl.trapped() {
			continue // comes as itself
		}
		if err := a.join(ctx, pl.ownsSchema()); err != nil {
			return err
		}
	}
	source, err := c.actor(ctx, c.from)
	if err != nil {
		return err
	}
	defer hangUp(ctx, source)
	target, err := c.actor(ctx, c.to)
	if err != nil {
		return err
	}
	defer hangUp(ctx, target)
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, source, options, func(read pgx.Tx) error {
		if err := step(ctx, "clone: comparison", func() error { return c.compare(ctx, read, target) }); err != nil || !data {
			return err
		}
		return step(ctx, "clone: rows", func() error {
			return pgx.BeginTxFunc(ctx, target, pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(write pgx.Tx) error {
				return c.copyRows(ctx, read, write)
			})
		})
	})
}

// actor connects as the owner of the plan's schema, with nothing else in its
// path. A tenant that owns its schema could have left functions there that run
// with our statements: for it the connection is the tenant's own, with no
// power to fall back to.
func (p *Provisioner) actor(ctx context.Context, pl *plan) (*pgx.Conn, error) {
	cfg := adminConfig(pl, pl.database)
	if pl.trapped() {
		cfg = pl.user.Copy()
		cfg.RuntimeParams = maps.Clone(cfg.RuntimeParams)
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	// A row that a policy hides would be missing from the copy, so there the
	// server shall refuse. The rest is what a role may have set for itself,
	// and values read and written as text must mean the same.
	const query = `select pg_catalog.set_config(s.name, s.value, false) from (values
		(1, 'role', $1), (2, 'search_path', $2), (3, 'row_security', 'off'), (4, 'statement_timeout', '0'),
		(5, 'idle_in_transaction_session_timeout', '0'), (6, 'client_encoding', 'UTF8'), (7, 'DateStyle', 'ISO'),
		(8, 'IntervalStyle', 'postgres'), (9, 'extra_float_digits', '1'), (10, 'bytea_output', 'hex')) s(i, name, value)`
	if _, err := conn.Exec(ctx, query, pl.ownsSchema(), quote(pl.schema)); err != nil {
		hangUp(ctx, conn)
		return nil, err
	}
	return conn, nil
}

// hangUp ends a connection, also when the context has ended.
func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing is left to be done on it
}
