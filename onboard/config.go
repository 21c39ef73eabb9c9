package onboard

import (
	"fmt"
	"regexp"
	"time"
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
	// RowSetting is the setting that holds the tenant's id under row
	// isolation; it must be the same as pools.row_setting. Default
	// app.tenant_id, which "" means too.
	RowSetting string
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
	if c.RowSetting != "" && (!rowSetting.MatchString(c.RowSetting) || len(c.RowSetting) > maxName) {
		return fmt.Errorf("onboard: row_setting: %q is no name like %s", c.RowSetting, defaultRowSetting)
	}
	return nil
}
