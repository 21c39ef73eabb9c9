package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
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

// declared is a file with tenants, in the test's own names.
func (p *plane) declared(t testing.TB, n int, edit func(i int) string) []registry.Document {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("plans:\n  small: {cluster: main, isolation: schema, limits: {max_conns: 2}}\ntenants:\n")
	for i := range n {
		fmt.Fprintf(&b, "  %s-f%04d: {plan: small%s}\n", p.prefix, i, edit(i))
	}
	path := filepath.Join(t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return []registry.Document{{Path: path, Data: b.Bytes()}}
}

func plain(int) string { return "" }

func TestAFileIsAppliedWithAPlanAndNeverDropsData(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	ctx := t.Context()
	docs := p.declared(t, 6, plain)
	plan, err := p.operator.PlanApply(ctx, docs)
	if err != nil || len(plan.Changes) != 6 || plan.Changes[0].Action != "add" {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	if records, err := p.db.Records(ctx, control.Filter{}); err != nil || len(records) != 0 {
		t.Errorf("a plan alone has made %d records, %v", len(records), err)
	}
	op, err := p.operator.Apply(ctx, "test", docs)
	p.done(t, op, err)
	p.works(t, p.record(t, p.id("f0003")))
	plan, err = p.operator.PlanApply(ctx, docs)
	if err != nil || len(plan.Changes) != 0 || plan.Same != 6 {
		t.Errorf("applied, the plan is %+v, %v", plan, err)
	}

	fewer := p.declared(t, 5, func(i int) string {
		return map[int]string{1: ", limits: {max_conns: 7}", 2: ", schema: elsewhere", 3: ", status: suspended"}[i]
	})
	op, err = p.operator.Apply(ctx, "test", fewer)
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); op.Code != "partly_failed" || len(op.Failures) != 1 || op.Failures[0].Tenant != p.id("f0002") {
		t.Errorf("it ended as %s %s with %+v", op.State, op.Code, op.Failures)
	}
	for name, want := range map[string]registry.Status{
		"f0001": registry.StatusActive, "f0002": registry.StatusActive, "f0003": registry.StatusSuspended, "f0005": registry.StatusSuspended,
	} {
		r := p.record(t, p.id(name))
		if r.Status != want {
			t.Errorf("%s is %s, want %s", r.ID, r.Status, want)
		}
		p.works(t, r) // its data is there, whatever its status
	}
	if r := p.record(t, p.id("f0001")); r.Limits.MaxConns != 7 {
		t.Errorf("the limit is %d", r.Limits.MaxConns)
	}
	if _, err := p.operator.Set(ctx, "test", p.id("f0001"), 0, lifecycle.Patch{Plan: new(string)}); !errors.Is(err, lifecycle.ErrDeclared) {
		t.Errorf("a declared tenant is changed by hand: %v", err)
	}
	op, err = p.operator.Apply(ctx, "test", docs)
	p.done(t, op, err)
	for _, name := range []string{"f0003", "f0005"} {
		if r := p.record(t, p.id(name)); r.Status != registry.StatusActive {
			t.Errorf("back in the file, %s is %s: %s", r.ID, r.Status, r.Reason)
		}
	}
}

func TestAnOperatorsSuspensionOutlastsTheFile(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	docs := p.declared(t, 1, plain)
	op, err := p.operator.Apply(t.Context(), "test", docs)
	p.done(t, op, err)
	if _, err := p.operator.Suspend(t.Context(), "test", p.id("f0000"), 0, "unpaid"); err != nil {
		t.Fatal(err)
	}
	op, err = p.operator.Apply(t.Context(), "test", docs)
	p.done(t, op, err)
	if r := p.record(t, p.id("f0000")); r.Status != registry.StatusSuspended || r.Reason != "unpaid" {
		t.Errorf("the file has made it %s (%s)", r.Status, r.Reason)
	}
}

func TestAFileWithThreeWrongTenantsIsRefusedWholeAndNamesThem(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	docs := p.declared(t, 1000, func(i int) string {
		return map[int]string{17: ", isolation: rows", 500: ", cluster: nowhere", 999: ", limits: {max_conns: -1}"}[i]
	})
	_, err := p.operator.Apply(t.Context(), "test", docs)
	problems, ok := errors.AsType[registry.Problems](err)
	if !ok || len(problems) != 3 {
		t.Fatalf("the error is %v", err)
	}
	for _, name := range []string{"f0017", "f0500", "f0999"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %v", name, err)
		}
	}
	if records, err := p.db.Records(t.Context(), control.Filter{}); err != nil || len(records) != 0 {
		t.Errorf("it has made %d records, %v", len(records), err)
	}
}

