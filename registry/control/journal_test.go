package control_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestAnOperationIsWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, other := w.open(), w.open()
	op, err := d.Begin(t.Context(), control.Operation{Kind: "add", Tenant: id("acme"), Actor: "alice", Total: 3})
	must(t, err)
	op.Step, op.Done = "schema", 2
	op.Failures = []control.Failure{{Tenant: id("acme"), Error: "it broke"}}
	op.Result = json.RawMessage(`{"a": 1}`)
	must(t, d.Note(t.Context(), op))
	got, err := other.Operation(t.Context(), op.ID)
	must(t, err)
	if got.Updated.Before(op.Updated) || !got.Ended.IsZero() {
		t.Errorf("times: %+v", got)
	}
	got.Updated = op.Updated
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", op) {
		t.Errorf("got  %+v\nwant %+v", got, op)
	}
	op.State, op.Error, op.Code = control.Failed, "no", "busy"
	must(t, d.Note(t.Context(), op))
	if got, err = other.Operation(t.Context(), op.ID); err != nil || got.State != control.Failed || got.Ended.IsZero() || got.Code != "busy" {
		t.Errorf("at its end: %+v, %v", got, err)
	}
	if _, err := d.Operation(t.Context(), "nothing"); !errors.Is(err, control.ErrNoSuch) {
		t.Errorf("an unknown one: %v", err)
	}
	if err := d.Note(t.Context(), control.Operation{ID: "nothing", State: control.Done}); !errors.Is(err, control.ErrNoSuch) {
		t.Errorf("noting an unknown one: %v", err)
	}
}

func TestAnOperationOfAProcessThatIsGoneIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, gone := w.open(), w.open()
	op, err := gone.Begin(t.Context(), control.Operation{Kind: "add"})
	must(t, err)
	state := func() string {
		got, err := d.Operation(t.Context(), op.ID)
		must(t, err)
		return got.State
	}
	if got := state(); got != control.Running {
		t.Errorf("it is %s", got)
	}
	w.exec("update poolkeeper.replicas set seen_at = seen_at - interval '1 minute'") // as if killed then
	if got := state(); got != control.Interrupted {
		t.Errorf("after its process fell silent it is %s", got)
	}
	for filter, want := range map[string]int{control.Running: 0, control.Interrupted: 1} {
		ops, err := d.Operations(t.Context(), registry.ID{}, filter, "", 0)
		if err != nil || len(ops) != want {
			t.Errorf("%d are %s: %v", len(ops), filter, err)
		}
	}
}

func TestAListOfOperationsIsShortHoweverLongTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, other := w.open(), w.open()
	op, err := d.Begin(t.Context(), control.Operation{Kind: "migrate", Total: 5})
	must(t, err)
	for i := range 5 {
		op.Failures = append(op.Failures, control.Failure{Tenant: id(fmt.Sprintf("t%d", i)), Error: "no"})
	}
	op.State, op.Result = control.Failed, json.RawMessage(`{"changes": {}}`)
	must(t, d.Note(t.Context(), op))

	ops, err := other.Operations(t.Context(), registry.ID{}, "", "", 0)
	must(t, err)
	if got := ops[0]; len(ops) != 1 || got.Result != nil || len(got.Failures) != 3 || got.More != 2 || got.Failures[0] != op.Failures[0] {
		t.Errorf("listed: %+v", ops)
	}
	whole, err := other.Operation(t.Context(), op.ID)
	must(t, err)
	if whole.Result == nil || len(whole.Failures) != 5 || whole.More != 0 {
		t.Errorf("as a whole: %+v", whole)
	}
	if op.Replica == "" || whole.Replica != op.Replica || ops[0].Replica != op.Replica {
		t.Errorf("begun by %q, and others see %q and %q", op.Replica, whole.Replica, ops[0].Replica)
	}
}

func TestOperationsComeNewestFirst(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	var ids []string
	for i := range 5 {
		op, err := d.Begin(t.Context(), control.Operation{Kind: "add", Tenant: id([]string{"acme", "globex"}[i%2])})
		must(t, err)
		ids = append(ids, op.ID)
	}
	list := func(tenant registry.ID, before string, limit int) (got string) {
		ops, err := d.Operations(t.Context(), tenant, "", before, limit)
		must(t, err)
		for _, op := range ops {
			got += op.ID + " "
		}
		return got
	}
	if got, want := list(registry.ID{}, "", 2), ids[4]+" "+ids[3]+" "; got != want {
		t.Errorf("first page %q, want %q", got, want)
	}
	if got, want := list(registry.ID{}, ids[3], 2), ids[2]+" "+ids[1]+" "; got != want {
		t.Errorf("next page %q, want %q", got, want)
	}
	if got, want := list(id("globex"), "", 0), ids[3]+" "+ids[1]+" "; got != want {
		t.Errorf("of one tenant %q, want %q", got, want)
	}
}

func TestTheAuditTrailCanOnlyGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	for i := range 4 {
		must(t, d.Audit(t.Context(), control.Event{
			Actor: "alice", Action: "tenant.suspend", Tenant: id([]string{"acme", "globex"}[i%2]),
			Detail: json.RawMessage(fmt.Sprintf(`{"n": %d}`, i)), Error: "no",
		}))
	}
	must(t, d.Audit(t.Context(), control.Event{Action: "apply"}))
	events, err := d.Events(t.Context(), id("acme"), 0, 0)
	must(t, err)
	if len(events) != 2 || string(events[0].Detail) != `{"n": 2}` || events[0].Actor != "alice" || events[0].Error != "no" ||
		time.Since(events[0].At) > time.Hour || events[0].Tenant != id("acme") {
		t.Errorf("events: %+v", events)
	}
	page, err := d.Events(t.Context(), registry.ID{}, events[0].ID, 1)
	if err != nil || len(page) != 1 || page[0].Tenant != id("globex") {
		t.Errorf("the page before %d: %+v, %v", events[0].ID, page, err)
	}
	conn := w.conn()
	for _, sql := range []string{
		"update poolkeeper.audit set actor = 'bob'", "delete from poolkeeper.audit", "truncate poolkeeper.audit",
		"truncate poolkeeper.tenants cascade",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "is refused") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func spare(name string) control.Spare {
	return control.Spare{ID: id(name), Plan: "gold", Tenant: registry.Tenant{
		Cluster: "main", Isolation: registry.IsolationSchema, Schema: name, Login: name, Password: registry.NewSecret("hush"),
	}}
}

func TestASpareIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	must(t, d.AddSpare(t.Context(), spare("spare-1")))
	if got, err := d.TakeSpare(t.Context(), id("acme"), "gold", "", registry.IsolationSchema); got != nil || err != nil {
		t.Errorf("one that is not ready: %+v, %v", got, err)
	}
	must(t, d.SpareReady(t.Context(), id("spare-1"), 7))
	for name, take := range map[string]func() (*control.Spare, error){
		"another plan": func() (*control.Spare, error) {
			return d.TakeSpare(t.Context(), id("acme"), "", "", registry.IsolationSchema)
		},
		"another cluster": func() (*control.Spare, error) {
			return d.TakeSpare(t.Context(), id("acme"), "gold", "other", registry.IsolationSchema)
		},
		"another isolation": func() (*control.Spare, error) {
			return d.TakeSpare(t.Context(), id("acme"), "gold", "main", registry.IsolationDatabase)
		},
	} {
		if got, err := take(); got != nil || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for range 2 { // the second as after a crash
		got, err := d.TakeSpare(t.Context(), id("acme"), "gold", "", registry.IsolationSchema)
		must(t, err)
		if got == nil || got.ID != id("spare-1") || got.Migrated != 7 || got.Tenant.Password.Reveal() != "hush" || got.Tenant.Login != "spare-1" || !got.Ready {
			t.Fatalf("got %+v", got)
		}
	}
	if got, err := d.TakeSpare(t.Context(), id("globex"), "gold", "", registry.IsolationSchema); got != nil || err != nil {
		t.Errorf("another tenant got %+v, %v", got, err)
	}
	if left, err := d.Spares(t.Context()); len(left) != 0 || err != nil {
		t.Errorf("in stock: %+v, %v", left, err)
	}
	must(t, d.DropSpare(t.Context(), id("spare-1")))
	if got, err := d.TakeSpare(t.Context(), id("acme"), "gold", "", registry.IsolationSchema); got != nil || err != nil {
		t.Errorf("after it was dropped: %+v, %v", got, err)
	}
}

func TestOfManyWhoTakeSparesEveryTenantGetsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	const many = 8
	for _, name := range names(many) {
		must(t, d.AddSpare(t.Context(), spare(name)))
		must(t, d.SpareReady(t.Context(), id(name), 1))
	}
	var mu sync.Mutex
	got := map[string]string{} // spare by tenant
	var takers sync.WaitGroup
	for i := range 3 * many {
		tenant := fmt.Sprintf("t%d", i%many)
		takers.Go(func() {
			s, err := d.TakeSpare(t.Context(), id(tenant), "gold", "main", registry.IsolationSchema)
			if err != nil || s == nil {
				t.Errorf("%s got %v, %v", tenant, s, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if other, ok := got[tenant]; ok && other != s.ID.String() {
				t.Errorf("%s got %s and %s", tenant, other, s.ID)
			}
			got[tenant] = s.ID.String()
		})
	}
	takers.Wait()
	seen := map[string]bool{}
	for _, name := range got {
		seen[name] = true
	}
	if len(seen) != many {
		t.Errorf("%d spares for %d tenants: %v", len(seen), many, got)
	}
}
