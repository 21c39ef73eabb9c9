package onboard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// cloneDatabase clones a database. The copy is made under another name, and
// gets its own when nothing is left to be done in it: a database of the
// target's name is therefore whole.
func (c *copying) cloneDatabase(ctx context.Context, data bool) error {
	if !data {
		return c.provision(ctx, c.to.tenant)
	}
	if c.from.schema != c.to.schema {
		return refuse(ErrClone, "the source's tables are in the schema %s and the target's would be in %s; they must be the same", c.from.schema, c.to.schema)
	}
	err := c.together(ctx, c.to.adminDatabase, func(ctx context.Context, home *admin) error {
		done, err := c.finished(ctx, home)
		if err != nil || done {
			return err
		}
		return c.copyDatabase(ctx, home)
	})
	if err != nil {
		return err
	}
	return c.provision(ctx, c.to.tenant)
}

// finished reports whether the target is there, as a copy of this source.
func (c *copying) finished(ctx context.Context, home *admin) (bool, error) {
	var comment string
	const query = "select coalesce(shobj_description(oid, 'pg_database'), '') from pg_database where datname = $1"
	exists, err := one(home.Query(ctx, query, c.to.database))(&comment)
	if err == nil && exists && comment != c.cloned() {
		err = refuse(ErrConflict, "the database %s exists and is not a copy of this source; drop that tenant first, or clone into another", c.to.database)
	}
	return exists, err
}

// draft is the name of the copy until it is finished.
func (c *copying) draft() string {
	sum := sha256.Sum256([]byte(c.to.database))
	return "poolkeeper_clone_" + hex.EncodeToString(sum[:12])
}

func (c *copying) copyDatabase(ctx context.Context, home *admin) error {
	if err := c.roles(ctx, home, c.to); err != nil {
		return err
	}
	roles := []string{c.from.owner, c.to.ownsSchema()}
	if !c.from.shared {
		roles = append(roles, c.from.login)
	}
	readers, err := c.from.readers(ctx, home)
	if err != nil {
		return err
	}
	for _, role := range append(roles, readers...) {
		if err := home.join(ctx, role); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		name string
		do   func(context.Context, *admin) error
	}{
		{"clone: remains of an earlier try", c.dropDraft},
		{"clone: database", c.copyClosed},
		{"clone: owners", c.handOver},
		{"clone: name", c.christen},
	} {
		if err := step(ctx, s.name, func() error { return privilege(s.do(ctx, home), home.name) }); err != nil {
			return err
		}
	}
	return nil
}

// dropDraft removes what a crash has left. Nobody but the administrator was
// ever let in.
func (c *copying) dropDraft(ctx context.Context, home *admin) error {
	var owner string
	const query = "select pg_get_userbyid(datdba)::text from pg_database where datname = $1"
	exists, err := one(home.Query(ctx, query, c.draft()))(&owner)
	if err != nil || !exists {
		return err
	}
	if owner != c.to.owner {
		return refuse(ErrConflict, "the database %s belongs to %s, not to %s", c.draft(), owner, c.to.owner)
	}
	_, err = home.Exec(ctx, "DROP DATABASE "+quote(c.draft())+" WITH (FORCE)")
	return err
}

// copyClosed copies the source while nobody is connected to it. The source is
// opened again whatever happens; after a crash by the next call, or by
// Provision.
func (c *copying) copyClosed(ctx context.Context, home *admin) (err error) {
	source := quote(c.from.database)
	if err := c.isSource(ctx, home); err != nil {
		return err
	}
	c.log.WarnContext(ctx, "onboard: the database is copied; until that is done nobody can connect to it",
		"tenant", c.from.tenant.ID.String(), "database", c.from.database)
	begin := time.Now()
	defer func() {
		reopen, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		opened := again(reopen, func() error {
			return home.exec(reopen, "", "REVOKE CONNECT, TEMPORARY ON DATABASE "+source+" FROM PUBLIC", "ALTER DATABASE "+source+" ALLOW_CONNECTIONS true")
		})
		if opened != nil {
			opened = fmt.Errorf("opening the database %s again, which running this again does: %w", c.from.database, opened)
		}
		c.log.InfoContext(ctx, "onboard: the database can be connected to again", "tenant", c.from.tenant.ID.String(),
			"database", c.from.database, "closed_for", time.Since(begin), "opened", opened == nil)
		err = errors.Join(err, opened)
	}()
	if err := home.exec(ctx, "", "ALTER DATABASE "+source+" ALLOW_CONNECTIONS false"); err != nil {
		return err
	}
	if err := c.disconnect(ctx, home); err != nil {
		return err
	}
	// The copy has the rights of a new database: PUBLIC may connect until it
	// is told otherwise, so it is closed as well.
	_, err = home.Exec(ctx, "CREATE DATABASE "+quote(c.draft())+" TEMPLATE "+source+" OWNER "+quote(c.to.owner)+" ALLOW_CONNECTIONS false")
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "55006" {
		return refuse(ErrClone, "somebody whose sessions the administrator may not end is connected to the database %s: %w", c.from.database, err)
	}
	return err
}

// isSource refuses a database that is not the source tenant's.
func (c *copying) isSource(ctx context.Context, home *admin) error {
	var owner string
	const query = "select pg_get_userbyid(datdba)::text from pg_database where datname = $1"
	exists, err := one(home.Query(ctx, query, c.from.database))(&owner)
	if err == nil && (!exists || owner != c.from.owner) {
		err = refuse(ErrClone, "there is no database %s that belongs to %s; provision the source first", c.from.database, c.from.owner)
	}
	return err
}

// disconnect ends the sessions in the source, as far as the administrator may.
func (c *copying) disconnect(ctx context.Context, home *admin) error {
	const query = `select count(pg_terminate_backend(s.pid, 10000)) from (
		select pg_stat_get_backend_pid(b) as pid, pg_stat_get_backend_userid(b) as role, pg_stat_get_backend_dbid(b) as db
		from pg_stat_get_backend_idset() b offset 0) s
		where s.db = (select oid from pg_database where datname = $1) and s.role <> 0
		and case when $2 then true else pg_has_role(current_user, s.role, 'USAGE')
			and not (select rolsuper from pg_roles where oid = s.role) end`
	_, err := home.Exec(ctx, query, c.from.database, home.super)
	return err
}

// christen gives the finished copy its name.
func (c *copying) christen(ctx context.Context, home *admin) error {
	comment, err := home.literal(ctx, c.cloned())
	if err != nil {
		return err
	}
	return again(ctx, func() error {
		return home.exec(ctx, "", "COMMENT ON DATABASE "+quote(c.draft())+" IS "+comment,
			"ALTER DATABASE "+quote(c.draft())+" RENAME TO "+quote(c.to.database))
	})
}
