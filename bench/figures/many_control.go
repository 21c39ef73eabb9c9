package figures

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/bench/measure"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// startControl measures the start from the control database, and what a
// record takes in memory then.
func (b *Bench) startControl(ctx context.Context, f *report.Figure) (err error) {
	p, err := b.World.Plane(ctx, "crowd")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Drop(context.WithoutCancel(ctx))) }()
	if err := fill(ctx, p, b.Scale.Records); err != nil {
		return fmt.Errorf("filling the control database: %w", err)
	}
	var seconds []float64
	var each footprint
	for range b.Scale.Rounds {
		before := footprintNow()
		db, took, err := b.startOnce(ctx, p)
		if err != nil {
			return err
		}
		each = footprintNow().per(before, b.Scale.Records)
		seconds = append(seconds, took.Seconds())
		db.Close()
	}
	f.Add(&report.Row{
		Name: "start from PostgreSQL: connect, read, unseal", Short: "start from PostgreSQL", Unit: "s",
		Value: measure.Median(seconds), Rounds: len(seconds), Aim: report.AtMost(2),
		More: map[string]float64{"slowest s": measure.Percentile(seconds, 100)},
	})
	f.Add(&report.Row{Name: "memory of a record with login, password, plan and labels", Unit: "bytes", Value: each.Bytes, Aim: report.AtMost(1000)})
	return nil
}

// startOnce starts as a new process would, but for the process itself.
func (b *Bench) startOnce(ctx context.Context, p *world.Plane) (*control.Database, time.Duration, error) {
	began := time.Now()
	db, err := p.Start(ctx, map[string]registry.Plan{"gold": {Limits: registry.Limits{MaxConns: 20}}})
	if err != nil {
		return nil, 0, err
	}
	took := time.Since(began)
	if n := db.Count()[registry.StatusActive]; n != b.Scale.Records {
		db.Close()
		return nil, 0, fmt.Errorf("the control database's source knows %d tenants, not %d", n, b.Scale.Records)
	}
	return db, took, nil
}

// fill writes records past the operator, who would make each real: a login and
// a sealed password of its own, a plan, two labels.
func fill(ctx context.Context, p *world.Plane, many int) error {
	empty, err := p.Start(ctx, nil) // makes the tables
	if err != nil {
		return err
	}
	empty.Close()
	keys, err := seal.Parse(p.Keyset)
	if err != nil {
		return err
	}
	conn, err := p.Control(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "ALTER TABLE poolkeeper.tenants DISABLE TRIGGER tenants_apart"); err != nil {
		return err // it looks for names that are taken, row by row
	}
	i := -1
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"poolkeeper", "tenants"},
		[]string{"id", "name", "state", "plan", "cluster", "isolation", "schema_name", "login", "password", "labels"},
		pgx.CopyFromFunc(func() ([]any, error) {
			if i++; i >= many {
				return nil, nil
			}
			return stored(keys, i)
		}))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER TABLE poolkeeper.tenants ENABLE TRIGGER tenants_apart; ANALYZE poolkeeper.tenants")
	return err
}

func stored(keys *seal.Keyset, i int) ([]any, error) {
	id := registry.MustParseID(fmt.Sprintf("crowd-%06d", i))
	password, err := keys.Seal(id, "password", registry.NewSecret("0123456789abcdef"+id.String()))
	schema := registry.DerivedName(id, "")
	return []any{
		id.String(), fmt.Sprintf("Customer %d", i), "active", "gold", world.Cluster, "schema", schema, registry.DerivedName(id, "_login"), password,
		map[string]string{"region": "eu-1", "tier": fmt.Sprint(i % 4)},
	}, err
}
