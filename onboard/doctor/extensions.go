package doctor

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry/control"
)

// extensions finds those that keep something of a tenant's in the server's
// process, which no reset of a session clears, where connections go from tenant
// to tenant.
func (c *patient) extensions(ctx context.Context, tx pgx.Tx, database string) error {
	shared := slices.ContainsFunc(c.tenants, func(t *control.Record) bool {
		return c.databaseOf(&t.Tenant) == database && c.loginOf(&t.Tenant) == c.dsn.User
	})
	if !c.Handoff || !shared {
		return nil
	}
	found, err := texts(ctx, tx, `select extname::text from pg_extension
		where extname in ('dblink', 'postgres_fdw', 'plperl', 'plperlu', 'pltcl', 'pltclu', 'plpython3u') order by 1`)
	if err != nil || len(found) == 0 {
		return err
	}
	c.foundIn(c.inside(database), checkExtensions, Info,
		fmt.Sprintf("has %s, which keep connections or variables in the server's process: they survive when a connection goes from one tenant to another", some(found)),
		"see that no function keeps a tenant's data there, drop the extensions, or set pools.handoff: false")
	return nil
}
