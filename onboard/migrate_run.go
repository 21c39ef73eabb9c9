package onboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

// course is where a run takes a place.
type course struct {
	set  *migrations
	down bool
	to   int64 // when down
}

// progress is what a run did.
type progress struct {
	from, to int64
	applied  []string
}

// migrate applies the tenant's set, or for row isolation the shared one.
func (p *Provisioner) migrate(ctx context.Context, _ *admin, pl *plan) error {
	set := p.set(pl.tenant)
	if set == nil {
		return nil
	}
	s, err := p.openSession(ctx, pl)
	if err != nil {
		return p.failed(ctx, pl, "", err)
	}
	defer s.close(ctx)
	_, err = p.bring(ctx, s, pl, course{set: set})
	return err
}

// bring takes the place where it shall be. What it leaves is a session as good
// as new, or a closed one.
func (p *Provisioner) bring(ctx context.Context, s *session, pl *plan, c course) (progress, error) {
	at, err := p.look(ctx, s, pl)
	done := progress{from: at.newest(), to: at.newest()}
	if err != nil {
		return done, p.failed(ctx, pl, "", err)
	}
	todo := c.steps(at)
	if len(todo) == 0 {
		return done, nil
	}
	if err := p.ready(ctx, s, pl, c, at); err != nil {
		err = p.failed(ctx, pl, "", err)
		if !s.IsClosed() {
			err = errors.Join(err, s.reset(ctx))
		}
		return done, err
	}
	for i, version := range todo {
		file := c.set.file(version)
		err := tell(ctx, "migration "+file)
		if err == nil {
			err = p.apply(ctx, s, pl, c, version)
		}
		if err != nil {
			return done, p.failed(ctx, pl, file, err)
		}
		done.applied = append(done.applied, file)
		done.to = max(done.to, version)
		if c.down {
			done.to = standing{versions: at.versions[i+1:]}.newest()
		}
	}
	return done, nil
}

// steps lists the versions that are to be applied or undone.
func (c course) steps(at standing) []int64 {
	var versions []int64
	if c.down {
		for _, v := range at.versions {
			if v <= c.to {
				break // goose undoes in the order in which it applied
			}
			versions = append(versions, v)
		}
		return versions
	}
	for _, source := range c.set.all {
		if !slices.Contains(at.versions, source.Version) {
			versions = append(versions, source.Version)
		}
	}
	return versions
}

// passedBy names the files that came into the set when the place was past their
// number: who only compares the newest numbers takes it for up to date.
func (c course) passedBy(at standing) error {
	newest := at.newest()
	var names []string
	for _, source := range c.set.all {
		if source.Version < newest && !slices.Contains(at.versions, source.Version) {
			names = append(names, source.Path)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return refuse(ErrMigrations, "it is at version %d and has not got %s, whose numbers are lower; give what is to be applied a number that is higher than all",
		newest, strings.Join(names, ", "))
}

// ready lets the administrator act for the owner, makes the table of versions
// and hears whether goose would go this way.
func (p *Provisioner) ready(ctx context.Context, s *session, pl *plan, c course, at standing) error {
	if !pl.trapped() {
		if err := s.join(ctx, pl.ownsSchema()); err != nil {
			return err
		}
	}
	table, err := database.NewStore(database.DialectPostgres, quote(pl.schema, versionTable))
	if err != nil {
		return err
	}
	s.store.Store = table
	if err := p.become(ctx, s, pl); err != nil {
		return err
	}
	if !at.table {
		err := tell(ctx, "version table")
		if err == nil {
			err = s.makeVersionTable(ctx, pl)
		}
		if err != nil {
			return err
		}
	}
	provider, err := s.provider(c.set)
	if err == nil && !c.down {
		_, err = provider.HasPending(ctx) // it refuses a file older than what was applied
	}
	return err
}

// apply applies or undoes one version, in a session that nothing reaches from
// the file before.
func (p *Provisioner) apply(ctx context.Context, s *session, pl *plan, c course, version int64) error {
	err := p.become(ctx, s, pl)
	if err == nil {
		err = s.turnTo(ctx, c, version)
	}
	if s.IsClosed() {
		return errors.Join(err, ctx.Err())
	}
	if err == nil && !s.idle() {
		err = errors.New("it leaves a transaction open, which is rolled back")
	}
	return errors.Join(err, s.reset(ctx))
}

// turnTo has goose apply or undo one version.
func (s *session) turnTo(ctx context.Context, c course, version int64) error {
	if c.set.file(version) == "" {
		return fmt.Errorf("version %d was applied and has no file any more, so nothing says how to undo it", version)
	}
	provider, err := s.provider(c.set)
	if err != nil {
		return err
	}
	_, err = provider.ApplyVersion(ctx, version, !c.down)
	return err
}

// makeVersionTable makes goose's table before goose does, so that the login
// and the reader never have, for a moment, the rights that they get on new
// tables.
func (s *session) makeVersionTable(ctx context.Context, pl *plan) error {
	readers, err := pl.readers(ctx, s)
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	err = s.store.CreateVersionTable(ctx, tx)
	if err == nil {
		err = s.store.Insert(ctx, tx, database.InsertRequest{Version: 0})
	}
	if err == nil && !pl.trapped() {
		_, err = tx.ExecContext(ctx, "REVOKE ALL ON TABLE "+quote(pl.schema, versionTable)+" FROM PUBLIC, "+quote(pl.login))
	}
	if err == nil && !pl.trapped() {
		_, err = tx.ExecContext(ctx, "REVOKE ALL ON SEQUENCE "+quote(pl.schema, versionTable+"_id_seq")+" FROM PUBLIC, "+quote(pl.login))
	}
	if err == nil && len(readers) > 0 {
		_, err = tx.ExecContext(ctx, "REVOKE ALL ON TABLE "+quote(pl.schema, versionTable)+" FROM "+quoteEach(readers))
	}
	if err == nil && len(readers) > 0 {
		_, err = tx.ExecContext(ctx, "REVOKE ALL ON SEQUENCE "+quote(pl.schema, versionTable+"_id_seq")+" FROM "+quoteEach(readers))
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// failed says whose migration it was, which file, and what the server said.
func (p *Provisioner) failed(ctx context.Context, pl *plan, file string, err error) error {
	failed := &MigrationError{Tenant: pl.tenant.ID, File: file, SQLState: serverSaid(err), Err: err}
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		failed.File, failed.Err = partial.Failed.Source.Path, partial.Err
	}
	if pl.trapped() {
		failed.Err = p.cfg.explainLimit(ctx, failed.Err)
	}
	return failed
}
