package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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

// runDoomed is for TestMain.
func runDoomed(text string) int {
	var d doomed
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return d.run()
}