func TestAThousandTenantsOfAFileAreOnboardedWhileOthersAreServed(t *testing.T) {
	t.Parallel()
	n := 60
	if text := os.Getenv("POOLKEEPER_TENANTS"); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatal(err)
		}
	}
	p := newPlane(t, nil)
	keeper := p.keeper(t, nil)
	served := p.add(t, "served", registry.IsolationSchema)
	p.provisioner.Through(keeper.Dialer, 4)
	op, err := p.operator.Apply(t.Context(), "test", p.declared(t, n, plain))
	if err != nil {
		t.Fatal(err)
	}
	begun, requests := time.Now(), 0
	var worst time.Duration
	for running := true; running; requests++ {
		asked := time.Now()
		lease, err := keeper.Lease(t.Context(), served.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lease.Exec(t.Context(), "select count(*) from items"); err != nil {
			t.Error(err)
		}
		lease.Release()
		worst = max(worst, time.Since(asked))
		now, err := p.operator.Operation(t.Context(), op.ID)
		if err != nil {
			t.Fatal(err)
		}
		running = now.State == control.Running
	}
	op = p.done(t, op, nil)
	t.Logf("%d tenants in %v, %d requests of another meanwhile, the slowest %v", op.Done, time.Since(begun), requests, worst)
	if op.Done != n || len(op.Failures) > 0 {
		t.Errorf("%d of %d were done, %d failed", op.Done, n, len(op.Failures))
	}
	p.works(t, p.record(t, p.id(fmt.Sprintf("f%04d", n-1))))
}

func TestMigrationsAreReportedResumedAndUndone(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	ctx := t.Context()
	for i := range 5 {
		p.add(t, fmt.Sprintf("m%d", i), registry.IsolationSchema)
	}
	op, err := p.operator.Migrate(ctx, "test", lifecycle.MigrateRequest{})
	if op = p.done(t, op, err); op.Total != 0 {
		t.Errorf("with nothing to do there are %d to do", op.Total)
	}
	p.migration(t, "00002_unique.sql", "-- +goose Up\nCREATE UNIQUE INDEX items_owner ON items (owner);\n-- +goose Down\nDROP INDEX items_owner;\n")
	db, _, operator := p.setup.open(ctx, t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	p.operator = operator
	lease := p.record(t, p.id("m3"))
	c, err := p.connect(t, lease)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(ctx, t, c, "insert into items (id) values (2)")
	defer c.Close(ctx)

	plan, err := operator.PlanMigrations(ctx, lifecycle.MigrateRequest{})
	if err != nil || len(plan) != 5 || len(plan[0].Files) != 1 || plan[0].Files[0] != "00002_unique.sql" {
		t.Fatalf("the plan is %+v, %v", plan, err)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Canary: []registry.ID{p.id("m3")}})
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); op.State != control.Failed || op.Done != 1 || !strings.Contains(string(op.Result), `"skipped":4`) {
		t.Errorf("with a canary that fails: %s, %d done, %s", op.State, op.Done, op.Result)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); len(op.Failures) != 1 || op.Done != 5 {
		t.Errorf("%d done, failures %+v", op.Done, op.Failures)
	}
	run := op.ID
	status, err := operator.MigrationStatus(ctx, true)
	if err != nil || status.Behind != 1 || status.Failed != 1 || len(status.Drift) != 0 {
		t.Errorf("the status is %+v, %v", status, err)
	}
	p.exec(ctx, t, c, "delete from items where id = 2")
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{OnlyFailed: true})
	if op = p.done(t, op, err); op.Done != 1 {
		t.Errorf("%d were resumed", op.Done)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Down: true, Run: run})
	if op = p.done(t, op, err); op.Done != 4 {
		t.Errorf("%d were undone", op.Done)
	}
	if r := p.record(t, p.id("m1")); r.Migrated != 1 {
		t.Errorf("undone, m1 is at %d", r.Migrated)
	}
	if r := p.record(t, p.id("m3")); r.Migrated != 2 {
		t.Errorf("of another run, m3 is at %d", r.Migrated)
	}
	op, err = operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Down: true, Run: run})
	if op = p.done(t, op, err); op.Total != 0 {
		t.Errorf("undone once more, there are %d to do", op.Total)
	}
	if _, err := operator.Migrate(ctx, "test", lifecycle.MigrateRequest{Tenants: []registry.ID{registry.MustParseID("nobody")}}); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("for nobody: %v", err)
	}
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

