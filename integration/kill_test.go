package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// killEnv has the test binary be the process that is killed: it holds a doomed
// as JSON.
const killEnv = "POOLKEEPER_TEST_DOOMED"

// doomed is a process that begins an operation and is killed before its nth
// step.
type doomed struct {
	Setup     planeSetup
	Kind      string // add, rotate, migrate, delete
	Tenant    string
	Isolation registry.Isolation
	Step      int
}

// run is the whole life of the process. It returns when the operation ended
// before the step.
func (d doomed) run() int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // a process of its own
	defer cancel()
	steps := 0
	log := &syncBuffer{}
	db, _, operator := d.Setup.open(ctx, stderr{}, log, func(_, step string) {
		if steps++; steps == d.Step {
			fmt.Fprintln(os.Stdout, step)
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the kernel gets to it
		}
	})
	op, err := d.begin(ctx, operator)
	if err == nil {
		err = operator.Follow(ctx, op.ID, func(now control.Operation) error { op = now; return nil })
	}
	operator.Close()
	db.Close()
	fmt.Fprintln(os.Stderr, log.String())
	if err != nil || op.State != control.Done {
		fmt.Fprintln(os.Stderr, err, op.State, op.Error)
		return 1
	}
	return 0
}

func (d doomed) begin(ctx context.Context, o *lifecycle.Operator) (control.Operation, error) {
	id := registry.MustParseID(d.Tenant)
	switch d.Kind {
	case "add":
		return o.Add(ctx, "doomed", lifecycle.Spec{Tenant: registry.Tenant{ID: id, Isolation: d.Isolation}})
	case "rotate":
		return o.Rotate(ctx, "doomed", id)
	case "migrate":
		return o.Migrate(ctx, "doomed", lifecycle.MigrateRequest{Tenants: []registry.ID{id}})
	case "delete":
		return o.Delete(ctx, "doomed", id, d.Tenant, false)
	}
	return control.Operation{}, errors.New("no such kind")
}

// stderr stands for a test in a process that is none.
type stderr struct{}

func (stderr) Helper() {}
func (stderr) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(2)
}

// dying is for a plane whose locks soon run out, because many of their holders
// are killed. A holder that lives must not seem dead on a loaded machine.
func dying(s *planeSetup) { s.LockTTL = 2 * time.Second }

// doom runs the process and reports at which step it was killed, "" when it
// ended before that many.
func (p *plane) doom(t *testing.T, d doomed) string {
	t.Helper()
	d.Setup = p.setup
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), killEnv+"="+marshal(t, d))
	var out, errs bytes.Buffer
	child.Stdout, child.Stderr = &out, &errs
	err := child.Run()
	_, _ = p.log.Write(errs.Bytes())
	if err == nil {
		return ""
	}
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("%s of %s: %v\n%s", d.Kind, d.Tenant, err, errs.String())
	}
	return strings.TrimSpace(out.String())
}

// everyStep calls try for the first step and those that follow, side by side,
// until try reports that there are no more: for each tenth, or for all with
// POOLKEEPER_STEPS=all.
func everyStep(t *testing.T, least int, try func(t *testing.T, n int) (step string)) {
	t.Helper()
	const atOnce, most = 3, 60
	stride := 10
	if os.Getenv("POOLKEEPER_STEPS") == "all" {
		stride = 1
	}
	for from := 1; from < most; from += atOnce * stride {
		steps := make([]string, atOnce)
		t.Run(fmt.Sprintf("From%d", from), func(t *testing.T) {
			for i := range atOnce {
				n := from + i*stride
				t.Run(fmt.Sprintf("Step%d", n), func(t *testing.T) {
					t.Parallel()
					steps[i] = try(t, n)
				})
			}
		})
		if i := slices.Index(steps, ""); i >= 0 || t.Failed() {
			if last := from + max(i, 0)*stride - 1; last < least {
				t.Errorf("only %d steps were told; %d at least make sense", last, least)
			}
			return
		}
	}
	t.Error("there is no end of steps")
}

