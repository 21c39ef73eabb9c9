package isolationtest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// schemas compares where names are looked up: a table that only the other one
// has would be found there, whatever becomes of Setup.Table.
func (x *trial) schemas(ctx context.Context) error {
	type place struct {
		*registry.Tenant
		database string
		path     []string
	}
	places := map[registry.ID]place{}
	for _, id := range []registry.ID{x.A, x.B} {
		at := place{}
		if err := x.on(ctx, id, func(l *pools.Lease) error {
			at.Tenant = l.Tenant()
			return l.QueryRow(ctx, "SELECT current_database(), current_schemas(false)::text[]").Scan(&at.database, &at.path)
		}); err != nil {
			return fmt.Errorf("tenant %s: asking for its search path: %w", id, err)
		}
		places[id] = at
	}
	var wrong []error
	for _, pair := range [][2]registry.ID{{x.A, x.B}, {x.B, x.A}} {
		at, other := places[pair[0]], places[pair[1]]
		if other.Isolation == registry.IsolationSchema && at.Cluster == other.Cluster && at.database == other.database &&
			slices.Contains(at.path, other.Schema) {
			wrong = append(wrong, fmt.Errorf("tenant %s looks names up in %q, which is the schema of tenant %s: take it out of pools.Config.SearchPathTail, or give one of them another",
				pair[0], other.Schema, pair[1]))
		}
	}
	return errors.Join(wrong...)
}

func (x *trial) overlappingNames(ctx context.Context) error {
	m := x.marker()
	if err := x.write(ctx, x.A, m, 1); err != nil {
		return err
	}
	before := x.sees(ctx, x.B, m, 0, fmt.Sprintf("it sees what tenant %s wrote, both work on the same rows", x.A))
	if err := x.write(ctx, x.B, m, 1); err != nil {
		return errors.Join(before, err)
	}
	return errors.Join(before,
		x.sees(ctx, x.A, m, 1, fmt.Sprintf("it sees what tenant %s wrote, both work on the same rows", x.B)),
		x.sees(ctx, x.B, m, 1, "it does not find what it wrote"))
}

func (x *trial) aggregates(ctx context.Context) error {
	m, rows := x.marker(), map[registry.ID]int{x.A: 3, x.B: 5}
	for id, n := range rows {
		if err := x.write(ctx, id, m, n); err != nil {
			return err
		}
	}
	const leak = "its aggregate takes in the other tenant's rows"
	return errors.Join(x.sees(ctx, x.A, m, rows[x.A], leak), x.sees(ctx, x.B, m, rows[x.B], leak))
}

// transactions takes turns: one of A's, one of B's in the middle of it.
func (x *trial) transactions(ctx context.Context) error {
	return x.on(ctx, x.A, func(l *pools.Lease) error {
		for _, keep := range []bool{true, false, true} {
			m := x.marker()
			tx, err := l.Begin(ctx)
			if err != nil {
				return fmt.Errorf("tenant %s: beginning a transaction: %w", x.A, err)
			}
			found := errors.Join(x.Insert(ctx, tx, m), x.apart(ctx, "while a transaction is open"),
				x.seesOn(ctx, tx, x.A, m, 1, "the transaction does not find what it wrote"))
			want, end := 0, tx.Rollback
			if keep {
				want, end = 1, tx.Commit
			}
			if err := errors.Join(found, end(ctx),
				x.sees(ctx, x.A, m, want, "a transaction was kept that was rolled back, or lost that was committed"),
				x.sees(ctx, x.B, m, 0, fmt.Sprintf("it sees a transaction of tenant %s", x.A))); err != nil {
				return err
			}
		}
		return nil
	})
}

// spoiled is a transaction of A's that writes a row and does not end well.
func (x *trial) spoiled(ctx context.Context, spoil func(context.Context, pgx.Tx) error) (marker string, err error) {
	m := x.marker()
	return m, x.on(ctx, x.A, func(l *pools.Lease) error {
		return l.InTx(ctx, pgx.TxOptions{}, func(tx pgx.Tx) error {
			if err := x.Insert(ctx, tx, m); err != nil {
				return err
			}
			return spoil(ctx, tx)
		})
	})
}

// nothingOf checks that a transaction which did not end well left nothing.
func (x *trial) nothingOf(ctx context.Context, marker, what string) error {
	return errors.Join(
		x.sees(ctx, x.A, marker, 0, "a transaction was kept that was ended by "+what),
		x.sees(ctx, x.B, marker, 0, fmt.Sprintf("it sees a transaction of tenant %s", x.A)),
		x.apart(ctx, "after "+what))
}

func (x *trial) failures(ctx context.Context) error {
	for range 3 {
		m, err := x.spoiled(ctx, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT 1/0")
			return err
		})
		if err == nil {
			return errors.New("a statement that cannot work did not fail")
		}
		if err := x.nothingOf(ctx, m, "an error"); err != nil {
			return err
		}
	}
	return nil
}

func (x *trial) panics(ctx context.Context) error {
	for range 3 {
		at := len(x.markers)
		caught(func() {
			_, _ = x.spoiled(ctx, func(context.Context, pgx.Tx) error { panic(errCrash) }) // it does not return
		})
		caught(func() {
			_ = x.on(ctx, x.A, func(l *pools.Lease) error { // nor does this
				rows, err := l.Query(ctx, "SELECT generate_series(1, 100)")
				if err != nil {
					return err
				}
				defer rows.Close()
				if !rows.Next() {
					return rows.Err()
				}
				panic(errCrash)
			})
		})
		if err := x.nothingOf(ctx, x.markers[at], "a panic"); err != nil {
			return err
		}
	}
	return nil
}

var errCrash = errors.New("isolationtest: a panic on purpose")

// caught runs fn, which panics.
func caught(fn func()) {
	defer func() {
		if r := recover(); r != nil && r != any(errCrash) {
			panic(r)
		}
	}()
	fn()
}
