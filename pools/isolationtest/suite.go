// Package isolationtest is a test kit for programs that serve tenants with
// package pools: it tells whether two of their tenants, on their own schemas
// and migrations, see anything of one another.
//
//	func TestTenantsAreIsolated(t *testing.T) {
//		isolationtest.Run(t, isolationtest.Setup{
//			Keeper: keeper, A: acme, B: globex, // onboarded as in production
//			Table: "notes", Column: "body",
//		})
//	}
//
// Run it with -race. Each check is a subtest; one that fails says what leaked.
// A program without package testing calls [Check] instead.
//
// What passes here does not prove that SQL of a tenant's own cannot reach the
// other's data: ask [pools.Conn.Walled] for that.
package isolationtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// limit bounds one check.
const limit = 2 * time.Minute

// Run runs each check as a subtest of t.
func Run(t *testing.T, s Setup) {
	t.Helper()
	s, err := s.complete()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks() {
		t.Run(c.name, func(t *testing.T) {
			if err := c.run(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
}

// Check runs every check and returns what is wrong: each error begins with the
// name of its check.
func Check(ctx context.Context, s Setup) error {
	s, err := s.complete()
	if err != nil {
		return err
	}
	var wrong []error
	for _, c := range checks() {
		if err := c.run(ctx, s); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(wrong...)
}

// check is one thing that must hold; do returns what does not.
type check struct {
	name string
	do   func(*trial, context.Context) error
}

// checks are all of them, from the plain to the rough.
func checks() []check {
	return []check{
		{"the same names hold each tenant's own rows", (*trial).overlappingNames},
		{"neither looks names up in the other's schema", (*trial).schemas},
		{"aggregates take in the tenant's own rows alone", (*trial).aggregates},
		{"several transactions on one lease stay the tenant's", (*trial).transactions},
		{"an error leaves nothing behind", (*trial).failures},
		{"a panic in between leaves nothing behind", (*trial).panics},
		{"a query that is cancelled leaves nothing behind", (*trial).cancellation},
		{"a connection that was changed is not lent like that", (*trial).changedSessions},
		{"an eviction during a query mixes nothing up", (*trial).eviction},
		{"many at once see their own rows alone", (*trial).race},
	}
}

func (c check) run(ctx context.Context, s Setup) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	x := &trial{Setup: s, prefix: "isolationtest" + rand.Text()}
	return errors.Join(c.do(x, ctx), x.tidy(ctx))
}

// trial is one run of one check.
type trial struct {
	Setup
	prefix string

	mu      sync.Mutex // guards markers
	markers []string   // that were made, to be deleted
}

// marker returns a text that nobody else writes.
func (x *trial) marker() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	m := fmt.Sprintf("%sx%d", x.prefix, len(x.markers))
	x.markers = append(x.markers, m)
	return m
}

// tidy deletes what the check wrote.
func (x *trial) tidy(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, id := range []registry.ID{x.A, x.B} {
		err := x.on(ctx, id, func(l *pools.Lease) error {
			for _, m := range x.markers {
				if err := x.Delete(ctx, l, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("tenant %s: deleting the suite's rows: %w", id, err)
		}
	}
	return nil
}

// on runs fn on a lease of the tenant's.
func (x *trial) on(ctx context.Context, id registry.ID, fn func(*pools.Lease) error) error {
	l, err := x.Keeper.Lease(ctx, id)
	if err != nil {
		return fmt.Errorf("tenant %s: %w", id, err)
	}
	defer l.Release()
	return fn(l)
}

// write has the tenant write rows.
func (x *trial) write(ctx context.Context, id registry.ID, marker string, rows int) error {
	return x.on(ctx, id, func(l *pools.Lease) error {
		for range rows {
			if err := x.Insert(ctx, l, marker); err != nil {
				return fmt.Errorf("tenant %s: writing a row: %w", id, err)
			}
		}
		return nil
	})
}

// sees checks how many rows with the marker the tenant has; otherwise says
// what it means that there are others.
func (x *trial) sees(ctx context.Context, id registry.ID, marker string, want int, otherwise string) error {
	return x.on(ctx, id, func(l *pools.Lease) error { return x.seesOn(ctx, l, id, marker, want, otherwise) })
}

func (x *trial) seesOn(ctx context.Context, db DB, id registry.ID, marker string, want int, otherwise string) error {
	n, err := x.Count(ctx, db, marker)
	switch {
	case err != nil:
		return fmt.Errorf("tenant %s: counting rows: %w", id, err)
	case n != want:
		return fmt.Errorf("tenant %s has %d rows with the marker %s, not %d: %s", id, n, marker, want, otherwise)
	}
	return nil
}

// apart checks that a row of each tenant's is not the other's.
func (x *trial) apart(ctx context.Context, after string) error {
	for _, pair := range [][2]registry.ID{{x.A, x.B}, {x.B, x.A}} {
		m := x.marker()
		if err := x.write(ctx, pair[0], m, 1); err != nil {
			return fmt.Errorf("%s: %w", after, err)
		}
		if err := errors.Join(
			x.sees(ctx, pair[0], m, 1, "it does not find what it wrote"),
			x.sees(ctx, pair[1], m, 0, fmt.Sprintf("it sees what tenant %s wrote", pair[0])),
		); err != nil {
			return fmt.Errorf("%s: %w", after, err)
		}
	}
	return nil
}
