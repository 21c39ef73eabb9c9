package figures

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func (b *Bench) signup(ctx context.Context) (*report.Figure, error) {
	f := &report.Figure{
		Number: 10, Title: "Signup and rotation",
		Workload: fmt.Sprintf("%d tenants are added one by one, with a spare tenant ready and without, in turns, on a server that has nothing else to do. The time is from the call "+
			"to the end of the operation: record, login with a password, place, five migrations, a connection as the tenant, and every replica's word that it knows; there "+
			"is one replica. Nobody makes new spares meanwhile. Then each tenant's password is rotated: the new one in the record, on the server, and proved by a connection.", b.Scale.Signups),
	}
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase} {
		b.logf("figure 10: %s", isolation)
		s := &signups{name: string(isolation), plan: string(isolation), many: b.Scale.Signups}
		if err := b.signupsOf(ctx, s); err != nil {
			return f, fmt.Errorf("isolation %s: %w", isolation, err)
		}
		s.addRows(f)
	}
	return f, nil
}

// signups are those of one isolation, and what they took.
type signups struct {
	name, plan string
	many       int

	with, without, rotations []float64 // milliseconds
	stock                    time.Duration
}

func (b *Bench) signupsOf(ctx context.Context, s *signups) (err error) {
	p, err := b.openPlane(ctx, "signup", map[string]registry.Plan{s.plan: {Isolation: registry.Isolation(s.name)}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err := (&fleet{plane: p}).release(ctx); err != nil {
		return err
	}
	stocked, err := p.operator(func(c *onboard.Config) { c.Spares, c.SparePlan = s.many, s.plan })
	if err != nil {
		return err
	}
	plain, err := p.operator(nil)
	if err != nil {
		return err
	}
	if err := s.fillStock(ctx, p, stocked); err != nil {
		return err
	}
	return s.measure(ctx, p, stocked, plain)
}

// fillStock makes the spares and then nobody makes more.
func (s *signups) fillStock(ctx context.Context, p *plane, o *lifecycle.Operator) error {
	began := time.Now()
	stocking, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o.Stock(stocking)
	}()
	err := awaitSpares(ctx, p.db, s.many)
	s.stock = time.Since(began)
	stop()
	<-ended
	return err
}

func awaitSpares(ctx context.Context, db *control.Database, many int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		spares, err := db.Spares(ctx)
		if err != nil {
			return err
		}
		if len(spares) == many && !slices.ContainsFunc(spares, func(s control.Spare) bool { return !s.Ready }) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// measure has both ways take turns, and then rotates.
func (s *signups) measure(ctx context.Context, p *plane, stocked, plain *lifecycle.Operator) error {
	for i := range s.many {
		for _, way := range []struct {
			operator *lifecycle.Operator
			id       string
			took     *[]float64
		}{{stocked, fmt.Sprintf("signup-w%03d", i), &s.with}, {plain, fmt.Sprintf("signup-p%03d", i), &s.without}} {
			id := registry.MustParseID(way.id)
			took, err := finished(ctx, way.operator, func() (control.Operation, error) {
				return way.operator.Add(ctx, actor, lifecycle.Spec{Tenant: registry.Tenant{ID: id, Plan: s.plan}})
			})
			if err != nil {
				return err
			}
			*way.took = append(*way.took, measure.Milliseconds(took))
		}
	}
	if left, err := p.db.Spares(ctx); err != nil || len(left) > 0 {
		return errors.Join(err, fmt.Errorf("%d spares are left, so not every signup got one", len(left)))
	}
	for i := range s.many {
		took, err := finished(ctx, plain, func() (control.Operation, error) {
			return plain.Rotate(ctx, actor, registry.MustParseID(fmt.Sprintf("signup-w%03d", i)))
		})
		if err != nil {
			return err
		}
		s.rotations = append(s.rotations, measure.Milliseconds(took))
	}
	return nil
}

func (s *signups) addRows(f *report.Figure) {
	var r rounds
	for i, with := range s.with {
		r.add(with, s.without[i])
	}
	row := r.row(s.name+": signup with a spare, p50", "ms", "without a spare")
	row.Short, row.Aim = s.name+", spare", report.AtMost(100)
	row.More = map[string]float64{"making a spare ahead, ms": measure.Milliseconds(s.stock) / float64(s.many)}
	f.Add(row)
	slowest := measure.Percentile(s.with, 100)
	f.Add(&report.Row{
		Name: s.name + ": signup with a spare, slowest", Unit: "ms", Value: slowest, Aim: report.AtMost(100),
		Baseline: "without a spare", BaselineValue: measure.Percentile(s.without, 100), Ratio: slowest / measure.Percentile(s.without, 100),
	})
	f.Add(&report.Row{
		Name: s.name + ": rotation of the password, p50", Unit: "ms", Value: measure.Median(s.rotations), Rounds: len(s.rotations),
		More: map[string]float64{"slowest ms": measure.Percentile(s.rotations, 100)},
	})
}
