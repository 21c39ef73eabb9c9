package server_test

import (
	"context"
	"errors"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func (o *fakeOperator) PlanApply(_ context.Context, docs []registry.Document) (*lifecycle.ApplyPlan, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.applied = docs
	return &lifecycle.ApplyPlan{Same: 2, Changes: []lifecycle.ApplyChange{{
		Action: "change", Tenant: registry.MustParseID("acme"), Fields: []lifecycle.FieldChange{{Field: "password", Old: "", New: "(changed)"}},
	}}}, o.err
}

func (o *fakeOperator) Apply(ctx context.Context, by lifecycle.Actor, docs []registry.Document) (control.Operation, error) {
	plan, err := o.PlanApply(ctx, docs)
	if err != nil {
		return control.Operation{}, err
	}
	_ = o.note(by, "apply", registry.ID{})
	return o.begin(by, "apply", registry.ID{}, plan), nil
}

func (o *fakeOperator) PlanMigrations(_ context.Context, r lifecycle.MigrateRequest) ([]lifecycle.PlannedMigration, error) {
	o.migrated = r
	return []lifecycle.PlannedMigration{{Tenant: registry.MustParseID("acme"), From: -1, Files: []string{"1_a.sql"}}, {Tenant: registry.MustParseID("hooli")}}, o.err
}

func (o *fakeOperator) Migrate(_ context.Context, by lifecycle.Actor, r lifecycle.MigrateRequest) (control.Operation, error) {
	if err := o.note(by, "migrate", registry.ID{}); err != nil {
		return control.Operation{}, err
	}
	o.migrated = r
	return o.begin(by, "migrate", registry.ID{}, lifecycle.MigrateResult{Migrated: 2, Failed: 1, Changes: map[string]int64{"acme": 2}}), nil
}

func (o *fakeOperator) MigrationStatus(_ context.Context, verify bool) (*lifecycle.MigrationStatus, error) {
	s := &lifecycle.MigrationStatus{Behind: 1, Failed: 1, Sets: []lifecycle.MigrationSet{
		{Set: "tenant", Latest: 4, Versions: []control.VersionCount{{Set: "tenant", Version: 4, Tenants: 2, Failed: 1}}}, {Set: "shared", Latest: 2},
	}}
	if verify {
		s.Drift = []lifecycle.Drift{{Tenant: registry.MustParseID("acme"), Mirror: 4, Actual: 3, Err: errors.New("unreachable")}}
	}
	return s, o.err
}