func TestATenantThatIsBehindIsMigratedAtItsFirstLease(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "lazy", registry.IsolationSchema)
	p.migration(t, "00002_more.sql", "-- +goose Up\nALTER TABLE items ADD COLUMN more text;\n")
	db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	keeper := p.keeper(t, func(c *pools.Config) { c.Prepare = operator.Prepare })
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			lease, err := keeper.Lease(t.Context(), r.ID)
			if err != nil {
				t.Error(err)
				return
			}
			defer lease.Release()
			if _, err := lease.Exec(t.Context(), "select more from items"); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	if now := p.record(t, r.ID); now.Migrated != 2 {
		t.Errorf("it is at %d", now.Migrated)
	}
}

func TestACloneHasTheRowsAndNothingElseInCommon(t *testing.T) {
	t.Parallel()
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, nil)
			from := p.add(t, "from", isolation)
			c, err := p.connect(t, from)
			if err != nil {
				t.Fatal(err)
			}
			p.exec(t.Context(), t, c, "INSERT INTO items (id, owner) VALUES (2, 'copied')")
			_ = c.Close(t.Context())
			for name, data := range map[string]bool{"with": true, "without": false} {
				op, err := p.operator.Clone(t.Context(), "test", from.ID, lifecycle.Spec{Tenant: registry.Tenant{ID: p.id(name)}}, data)
				p.done(t, op, err)
				to := p.record(t, p.id(name))
				c, err := p.connect(t, to)
				if err != nil {
					t.Fatal(err)
				}
				var n int
				if err := c.QueryRow(t.Context(), "select count(*) from items where owner = 'copied'").Scan(&n); err != nil || (n == 1) != data {
					t.Errorf("%s rows there are %d, %v", name, n, err)
				}
				if _, err := c.Exec(t.Context(), "select * from "+from.Schema+".items"); isolation == registry.IsolationSchema && err == nil {
					t.Error("the clone reads the rows of the other")
				}
				_ = c.Close(t.Context())
				if to.Password == from.Password || to.Login == from.Login {
					t.Error("the clone has the other's login or password")
				}
			}
			p.has(t, from, 2)
		})
	}
}

func TestANewTenantIsCopiedFromTheTemplate(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.Template = "template" })
	template := p.add(t, "template", registry.IsolationSchema)
	c, err := p.connect(t, template)
	if err != nil {
		t.Fatal(err)
	}
	p.exec(t.Context(), t, c, "INSERT INTO items (id, owner) VALUES (2, 'example')")
	_ = c.Close(t.Context())
	p.has(t, p.add(t, "fresh", registry.IsolationSchema), 2)
}

func TestWithoutTheTemplateNobodyIsMadeEmpty(t *testing.T) {
	t.Parallel()
	p := newPlane(t, func(s *planeSetup) { s.Template = "missing" })
	op, err := p.operator.Add(t.Context(), "test", lifecycle.Spec{Tenant: registry.Tenant{ID: p.id("empty")}})
	if err != nil {
		t.Fatal(err)
	}
	if op = p.ended(t, op); op.State != control.Failed || !strings.Contains(op.Error, "onboard.template") {
		t.Errorf("it ended as %s: %s", op.State, op.Error)
	}
	if r := p.record(t, p.id("empty")); r.Status != registry.StatusPending {
		t.Errorf("the tenant is %s", r.Status)
	}
	p.has(t, p.add(t, "missing", registry.IsolationSchema), 1)
	op, err = p.operator.Provision(t.Context(), "test", p.id("empty"))
	p.done(t, op, err)
	p.has(t, p.record(t, p.id("empty")), 1)
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

func TestARunThatAnotherStandsOnIsNotUndone(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	p.add(t, "base", registry.IsolationSchema)
	var runs []string
	for _, file := range []string{"00002_one.sql", "00003_two.sql"} {
		p.migration(t, file, "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n")
		db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
		t.Cleanup(db.Close)
		t.Cleanup(operator.Close)
		p.operator = operator
		op, err := operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{})
		runs = append(runs, p.done(t, op, err).ID)
	}
	if _, err := p.operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{Down: true, Run: runs[0]}); !errors.Is(err, lifecycle.ErrState) {
		t.Errorf("undoing the first run under the second: %v", err)
	}
	for _, run := range []string{runs[1], runs[0]} {
		op, err := p.operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{Down: true, Run: run})
		p.done(t, op, err)
	}
	if r := p.record(t, p.id("base")); r.Migrated != 1 {
		t.Errorf("after both were undone it is at %d", r.Migrated)
	}
}
