package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestATenantLivesFromItsFirstDayToItsLast(t *testing.T) {
	t.Parallel()
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase, registry.IsolationRow} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, nil)
			keeper := p.keeper(t, nil)
			ctx := t.Context()
			r := p.add(t, "life", isolation)
			query := func() error {
				lease, err := keeper.Lease(ctx, r.ID)
				if err != nil {
					return err
				}
				defer lease.Release()
				_, err = lease.Exec(ctx, "select count(*) from items")
				return err
			}
			if err := query(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.operator.Suspend(ctx, "test", r.ID, 0, "unpaid"); err != nil {
				t.Fatal(err)
			}
			if err := query(); !errors.Is(err, registry.ErrInactive) {
				t.Errorf("suspended, its request gets %v", err)
			}
			eventually(t, "its connections to end", func() bool { return len(keeper.Stats()) == 0 })
			if _, err := p.operator.Resume(ctx, "test", r.ID, 0); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it to be served again", func() bool { return query() == nil })

			name := "Life & Sons"
			changed, err := p.operator.Set(ctx, "test", r.ID, 0, lifecycle.Patch{Name: &name})
			if err != nil || changed.Name != name {
				t.Errorf("renamed: %+v, %v", changed, err)
			}
			export := isolation == registry.IsolationRow || p.server.HasDump(ctx)
			op, err := p.operator.Retire(ctx, "test", r.ID, 0, export)
			op = p.done(t, op, err)
			if export != strings.Contains(string(op.Result), `"sha256"`) {
				t.Errorf("the export's result is %s", op.Result)
			}
			if _, err := p.operator.Delete(ctx, "test", r.ID, "life", false); !errors.Is(err, lifecycle.ErrConfirm) {
				t.Errorf("deleted without the id: %v", err)
			}
			op, err = p.operator.Delete(ctx, "test", r.ID, r.ID.String(), false)
			p.done(t, op, err)
			if left := p.leftovers(t, r.ID); len(left) > 0 {
				t.Errorf("the server still has %q", left)
			}
			actions := ""
			events, err := p.operator.Events(ctx, r.ID, 0, 100)
			for _, e := range events {
				actions = strings.TrimPrefix(e.Action, "tenant.") + " " + actions
			}
			if want := "add suspend resume set retire delete "; actions != want || err != nil {
				t.Errorf("the trail says %q, %v; want %q", actions, err, want)
			}
		})
	}
}

func TestOfTwentyThatAddTheSameTenantAtOnceOneWins(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	var won []control.Operation
	var mu sync.Mutex
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			op, err := p.operator.Add(t.Context(), "test", lifecycle.Spec{Tenant: registry.Tenant{ID: p.id("wanted")}})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, op)
			} else if !errors.Is(err, control.ErrExists) || !strings.Contains(err.Error(), "wanted") {
				t.Errorf("a loser gets %v", err)
			}
		})
	}
	clients.Wait()
	if len(won) != 1 {
		t.Fatalf("%d have won", len(won))
	}
	p.done(t, won[0], nil)
	p.works(t, p.record(t, p.id("wanted")))
	if records, err := p.db.Records(t.Context(), control.Filter{}); err != nil || len(records) != 1 {
		t.Errorf("there are %d records, %v", len(records), err)
	}
}

func TestAFailedOnboardingLeavesThePendingTenantWithTheReason(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	p.migration(t, "00002_broken.sql", "-- +goose Up\nCREATE TABLE broken (x nothing_like_it);\n")
	db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	op, err := operator.Add(t.Context(), "test", lifecycle.Spec{Tenant: registry.Tenant{ID: p.id("half")}})
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); op.State != control.Failed || op.Code != "migration_failed" {
		t.Errorf("it ended as %s %s: %s", op.State, op.Code, op.Error)
	}
	r := p.record(t, p.id("half"))
	if r.Status != registry.StatusPending || !strings.Contains(r.Reason, "00002_broken.sql") || !strings.Contains(r.Reason, "42704") {
		t.Errorf("the record is %s because %q", r.Status, r.Reason)
	}
	if _, err := operator.Resume(t.Context(), "test", r.ID, 0); !errors.Is(err, lifecycle.ErrState) {
		t.Errorf("resumed while pending: %v", err)
	}
	op, err = operator.Delete(t.Context(), "test", r.ID, r.ID.String(), true)
	p.done(t, op, err)
	if left := p.leftovers(t, r.ID); len(left) > 0 {
		t.Errorf("the server still has %q", left)
	}
}

func TestASpareIsClaimedBySignup(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.Spares = 2 })
	stop := p.stock(t)
	eventually(t, "two spares", func() bool { return p.spares(t) == 2 })
	begun := time.Now()
	r := p.add(t, "quick", registry.IsolationSchema)
	t.Logf("a signup with a spare took %v", time.Since(begun))
	p.works(t, r)
	eventually(t, "the stock to be full again", func() bool { return p.spares(t) == 2 })
	stop()
	for _, role := range p.leftovers(t, r.ID) {
		if strings.Contains(role, "spare") {
			t.Errorf("%s has kept its name", role)
		}
	}
	op, err := p.operator.Retire(t.Context(), "test", r.ID, 0, false)
	p.done(t, op, err)
	op, err = p.operator.Delete(t.Context(), "test", r.ID, r.ID.String(), false)
	p.done(t, op, err)
	if left := p.leftovers(t, r.ID); len(left) > 0 {
		t.Errorf("the server still has %q", left)
	}
}

func (p *plane) spares(t testing.TB) int {
	t.Helper()
	spares, err := p.db.Spares(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ready := 0
	for _, s := range spares {
		if s.Ready {
			ready++
		}
	}
	return ready
}

func TestAPasswordThatATenantChangedIsSetBack(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	keeper := p.keeper(t, nil)
	r := p.add(t, "changed", registry.IsolationSchema)
	c, err := p.connect(t, r)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t.Context(), t, c, "ALTER ROLE CURRENT_USER PASSWORD 'mine now'")
	_ = c.Close(t.Context())
	lease, err := keeper.Lease(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer lease.Release()
	if _, err := lease.Exec(t.Context(), "select * from items"); err != nil {
		t.Errorf("after the tenant has changed its password: %v\n%s", err, p.log)
	}
	p.works(t, r)
}

func TestATenantIsPlacedOnTheClusterWithTheMostRoom(t *testing.T) {
	t.Parallel()
	other := pgtest.StartWith(t, nil)
	database := other.Database(t)
	p := newPlane(t, func(s *planeSetup) {
		s.SecondDSN, s.SecondAdmin = other.DSN(database, "app", password), other.AdminDSN(database)
		s.Budgets = [2]int{10, 30}
	})
	placed := map[string]int{}
	for i := range 8 {
		r := p.add(t, fmt.Sprintf("placed%d", i), registry.IsolationSchema)
		placed[r.Cluster]++
	}
	if placed["main"] != 2 || placed["second"] != 6 {
		t.Errorf("budgets of 10 and 30 have got %v tenants", placed)
	}
}