// again asks for an operation until the dead process's lock has run out.
func (p *plane) again(t *testing.T, begin func() (control.Operation, error)) control.Operation {
	t.Helper()
	var op control.Operation
	eventually(t, "the operation to go through", func() bool {
		var err error
		if op, err = begin(); err != nil {
			t.Fatal(err)
		}
		op = p.ended(t, op)
		busy := func(f control.Failure) bool { return strings.Contains(f.Error, "is busy") }
		return op.Code != "busy" && !slices.ContainsFunc(op.Failures, busy)
	})
	if op.State != control.Done {
		t.Fatalf("the second try of %s ended as %s: %s %+v", op.Kind, op.State, op.Error, op.Failures)
	}
	return op
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, yes func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestATenantWhoseMakingIsKilledAtAnyStepIsNeverServedHalfDoneAndHeals(t *testing.T) {
	t.Parallel()
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, dying)
			everyStep(t, 8, func(t *testing.T, n int) string {
				id := p.id(fmt.Sprintf("add%d", n))
				step := p.doom(t, doomed{Kind: "add", Tenant: id.String(), Isolation: isolation, Step: n})
				if step == "" {
					p.works(t, p.record(t, id))
					return ""
				}
				if r := p.record(t, id); r.Status != registry.StatusPending {
					t.Errorf("killed at %q, the tenant is %s", step, r.Status)
				}
				p.again(t, func() (control.Operation, error) { return p.operator.Provision(t.Context(), "test", id) })
				healed := p.record(t, id)
				if healed.Status != registry.StatusActive || healed.Migrated != 1 {
					t.Errorf("killed at %q and healed, the tenant is %s at %d", step, healed.Status, healed.Migrated)
				}
				p.works(t, healed)
				return step
			})
			p.noSecretLeaked(t)
		})
	}
}

