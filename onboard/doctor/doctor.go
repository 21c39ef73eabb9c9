package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Setup is what the doctor examines. Only Clusters must be there.
type Setup struct {
	// Clusters are the servers, as configured.
	Clusters map[string]registry.Cluster
	// MaxConns and GuaranteedConns are the defaults of a tenant's limits.
	// Default 4 and 0.
	MaxConns, GuaranteedConns int
	// SearchPathTail are the schemas that follow a tenant's own.
	SearchPathTail []string
	// Handoff says that connections go from one tenant to another.
	Handoff bool
	// Records lists the tenants; nil when they are not known. Then nothing is
	// said of orphans and of migrations.
	Records Records
	// Spares lists the tenants that were provisioned before anybody asked for
	// them; nil for none.
	Spares func(ctx context.Context) ([]control.Spare, error)
	// Migrations knows the newest migration; nil when there are none. A
	// *onboard.Provisioner is one.
	Migrations Migrations
	// Dial is how connections to a cluster are opened; nil is the driver's way.
	Dial func(cluster string) pgconn.DialFunc
	// Timeout bounds each check of a server or of one of its databases.
	// Default 10s.
	Timeout time.Duration
}

// Records lists tenants page by page, in the order of their ids. A
// *control.Database is one.
type Records interface {
	Records(ctx context.Context, f control.Filter) ([]*control.Record, error)
}

// Migrations says what a tenant's data should be migrated to; 0 is nothing.
type Migrations interface {
	Latest(t *registry.Tenant) int64
}

const (
	defaultTimeout  = 10 * time.Second
	defaultMaxConns = 4
	page            = 1000 // records at once
)

// examination is one run.
type examination struct {
	Setup
	report  Report
	records []*control.Record
	known   map[registry.ID]bool // with a record, or spare
}

// Run checks everything that can be checked. What is wrong with a server is in
// the report; the error is the context's, or that of listing the records.
func Run(ctx context.Context, s Setup) (Report, error) {
	s.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	s.MaxConns = cmp.Or(s.MaxConns, defaultMaxConns)
	x := &examination{Setup: s, known: map[registry.ID]bool{}}
	if err := x.list(ctx); err != nil {
		return Report{}, fmt.Errorf("doctor: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Clusters)) {
		x.cluster(ctx, name)
	}
	x.migrations()
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("doctor: %w", err)
	}
	x.report.sort()
	return x.report, nil
}

// list reads who the tenants are.
func (x *examination) list(ctx context.Context) error {
	if x.Records == nil {
		return nil
	}
	filter := control.Filter{Limit: page}
	for {
		records, err := x.Records.Records(ctx, filter)
		if err != nil {
			return fmt.Errorf("listing the records: %w", err)
		}
		x.records = append(x.records, records...)
		if len(records) < page {
			break
		}
		filter.After = records[len(records)-1].ID
	}
	for _, r := range x.records {
		x.known[r.ID] = true
	}
	if x.Spares == nil {
		return nil
	}
	spares, err := x.Spares(ctx)
	if err != nil {
		return fmt.Errorf("listing the spare tenants: %w", err)
	}
	for _, s := range spares {
		x.known[s.ID] = true
	}
	return nil
}

// cluster runs every check of one server.
func (x *examination) cluster(ctx context.Context, name string) {
	c := x.patient(name)
	if !c.reach(ctx) {
		return
	}
	for _, check := range []struct {
		name string
		do   func(context.Context) error
	}{
		{checkBudget, c.budget},
		{checkTLS, c.tls},
		{checkPooler, c.pooler},
		{checkPrivileges, c.privileges},
		{checkOrphan, c.orphans},
		{checkSpares, c.spares},
	} {
		c.run(ctx, check.name, c.subject(), check.do)
	}
	for _, database := range c.homes() {
		c.database(ctx, database)
	}
}

// run does one check within its time. One that fails is a finding too.
func (c *patient) run(ctx context.Context, name, subject string, do func(context.Context) error) {
	if ctx.Err() != nil {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	err := do(bounded)
	if errors.Is(err, errSkip) {
		return
	}
	c.report.checked(name)
	if err != nil && ctx.Err() == nil {
		c.report.add(Finding{
			Check: name, Severity: Warning, Subject: subject,
			Message: "could not be checked: " + err.Error(),
			Remedy:  "mend what the message says and run doctor again",
		})
	}
}
