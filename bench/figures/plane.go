package figures

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// actor is who asks for everything here.
const actor = lifecycle.Actor("bench")

// plane is a world.Plane with the migrations of an application and a process
// that serves from it: operators with its control database.
type plane struct {
	*world.Plane
	db        *control.Database
	plans     map[string]registry.Plan
	dir       string // of the migrations
	operators []*lifecycle.Operator
}

// openPlane makes one without migrations. Close it.
func (b *Bench) openPlane(ctx context.Context, name string, plans map[string]registry.Plan) (p *plane, err error) {
	p = &plane{plans: plans}
	if p.dir, err = os.MkdirTemp("", "poolkeeper-bench-"); err != nil {
		return nil, err
	}
	if p.Plane, err = b.World.Plane(ctx, name); err == nil {
		p.db, err = p.Start(ctx, plans)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

// operator returns one that knows the migrations as they are now.
func (p *plane) operator(edit func(*onboard.Config)) (*lifecycle.Operator, error) {
	cfg := onboard.Defaults()
	cfg.Migrations = p.dir
	if edit != nil {
		edit(&cfg)
	}
	log := slog.New(slog.DiscardHandler)
	provisioner, err := onboard.New(cfg, p.Clusters, log)
	if err != nil {
		return nil, err
	}
	o := lifecycle.New(lifecycle.Deps{Control: p.db, Provisioner: provisioner, Clusters: p.Clusters, Plans: p.plans, Config: cfg, Log: log})
	p.operators = append(p.operators, o)
	return o, nil
}

func (p *plane) close(ctx context.Context) error {
	for _, o := range p.operators {
		o.Close()
	}
	p.db.Close()
	return errors.Join(p.Drop(context.WithoutCancel(ctx)), os.RemoveAll(p.dir))
}

// migration writes a file of the application's.
func (p *plane) migration(name, text string) error {
	return os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600)
}

// timed begins an operation and waits for its end.
func timed(ctx context.Context, o *lifecycle.Operator, begin func() (control.Operation, error)) (op control.Operation, took time.Duration, err error) {
	began := time.Now()
	if op, err = begin(); err != nil {
		return op, 0, err
	}
	err = o.Follow(ctx, op.ID, func(now control.Operation) error { op = now; return nil })
	return op, time.Since(began), err
}

// finished is timed for what has to end well.
func finished(ctx context.Context, o *lifecycle.Operator, begin func() (control.Operation, error)) (time.Duration, error) {
	op, took, err := timed(ctx, o, begin)
	if err == nil && op.State != control.Done {
		err = fmt.Errorf("%s of %s: %s %s", op.Kind, op.Tenant, op.State, op.Error)
	}
	return took, err
}
