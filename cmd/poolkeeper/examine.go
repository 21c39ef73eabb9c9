package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/onboard/doctor"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// doctorOf checks the configuration against the servers. p is nil without a
// control database: then the tenants are the file's. dial is how connections
// are opened; nil is the driver's way.
func doctorOf(cfg *config.Config, p *plane, dial func(cluster string) pgconn.DialFunc) func(context.Context) (adminwire.DoctorReport, error) {
	setup := doctor.Setup{
		Clusters: cfg.Clusters, MaxConns: cfg.Pools.MaxConns, GuaranteedConns: cfg.Pools.GuaranteedConns,
		SearchPathTail: cfg.Pools.SearchPathTail, Handoff: cfg.Pools.Handoff, Dial: dial,
		Records: fileRecords(cfg.Tenants),
	}
	if p != nil {
		setup.Records, setup.Spares, setup.Migrations = p.db, p.db.Spares, p.provisioner
	}
	return func(ctx context.Context) (adminwire.DoctorReport, error) {
		report, err := doctor.Run(ctx, setup)
		wire := adminwire.DoctorReport{Findings: []adminwire.Finding{}, Checked: report.Checked}
		for _, f := range report.Findings {
			wire.Findings = append(wire.Findings, adminwire.Finding{
				Check: f.Check, Severity: string(f.Severity), Subject: f.Subject, Message: f.Message, Remedy: f.Remedy,
			})
		}
		return wire, err
	}
}

// fileRecords are the tenants of a file, for whoever wants records.
type fileRecords []*registry.Tenant

// Records is doctor.Records'. The file's tenants come as one page.
func (f fileRecords) Records(_ context.Context, filter control.Filter) ([]*control.Record, error) {
	if !filter.After.IsZero() {
		return nil, nil
	}
	records := make([]*control.Record, len(f))
	for i, t := range f {
		records[i] = &control.Record{Tenant: *t, State: t.Status, Declared: t.Status}
	}
	return records, nil
}
