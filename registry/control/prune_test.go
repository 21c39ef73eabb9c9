package control_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func keeping(d time.Duration) option {
	return func(c *control.Config, _ *control.Options) { c.Keep = d }
}

// later has everything that was written down be two hours older.
func (w *world) later() {
	w.Helper()
	w.exec("update poolkeeper.marks set at = at - interval '2 hours'")
	w.exec("update poolkeeper.operations set ended = ended - interval '2 hours', updated = updated - interval '2 hours'")
}

func (w *world) count(what string) (n int) {
	w.Helper()
	must(w, w.conn().QueryRow(w.Context(), "select count(*) from poolkeeper."+what).Scan(&n))
	return n
}

func prune(t testing.TB, d *control.Database) int64 {
	t.Helper()
	rows, err := d.Prune(soon(t))
	must(t, err)
	return rows
}

func TestOperationsThatEndedLongAgoGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open(keeping(time.Hour))
	var ids []string
	for _, state := range []string{control.Done, control.Failed, control.Running} {
		op, err := d.Begin(t.Context(), control.Operation{Kind: "add"})
		must(t, err)
		op.State = state
		must(t, d.Note(t.Context(), op))
		ids = append(ids, op.ID)
	}
	dead, err := d.Begin(t.Context(), control.Operation{Kind: "add"})
	must(t, err)
	w.exec("update poolkeeper.operations set instance = 'gone' where id = $1", dead.ID)
	w.later()
	young, err := d.Begin(t.Context(), control.Operation{Kind: "add"})
	must(t, err)
	young.State = control.Done
	must(t, d.Note(t.Context(), young))

	if n := prune(t, d); n != 3 {
		t.Errorf("%d rows went, want those that are done, failed and interrupted", n)
	}
	for _, id := range []string{ids[0], ids[1], dead.ID} {
		if _, err := d.Operation(t.Context(), id); !errors.Is(err, control.ErrNoSuch) {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{ids[2], young.ID} {
		if _, err := d.Operation(t.Context(), id); err != nil {
			t.Errorf("one that runs, or is young: %v", err)
		}
	}
}

func TestNothingGoesWhenEverythingIsToBeKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open(keeping(0))
	op, err := d.Begin(t.Context(), control.Operation{Kind: "add"})
	must(t, err)
	op.State = control.Done
	must(t, d.Note(t.Context(), op))
	w.exec("update poolkeeper.operations set ended = ended - interval '50 years'")
	if n := prune(t, d); n != 0 || w.count("operations") != 1 {
		t.Errorf("%d rows went", n)
	}
}

// Whoever follows goes on as if nothing had gone; nobody reads everything anew
// for a tombstone that it has seen.
func TestTracesOfDeletionsGoWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := &buffer{}
	d := w.open(keeping(time.Hour), logging(log))
	for _, name := range []string{"acme", "globex", "initech"} {
		create(t, d, record(name))
	}
	_, _, err := d.CreateKey(t.Context(), control.NewKey{Tenant: id("acme"), Scope: apikey.ScopeWrite})
	must(t, err)
	must(t, d.Load(soon(t)))
	until(t, "it has looked by itself and set a mark", func() bool { return w.count("marks") == 1 })
	w.exec("update poolkeeper.marks set at = at - interval '2 days'") // so that the next look sets one, too
	must(t, d.Remove(t.Context(), id("acme")))
	until(t, "the deletion is seen", func() bool { return status(d, "acme") == "" })
	prune(t, d) // sets the mark
	if got := w.count("tombstones") + w.count("key_tombstones"); got != 2 {
		t.Fatalf("%d traces of a deletion that is young", got)
	}
	w.later()
	must(t, d.Remove(t.Context(), id("globex")))
	if n := prune(t, d); n != 2 {
		t.Errorf("%d rows went, want the traces of acme and its key", n)
	}
	until(t, "the other deletion is seen", func() bool { return status(d, "globex") == "" })
	update(t, d, "initech", func(r *control.Record) { r.State = registry.StatusSuspended })
	until(t, "changes are seen", func() bool { return status(d, "initech") == registry.StatusSuspended })
	if text := log.String(); strings.Contains(text, "all tenants are read again") {
		t.Errorf("the log says %s", text)
	}
}

// The last number must not go down: everybody would take that for a restore.
func TestTheLastTombstoneStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open(keeping(time.Hour))
	create(t, d, record("acme"))
	must(t, d.Remove(t.Context(), id("acme")))
	prune(t, d)
	w.later()
	if n := prune(t, d); n != 0 || w.count("tombstones") != 1 {
		t.Errorf("%d rows went, and %d tombstones are left", n, w.count("tombstones"))
	}
}

func TestWhoMissedADeletionWhoseTraceIsGoneReadsEverythingAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away, d := w.open(keeping(time.Hour)), w.open(keeping(time.Hour))
	for _, name := range []string{"acme", "globex"} {
		create(t, d, record(name))
	}
	must(t, away.LoadOnce(soon(t))) // and hears of nothing from then on
	must(t, d.Remove(t.Context(), id("acme")))
	prune(t, d)
	w.later()
	update(t, d, "globex", func(r *control.Record) { r.Name = "Globex" })
	if n := prune(t, d); n != 1 {
		t.Fatalf("%d rows went", n)
	}
	must(t, away.CatchUp(soon(t)))
	if got := status(away, "acme"); got != "" {
		t.Errorf("a tenant that is gone is still %s", got)
	}
	if got := status(away, "globex"); got != registry.StatusActive {
		t.Errorf("the other tenant is %q", got)
	}
}
