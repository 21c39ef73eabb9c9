package onboard

import (
	"fmt"
	"regexp"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Config says what tenants get besides their place.
type Config struct {
	// Migrations is a folder of goose's .sql files that are applied to every
	// tenant's schema or database. Default "": none.
	Migrations string
	// Shared is a folder of .sql files for the schema that the tenants with
	// row isolation share. Default "": none.
	Shared string
	// AtStart has the server onboard the tenants of its file before it
	// serves; the clusters need their admin for it. Default false.
	AtStart bool
	// Timeout bounds the work for one tenant, migrations included. In a
	// schema that its tenant owns (ddl), where the tenant may have left what
	// sleeps, a single statement gets a tenth of it. Default 5m.
	Timeout time.Duration
	// MaxConns is the most connections of a tenant whose limits do not say,
	// which is pools.max_conns. It is a part of the CONNECTION LIMIT that a
	// login of the tenant's own gets; see [Provisioner.LimitConnections].
	// Default 0: without a number in the tenant's limits there is no limit.
	MaxConns int `yaml:"-"`
	// RowSetting is the setting that holds the tenant's id under row
	// isolation; it must be the same as pools.row_setting. Default
	// app.tenant_id, which "" means too.
	RowSetting string
	// Exports is the folder that exports are written into; it is made when it
	// is missing. Default "": there are no exports.
	Exports string
	// PgDump is the program that exports schemas and databases. Default "":
	// the newest that is found.
	PgDump string
	// Template is the id of a tenant that new ones of the same isolation and
	// cluster are copied from, rows included. Default "": they begin with
	// what the migrations make.
	Template string
	// Spares is how many tenants are made ahead of time, so that a new one
	// only has to claim one. They need the control database. Default 0.
	Spares int
	// SparePlan is the plan that spares are made with. Default "": the one
	// without defaults.
	SparePlan string
	// Lazy has a tenant that is behind migrated before its first connection.
	// It needs the control database. Default false.
	Lazy bool
}

// Defaults returns the configuration of an empty section.
func Defaults() Config {
	return Config{Timeout: 5 * time.Minute, RowSetting: defaultRowSetting}
}

const defaultRowSetting = "app.tenant_id"

// A custom setting of PostgreSQL has two parts or more.
var rowSetting = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)+$`)

// Validate names the field that is wrong and what would be right.
func (c Config) Validate() error {
	if c.Timeout <= 0 {
		return fmt.Errorf("onboard: timeout: %v is not above 0; 5m is the default", c.Timeout)
	}
	if c.MaxConns < 0 {
		return fmt.Errorf("onboard: max_conns: %d is below 0; 0 sets no limit", c.MaxConns)
	}
	if c.RowSetting != "" && (!rowSetting.MatchString(c.RowSetting) || len(c.RowSetting) > maxName) {
		return fmt.Errorf("onboard: row_setting: %q is no name like %s", c.RowSetting, defaultRowSetting)
	}
	return c.validateFleet()
}

// maxSpares bounds what a slip of the finger would fill a server with.
const maxSpares = 1000

func (c Config) validateFleet() error {
	if c.Spares < 0 || c.Spares > maxSpares {
		return fmt.Errorf("onboard: spares: %d is not between 0 and %d", c.Spares, maxSpares)
	}
	if c.Template != "" {
		if _, err := registry.ParseID(c.Template); err != nil {
			return fmt.Errorf("onboard: template: %q is no tenant id", c.Template)
		}
	}
	return nil
}
