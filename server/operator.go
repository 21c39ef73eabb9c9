package server

import (
	"context"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Operator does what operators ask for through the admin API.
// *lifecycle.Operator is one; what its methods do and which errors they have
// is said there.
type Operator interface {
	Records
	Lifecycle
	Fleet
	Operations
	Upkeep
}

// Lifecycle is what becomes of one tenant, and of its clients' keys.
type Lifecycle interface {
	Comings
	Goings
	Keys
}

// Records are the tenants as the control database knows them.
type Records interface {
	Record(ctx context.Context, id registry.ID) (*control.Record, error)
	Records(ctx context.Context, f control.Filter) ([]*control.Record, error)
	Set(ctx context.Context, by lifecycle.Actor, id registry.ID, version uint64, p lifecycle.Patch) (*control.Record, error)
	Plans() map[string]registry.Plan
}

// Comings make tenants and what belongs to them.
type Comings interface {
	Add(ctx context.Context, by lifecycle.Actor, s lifecycle.Spec) (control.Operation, error)
	Provision(ctx context.Context, by lifecycle.Actor, id registry.ID) (control.Operation, error)
	Clone(ctx context.Context, by lifecycle.Actor, from registry.ID, to lifecycle.Spec, data bool) (control.Operation, error)
	Rotate(ctx context.Context, by lifecycle.Actor, id registry.ID) (control.Operation, error)
}

// Goings take tenants out of service, for a time or for good.
type Goings interface {
	Suspend(ctx context.Context, by lifecycle.Actor, id registry.ID, version uint64, reason string) (*control.Record, error)
	Resume(ctx context.Context, by lifecycle.Actor, id registry.ID, version uint64) (*control.Record, error)
	Retire(ctx context.Context, by lifecycle.Actor, id registry.ID, version uint64, export bool) (control.Operation, error)
	Delete(ctx context.Context, by lifecycle.Actor, id registry.ID, confirm string, export bool) (control.Operation, error)
	// Forget removes the record of a tenant whose cluster is not configured.
	Forget(ctx context.Context, by lifecycle.Actor, id registry.ID, confirm string) (control.Operation, error)
}

// Fleet is what is done to many tenants at once.
type Fleet interface {
	PlanApply(ctx context.Context, docs []registry.Document) (*lifecycle.ApplyPlan, error)
	Apply(ctx context.Context, by lifecycle.Actor, docs []registry.Document) (control.Operation, error)
	PlanMigrations(ctx context.Context, r lifecycle.MigrateRequest) ([]lifecycle.PlannedMigration, error)
	Migrate(ctx context.Context, by lifecycle.Actor, r lifecycle.MigrateRequest) (control.Operation, error)
	MigrationStatus(ctx context.Context, verify bool) (*lifecycle.MigrationStatus, error)
}

// Operations are what takes longer than a request.
type Operations interface {
	Operation(ctx context.Context, id string) (control.Operation, error)
	Operations(ctx context.Context, tenant registry.ID, state, before string, limit int) ([]control.Operation, error)
	// Follow calls told from one goroutine at a time, and not after it has
	// returned.
	Follow(ctx context.Context, id string, told func(control.Operation) error) error
	Cancel(ctx context.Context, by lifecycle.Actor, id string) (control.Operation, error)
}

// Upkeep is what else an installation needs.
type Upkeep interface {
	Export(ctx context.Context, by lifecycle.Actor, id registry.ID) (control.Operation, error)
	ExportFolder() string
	Events(ctx context.Context, tenant registry.ID, before int64, limit int) ([]control.Event, error)
	Reseal(ctx context.Context, by lifecycle.Actor) (control.Operation, error)
	// Note writes into the audit trail what was done to the running server.
	Note(ctx context.Context, by lifecycle.Actor, action string, id registry.ID, detail any)
}

// Keys are the API keys of tenants, and the login that those need which can
// only read.
type Keys interface {
	// CreateKey returns the key's text, which nothing can show again. It makes
	// the tenant's reader first where the scope needs it.
	CreateKey(ctx context.Context, by lifecycle.Actor, k control.NewKey) (registry.Secret, apikey.Key, error)
	// Keys lists the keys of a tenant, or of all for the zero ID.
	Keys(ctx context.Context, tenant registry.ID, after string, limit int) ([]apikey.Key, error)
	RevokeKey(ctx context.Context, by lifecycle.Actor, tenant registry.ID, id string) (apikey.Key, error)
	// ExpireKey sets when a key ends; the zero time means never.
	ExpireKey(ctx context.Context, by lifecycle.Actor, tenant registry.ID, id string, at time.Time) (apikey.Key, error)
	MakeReader(ctx context.Context, by lifecycle.Actor, tenant registry.ID) error
}