func TestARotationThatIsKilledAtAnyStepLeavesAPasswordThatWorksAndHeals(t *testing.T) {
	t.Parallel()
	p := newPlane(t, dying)
	keeper := p.keeper(t, nil)
	everyStep(t, 3, func(t *testing.T, n int) string {
		before := p.add(t, fmt.Sprintf("rotate%d", n), registry.IsolationSchema)
		step := p.doom(t, doomed{Kind: "rotate", Tenant: before.ID.String(), Step: n})
		lease, err := keeper.Lease(t.Context(), before.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer lease.Release()
		if _, err := lease.Exec(t.Context(), "select * from items"); err != nil {
			t.Errorf("killed at %q, the tenant's pool cannot connect: %v", step, err)
		}
		if step == "" {
			return ""
		}
		p.again(t, func() (control.Operation, error) { return p.operator.Rotate(t.Context(), "test", before.ID) })
		after := p.record(t, before.ID)
		p.works(t, after)
		if after.Password == before.Password || !after.NextPassword.IsZero() {
			t.Errorf("killed at %q and healed, the password has not changed, or is still changing", step)
		}
		if c, err := p.connect(t, before); err == nil {
			_ = c.Close(t.Context())
			t.Errorf("killed at %q and healed, the old password still works", step)
		}
		return step
	})
	p.noSecretLeaked(t)
}

func TestAMigrationThatIsKilledAtAnyStepHeals(t *testing.T) {
	t.Parallel()
	p := newPlane(t, dying)
	everyTenant := map[int]*control.Record{}
	for n := 1; n <= 12; n++ {
		everyTenant[n] = p.add(t, fmt.Sprintf("migrate%d", n), registry.IsolationSchema)
	}
	p.migration(t, "00002_more.sql", "-- +goose Up\nALTER TABLE items ADD COLUMN more text;\n-- +goose Down\nALTER TABLE items DROP COLUMN more;\n")
	p.migration(t, "00003_index.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX IF NOT EXISTS items_more ON items (more);\n-- +goose Down\nDROP INDEX items_more;\n")
	db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	old := p.operator
	p.operator = operator
	t.Cleanup(func() { p.operator = old })
	everyStep(t, 2, func(t *testing.T, n int) string {
		r := everyTenant[n]
		if r == nil {
			return ""
		}
		step := p.doom(t, doomed{Kind: "migrate", Tenant: r.ID.String(), Step: n})
		if step != "" {
			p.again(t, func() (control.Operation, error) {
				return p.operator.Migrate(t.Context(), "test", lifecycle.MigrateRequest{Tenants: []registry.ID{r.ID}})
			})
		}
		if now := p.record(t, r.ID); now.Migrated != 3 || now.MigrationError != "" {
			t.Errorf("killed at %q and healed, the tenant is at %d: %s", step, now.Migrated, now.MigrationError)
		}
		status, err := p.operator.MigrationStatus(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range status.Drift {
			if d.Tenant == r.ID {
				t.Errorf("killed at %q and healed, the mirror says %d and the tenant %d: %v", step, d.Mirror, d.Actual, d.Err)
			}
		}
		return step
	})
}

func TestADeletionThatIsKilledAtAnyStepIsFinishedByAskingAgain(t *testing.T) {
	t.Parallel()
	for _, isolation := range []registry.Isolation{registry.IsolationSchema, registry.IsolationDatabase} {
		t.Run(string(isolation), func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, dying)
			everyStep(t, 4, func(t *testing.T, n int) string {
				r := p.add(t, fmt.Sprintf("delete%d", n), isolation)
				op, err := p.operator.Retire(t.Context(), "test", r.ID, 0, false)
				p.done(t, op, err)
				step := p.doom(t, doomed{Kind: "delete", Tenant: r.ID.String(), Step: n})
				if now, err := p.db.Record(t.Context(), r.ID); err == nil && now.Active() {
					t.Errorf("killed at %q, the tenant is served", step)
				}
				if step != "" {
					p.again(t, func() (control.Operation, error) {
						return p.operator.Delete(t.Context(), "test", r.ID, r.ID.String(), false)
					})
				}
				if _, err := p.db.Record(t.Context(), r.ID); !errors.Is(err, registry.ErrUnknown) {
					t.Errorf("killed at %q and healed, its record: %v", step, err)
				}
				if left := p.leftovers(t, r.ID); len(left) > 0 {
					t.Errorf("killed at %q and healed, the server still has %q", step, left)
				}
				return step
			})
		})
	}
}

// noSecretLeaked looks for every password of the plane's tenants in the control
// database, in the logs of both sides, and in the files that were written.
func (p *plane) noSecretLeaked(t *testing.T) {
	t.Helper()
	records, err := p.db.Records(t.Context(), control.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"the log": p.log.String(), "the control database": p.controlText(t)}
	serverLog, err := os.ReadFile(p.server.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	places["the server's log"] = string(serverLog)
	for _, dir := range []string{p.setup.Exports, filepath.Dir(p.setup.Migrations)} {
		_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Error(err)
				}
				places[path] = string(text)
			}
			return nil
		})
	}
	passwords := 0
	for _, r := range records {
		for _, secret := range []registry.Secret{r.Password, r.NextPassword} {
			if secret.IsZero() {
				continue
			}
			passwords++
			for where, text := range places {
				if strings.Contains(text, secret.Reveal()) {
					t.Errorf("a password of %s stands in %s in clear", r.ID, where)
				}
			}
		}
	}
	if passwords == 0 {
		t.Error("there were no passwords to look for")
	}
}

// controlText is every row of every table of the control database, as text.
func (p *plane) controlText(t *testing.T) string {
	t.Helper()
	c, err := pgx.Connect(t.Context(), p.setup.Control)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	var all strings.Builder
	for _, table := range p.texts(t.Context(), t, c, "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'poolkeeper'") {
		for _, row := range p.texts(t.Context(), t, c, "select x::text from "+table+" x") {
			all.WriteString(row + "\n")
		}
	}
	if all.Len() == 0 {
		t.Error("the control database is empty")
	}
	return all.String()
}

// runDoomed is for TestMain.
func runDoomed(text string) int {
	var d doomed
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return d.run()
}
