package onboard

import (
	"context"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// The formats of an export.
const (
	// FormatCustom is pg_dump's custom format, for pg_restore.
	FormatCustom = "custom"
	// FormatTar is a tar file with a CSV file for each table, and
	// manifest.json, which says what is in which.
	FormatTar = "tar"
)

// Reserving has every program that is started for a tenant hold a connection
// of the cluster's budget ((*pools.Keeper).Reserve), because its socket is not
// opened by what Through names. Call it before the first Export.
func (p *Provisioner) Reserving(reserve func(ctx context.Context, cluster string) (release func(), err error)) {
	p.way.reserve = reserve
}

// Export writes the tenant's data and returns the format. All of it is what
// the tenant was at one moment. What was written before an error is worthless.
//
// A schema or a database is written by pg_dump, without owners and privileges,
// so that whoever owns a database can restore it there:
//
//	pg_restore --no-owner --dbname=TARGET FILE
//
// It is read as the role that owns it. A pg_dump older than the server is
// refused before it is started, as is one that cannot be found (ErrExport).
// The rows of a tenant with row isolation are written as the tenant itself:
// what its policies show of the tables that have a column tenant_id. A record
// with a connection string of its own is read with that.
//
// It is bounded by ctx alone.
func (p *Provisioner) Export(ctx context.Context, t *registry.Tenant, w io.Writer) (format string, err error) {
	format, err = p.export(ctx, t, w)
	if err != nil {
		return "", fmt.Errorf("onboard: tenant %s: export: %w", t.ID, brief(err))
	}
	return format, nil
}

func (p *Provisioner) export(ctx context.Context, t *registry.Tenant, w io.Writer) (string, error) {
	pl, err := p.plan(t)
	if err != nil {
		return "", err
	}
	if err := tell(ctx, "export"); err != nil {
		return "", err
	}
	if !pl.foreign && !pl.row() && !pl.trapped() {
		return FormatCustom, p.at(ctx, pl, pl.adminDatabase, func(home *admin) error { return p.exportFor(ctx, home, pl, w) })
	}
	done, err := p.way.turn(ctx, t.Cluster)
	if err != nil {
		return "", err
	}
	defer done()
	if pl.row() && !pl.foreign {
		return FormatTar, p.exportRows(ctx, pl, w)
	}
	return FormatCustom, p.exportAs(ctx, pl, w)
}

// exportAs dumps as the tenant's own login. That is a must where the tenant
// owns its schema: what pg_dump reads there could be a trap by then, and it
// catches only the tenant.
func (p *Provisioner) exportAs(ctx context.Context, pl *plan, w io.Writer) error {
	conn, err := pgx.ConnectConfig(ctx, pl.user)
	if err != nil {
		return fmt.Errorf("connecting as the tenant: %w", err)
	}
	version := conn.PgConn().ParameterStatus("server_version")
	hangUp(ctx, conn)
	from := pl.user.Config
	return p.dump(ctx, &dumping{plan: pl, as: &from, version: version, dsn: p.dsnOf(pl, false)}, w)
}

// exportFor dumps as the administrator who becomes the owner.
func (p *Provisioner) exportFor(ctx context.Context, home *admin, pl *plan, w io.Writer) error {
	if err := home.join(ctx, pl.ownsSchema()); err != nil {
		return err
	}
	from := adminConfig(pl, pl.database).Config
	version := home.PgConn().ParameterStatus("server_version")
	return p.dump(ctx, &dumping{plan: pl, as: &from, role: pl.ownsSchema(), version: version, dsn: p.dsnOf(pl, true)}, w)
}

// dsnOf is the connection string that the tenant's data is reached by, which
// says how TLS is done.
func (p *Provisioner) dsnOf(pl *plan, admin bool) registry.Secret {
	switch cluster := p.clusters[pl.tenant.Cluster]; {
	case pl.foreign:
		return pl.tenant.DSN
	case admin:
		return cluster.Admin
	default:
		return cluster.DSN
	}
}
