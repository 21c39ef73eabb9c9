package integration_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

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
