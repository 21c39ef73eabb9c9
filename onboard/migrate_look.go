package onboard

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// owned divides by zero, which ends a batch before its next statement, unless
// the schema and the table of versions belong to whom they should: whoever
// owns a table says what runs when it is read.
const owned = `select 1 / count(*) from pg_namespace n join pg_class c on c.relnamespace = n.oid and c.relname = $2 and c.relkind = 'r'
	where n.nspname = $1 and n.nspowner = c.relowner and pg_get_userbyid(n.nspowner) = $3`

// standing is how far a place is.
type standing struct {
	table    bool    // the table of versions is there
	versions []int64 // that were applied, the last one first
}

// newest is the highest version; 0 before the first.
func (s standing) newest() int64 {
	var newest int64
	for _, v := range s.versions {
		newest = max(newest, v)
	}
	return newest
}

// look reads how far the place is. In the usual case it is one round trip;
// asking twice is for telling what is wrong.
func (p *Provisioner) look(ctx context.Context, s *session, pl *plan) (standing, error) {
	versions, err := p.read(ctx, s, pl, !pl.trapped() && !s.super)
	if err == nil {
		return standing{true, versions}, nil
	}
	if _, ok := errors.AsType[*pgconn.PgError](err); !ok || s.IsClosed() {
		return standing{}, err
	}
	exists, wrong := inspect(ctx, s, pl)
	if wrong != nil || !exists {
		return standing{}, wrong
	}
	if s.super || pl.trapped() {
		return standing{}, err
	}
	// The administrator may not make itself a member; somebody else did, or
	// this says why not.
	if err := s.join(ctx, pl.ownsSchema()); err != nil {
		return standing{}, err
	}
	versions, err = p.read(ctx, s, pl, false)
	return standing{true, versions}, err
}

// read asks the table as its owner. member says that the administrator has to
// make itself one first. All of it is undone at once: nothing is written.
func (p *Provisioner) read(ctx context.Context, s *session, pl *plan, member bool) ([]int64, error) {
	if pl.trapped() { // the tracer of single statements sees no batch
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.cfg.statementLimit()+grace)
		defer cancel()
	}
	var versions []int64
	batch := &pgx.Batch{}
	batch.Queue("begin")
	batch.Queue(owned, pl.schema, versionTable, pl.ownsSchema())
	if member {
		batch.Queue(s.grantTo(pl.ownsSchema()))
	}
	batch.Queue("select set_config('role', $1, true), set_config('search_path', $2, true), set_config('statement_timeout', $3, true)", p.settings(pl)...)
	batch.Queue("select version_id from "+quote(pl.schema, versionTable)+" order by id desc limit $1", maxVersions+1).Query(func(rows pgx.Rows) error {
		var err error
		versions, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	batch.Queue("rollback")
	err := s.SendBatch(ctx, batch).Close()
	if err != nil && !s.IsClosed() {
		_, undo := s.Exec(ctx, "rollback")
		err = errors.Join(err, undo)
	}
	if err == nil && len(versions) > maxVersions {
		return nil, tooMany(pl)
	}
	return versions, err
}

// maxVersions bounds what is read of a table that may be its tenant's: no
// folder has as many migrations.
const maxVersions = 100_000

func tooMany(pl *plan) error {
	return refuse(ErrConflict, "the table %s.%s has more than %d rows, which no migrations have made", pl.schema, versionTable, maxVersions)
}

// grantTo is the statement that makes the administrator a member.
func (a *admin) grantTo(role string) string {
	grant := "GRANT " + quote(role) + " TO CURRENT_USER"
	if a.major >= 16 {
		grant += " WITH INHERIT TRUE, SET TRUE"
	}
	return grant
}

// inspect reports whether the table of versions is there, and what keeps the
// place from being migrated.
func inspect(ctx context.Context, s *session, pl *plan) (table bool, err error) {
	const query = `select pg_get_userbyid(n.nspowner)::text, coalesce(pg_get_userbyid(c.relowner)::text, ''), coalesce(c.relkind::text, 'r')
		from pg_namespace n left join pg_class c on c.relnamespace = n.oid and c.relname = $2 where n.nspname = $1`
	var schema, owner, kind string
	want := pl.ownsSchema()
	found, err := one(s.Query(ctx, query, pl.schema, versionTable))(&schema, &owner, &kind)
	switch {
	case err != nil:
		return false, err
	case !found:
		return false, refuse(ErrAbsent, "there is no schema %s in the database %s; provision the tenant first", pl.schema, pl.database)
	case schema != want:
		return false, refuse(ErrConflict, "the schema %s belongs to %s, not to %s", pl.schema, schema, want)
	case owner != "" && (owner != want || kind != "r"):
		return false, refuse(ErrConflict, "the table %s.%s belongs to %s, or is none; it is to be a table of %s", pl.schema, versionTable, owner, want)
	}
	return owner != "", nil
}
