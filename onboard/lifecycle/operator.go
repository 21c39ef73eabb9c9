package lifecycle

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Actor is who asks: the name of a token, or of the user at the command line.
type Actor string

// Auditor keeps what was done to whom. *control.Database is one.
type Auditor interface {
	// Audit appends an entry. It must not keep the event's detail.
	Audit(ctx context.Context, e control.Event) error
}

// Deps are what an Operator works with.
type Deps struct {
	// Control is open. Mandatory.
	Control *control.Database
	// Provisioner works on the clusters. Mandatory.
	Provisioner *onboard.Provisioner
	// Clusters are those of the configuration.
	Clusters map[string]registry.Cluster
	// Plans are those of the configuration; SetPlans replaces them.
	Plans map[string]registry.Plan
	// Config is the onboard section.
	Config onboard.Config
	// Audit keeps the trail; nil means Control.
	Audit Auditor
	// Step is told every step of an operation once it is written down and
	// before it begins. May be nil.
	Step func(kind, step string)
	// Observer may be nil.
	Observer Observer
	// Log gets what Audit gets, and what nobody waits for. nil means silence.
	Log *slog.Logger
}

// Operator does what operators ask for. It is safe for concurrent use.
type Operator struct {
	deps  Deps
	db    *control.Database
	log   *slog.Logger
	plans atomic.Pointer[map[string]registry.Plan]
	slots placement

	// lifetime ends when the operator closes: operations outlive requests.
	lifetime context.Context //nolint:containedctx // it is the operator's own, not a caller's
	end      context.CancelFunc
	working  sync.WaitGroup
	poke     chan struct{} // the stock of spares may be short

	// mu guards running and closed. Nothing slow happens under it.
	mu      sync.Mutex
	running map[string]*job
	closed  bool
}

// New returns an Operator; Close it before the control database.
func New(d Deps) *Operator {
	if d.Audit == nil {
		d.Audit = d.Control
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Observer == nil {
		d.Observer = unobserved{}
	}
	// Operations belong to no request.
	ctx, cancel := context.WithCancelCause(context.Background())
	o := &Operator{
		deps: d, db: d.Control, log: d.Log, lifetime: ctx, end: func() { cancel(errStopped) },
		running: map[string]*job{}, poke: make(chan struct{}, 1),
	}
	o.slots.of = d.Provisioner.Slots
	o.SetPlans(d.Plans)
	return o
}

// SetPlans replaces the plans for whoever is added from now on. The control
// database is told apart from this, for the tenants that are there.
func (o *Operator) SetPlans(plans map[string]registry.Plan) {
	plans = maps.Clone(plans)
	o.plans.Store(&plans)
}

// Plans returns the plans that are in force.
func (o *Operator) Plans() map[string]registry.Plan { return maps.Clone(*o.plans.Load()) }

// Close ends what is under way, which is told as interrupted, and waits for
// it.
func (o *Operator) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.end()
	o.working.Wait()
}

// Record returns a tenant as the control database knows it now.
func (o *Operator) Record(ctx context.Context, id registry.ID) (*control.Record, error) {
	return o.db.Record(ctx, id)
}

// Records lists tenants in the order of their ids.
func (o *Operator) Records(ctx context.Context, f control.Filter) ([]*control.Record, error) {
	return o.db.Records(ctx, f)
}

// Events lists the audit trail, the newest first; before is the id to page on.
func (o *Operator) Events(ctx context.Context, tenant registry.ID, before int64, limit int) ([]control.Event, error) {
	return o.db.Events(ctx, tenant, before, limit)
}

// ExportFolder is where exports lie.
func (o *Operator) ExportFolder() string { return o.deps.Config.Exports }

// Note writes down what was done to a running server, such as pool.evict,
// which is none of an Operator's own works. The tenant may be zero. detail
// holds no secret.
func (o *Operator) Note(ctx context.Context, by Actor, action string, id registry.ID, detail any) {
	o.audit(ctx, by, action, id, detail, nil)
}

// audit writes down what was done. The work is done by then: a trail that
// cannot be written is logged, not an error of the work.
func (o *Operator) audit(ctx context.Context, by Actor, action string, id registry.ID, detail any, failed error) {
	e := control.Event{Actor: string(by), Action: action, Tenant: id}
	if failed != nil {
		e.Error = failed.Error()
	}
	if detail != nil {
		e.Detail, _ = json.Marshal(detail) // plain structs of texts
	}
	o.log.InfoContext(ctx, "audit", "actor", e.Actor, "action", action, "tenant", id.String(), "detail", string(e.Detail), "error", e.Error)
	writing, cancel := afterwards(ctx)
	defer cancel()
	if err := o.deps.Audit.Audit(writing, e); err != nil {
		o.log.ErrorContext(ctx, "the audit trail could not be written", "action", action, "tenant", id.String(), "error", err)
	}
}
