package onboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Provisioner makes tenants real. It holds no connections between calls and
// may be used from many goroutines.
type Provisioner struct {
	cfg      Config
	clusters map[string]registry.Cluster
	log      *slog.Logger
	tenants  *migrations // for schemas and databases; nil for none
	shared   *migrations // for the shared schema of row isolation; nil for none

	way way

	// places keeps two calls from working on one schema at a time, clusters
	// apart from what all tenants of one share: the privileges of a database
	// or of a shared role are one row in the catalogue, and PostgreSQL
	// refuses the second of two changes at the same time. Order: a place
	// first, then its cluster.
	places, shares keyedMutex
}

// New returns a Provisioner. It reads and checks the folders of migrations.
// Errors: those of Validate, and ErrMigrations.
func New(cfg Config, clusters map[string]registry.Cluster, log *slog.Logger) (*Provisioner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.RowSetting = cmp.Or(cfg.RowSetting, defaultRowSetting)
	tenants, err := loadMigrations("onboard: migrations", cfg.Migrations)
	if err != nil {
		return nil, err
	}
	shared, err := loadMigrations("onboard: shared", cfg.Shared)
	if err != nil {
		return nil, err
	}
	p := &Provisioner{cfg: cfg, clusters: maps.Clone(clusters), log: log, tenants: tenants, shared: shared}
	p.way.patience = min(patience, cfg.Timeout/2) // the rest is for saying so
	return p, nil
}

// Provision makes the tenant's role, schema or database, privileges and
// tables, as its isolation wants them, and tries a connection as the tenant.
// Running it again changes nothing. The errors of this package say what is
// wrong with the record or its surroundings; others come from the server.
func (p *Provisioner) Provision(ctx context.Context, t *registry.Tenant) error {
	return p.bounded(ctx, t, func(ctx context.Context) error { return p.provision(ctx, t) })
}

// bounded gives the work for one tenant its time, and names it in an error.
func (p *Provisioner) bounded(ctx context.Context, t *registry.Tenant, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	if err := do(ctx); err != nil {
		return fmt.Errorf("onboard: tenant %s: %w", t.ID, brief(err))
	}
	return nil
}

func (p *Provisioner) provision(ctx context.Context, t *registry.Tenant) error {
	pl, err := p.plan(t)
	if err != nil {
		return err
	}
	if !pl.foreign {
		return p.at(ctx, pl, pl.adminDatabase, func(home *admin) error { return p.make(ctx, home, pl) })
	}
	done, err := p.way.turn(ctx, t.Cluster)
	if err != nil {
		return err
	}
	defer done()
	return p.tryTenant(ctx, pl)
}

// make makes everything that the plan says.
func (p *Provisioner) make(ctx context.Context, home *admin, pl *plan) error {
	if pl.tenant.Isolation != registry.IsolationDatabase {
		if err := needDatabase(ctx, home, pl); err != nil {
			return err
		}
	}
	if err := p.roles(ctx, home, pl); err != nil {
		return err
	}
	return p.place(ctx, home, pl)
}

// at has do work on the place of the plan: in its turn, alone, and with the
// administrator in a database, who afterwards is a member of no role that it was not.
func (p *Provisioner) at(ctx context.Context, pl *plan, database string, do func(home *admin) error) error {
	done, err := p.way.turn(ctx, pl.tenant.Cluster)
	if err != nil {
		return err
	}
	defer done()
	unlock, err := p.places.lock(ctx, pl.key())
	if err != nil {
		return err
	}
	defer unlock()
	home, err := openAdmin(ctx, pl, database)
	if err != nil {
		return err
	}
	defer home.close(ctx)
	if err = p.alone(ctx, home, pl); err == nil {
		err = do(home)
	}
	return errors.Join(err, home.leaveRoles(ctx))
}

// alone waits until no other process works on the same place. It needs a
// function that an administrator without superuser's rights may have lost;
// then only the calls of one Provisioner wait for each other. The lock goes
// with the connection.
func (p *Provisioner) alone(ctx context.Context, home *admin, pl *plan) error {
	return home.tryUntilAlone(ctx, pl)
}

// place makes what lies inside the database; the roles are there.
func (p *Provisioner) place(ctx context.Context, home *admin, pl *plan) error {
	if pl.tenant.Isolation == registry.IsolationDatabase {
		if err := p.database(ctx, home, pl); err != nil {
			return err
		}
	}
	inside, err := openAdmin(ctx, pl, pl.database)
	if err != nil {
		return err
	}
	defer inside.close(ctx)
	err = steps(ctx, inside, pl, []work{
		{"privileges of the database", p.harden},
		{"right to connect", p.letIn},
		{"schema", p.schema},
		{"privileges of the schema", closeSchema},
		{"password of the login", p.password},
		{"tables", p.migrate},
		{"privileges of the login", p.grant},
		{"connection as the tenant", p.tryLogin},
	})
	if err != nil || pl.tenant.ReadLogin == "" {
		return err
	}
	return p.letRead(ctx, inside, pl)
}

// work is a step: a name and what it does.
type work struct {
	name string
	do   func(context.Context, *admin, *plan) error
}

// steps tells and does one after the other.
func steps(ctx context.Context, a *admin, pl *plan, all []work) error {
	for _, w := range all {
		err := tell(ctx, w.name)
		if err == nil {
			err = w.do(ctx, a, pl)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, privilege(err, a.name))
		}
	}
	return nil
}

// privilege says who lacks the privilege when the server refused for the lack
// of one.
func privilege(err error, admin string) error {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "42501" && !errors.Is(err, ErrPrivilege) {
		return fmt.Errorf("%w (the administrator is %s): %w", ErrPrivilege, admin, err)
	}
	return err
}
