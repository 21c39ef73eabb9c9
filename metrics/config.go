package metrics

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Label says which tenants have series of their own.
type Label string

// The labels. Tenants without series of their own are summed in
// tenant="_other".
const (
	// LabelTop gives series to the busiest tenants and to the configured ones.
	LabelTop Label = "top"
	// LabelAll gives series to every tenant that ever had a lease. Scrapes and
	// memory then grow with the number of tenants.
	LabelAll Label = "all"
	// LabelNone gives series to no tenant.
	LabelNone Label = "none"
)

// maxTop bounds Config.Top: every place costs about twenty series.
const maxTop = 1000

// Config of the metrics; the section metrics of the file.
type Config struct {
	// Label says which tenants have series of their own: top, all or none.
	// Default top.
	Label Label
	// Tenants always have series of their own, in addition to the busiest
	// ones. Only with label top. Default none.
	Tenants []string
	// Top is how many of the busiest tenants have series of their own with
	// label top, 0 to 1000. 0 leaves the configured ones. Default 50.
	Top int
	// Window is how often the busiest tenants are chosen anew, by their
	// acquires since the last time; older acquires count half with every
	// window that passes. At least 1s. Default 5m.
	Window time.Duration
}

// Defaults returns the Config that holds where the user says nothing.
func Defaults() Config {
	return Config{Label: LabelTop, Top: 50, Window: 5 * time.Minute}
}

// Validate returns the errors of all bad fields, joined. Each names its field
// as metrics.field and says what would be right.
func (c Config) Validate() error {
	return errors.Join(c.validateLabel(), c.validateTop(), c.validateWindow(), c.validateTenants())
}

func (c Config) validateLabel() error {
	if !slices.Contains([]Label{LabelTop, LabelAll, LabelNone}, c.Label) {
		return fmt.Errorf("metrics.label: %q is none of top, all, none", c.Label)
	}
	return nil
}

func (c Config) validateTop() error {
	if c.Top < 0 || c.Top > maxTop {
		return fmt.Errorf("metrics.top: %d is not between 0 and %d", c.Top, maxTop)
	}
	return nil
}

func (c Config) validateWindow() error {
	if c.Window < time.Second {
		return fmt.Errorf("metrics.window: %v is too short; use 1s or more", c.Window)
	}
	return nil
}

func (c Config) validateTenants() error {
	if len(c.Tenants) > 0 && (c.Label == LabelAll || c.Label == LabelNone) {
		return fmt.Errorf("metrics.tenants: has no meaning with label %s; remove it or use label top", c.Label)
	}
	if len(c.Tenants) > maxTop {
		return fmt.Errorf("metrics.tenants: lists %d tenants; %d is the most", len(c.Tenants), maxTop)
	}
	for i, text := range c.Tenants {
		if _, err := registry.ParseID(text); err != nil {
			return fmt.Errorf("metrics.tenants[%d]: %w", i, err)
		}
		if slices.Index(c.Tenants, text) < i {
			return fmt.Errorf("metrics.tenants[%d]: %q is listed twice", i, text)
		}
	}
	return nil
}
