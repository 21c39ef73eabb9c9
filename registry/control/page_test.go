package control_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestAPageHasWhatTheFilterKeeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	create(t, d, with("acme", func(r *control.Record) { r.Plan, r.Labels = "gold", map[string]string{"tier": "1", "eu": "yes"} }))
	create(t, d, with("acme-2", func(r *control.Record) { r.Name, r.State = "Übermut 100%", registry.StatusPending }))
	create(t, d, with("globex", func(r *control.Record) { r.Cluster, r.Labels = "other", map[string]string{"tier": "1"} }))
	create(t, d, with("hooli", func(r *control.Record) { r.Name, r.Plan, r.Declared = "ACME Inc", "gold", registry.StatusSuspended }))
	create(t, d, with("zeta", func(r *control.Record) { r.State = registry.StatusRetired }))
	must(t, d.SetMigrated(t.Context(), id("acme"), 5, ""))
	must(t, d.SetMigrated(t.Context(), id("globex"), 4, "it broke"))
	for name, test := range map[string]struct {
		filter control.Filter
		want   string
	}{
		"all":         {control.Filter{}, "acme acme-2 globex hooli zeta"},
		"status":      {control.Filter{Status: registry.StatusSuspended}, "hooli"},
		"plan":        {control.Filter{Plan: "gold"}, "acme hooli"},
		"cluster":     {control.Filter{Cluster: "other"}, "globex"},
		"label":       {control.Filter{Labels: map[string]string{"tier": "1"}}, "acme globex"},
		"labels":      {control.Filter{Labels: map[string]string{"tier": "1", "eu": "yes"}}, "acme"},
		"prefix":      {control.Filter{Prefix: "acme"}, "acme acme-2 hooli"},
		"folded":      {control.Filter{Prefix: "Acme I"}, "hooli"},
		"no pattern":  {control.Filter{Prefix: "%"}, ""},
		"an umlaut":   {control.Filter{Prefix: "Über"}, "acme-2"},
		"behind":      {control.Filter{Behind: 5}, "globex hooli"},
		"far behind":  {control.Filter{Behind: 4}, "hooli"},
		"failed":      {control.Filter{Failed: true}, "globex"},
		"ids":         {control.Filter{IDs: []registry.ID{id("zeta"), id("nobody"), id("acme")}}, "acme zeta"},
		"no ids":      {control.Filter{IDs: []registry.ID{}}, ""},
		"first page":  {control.Filter{Limit: 2}, "acme acme-2"},
		"next page":   {control.Filter{Limit: 2, After: id("acme-2")}, "globex hooli"},
		"last page":   {control.Filter{Limit: 2, After: id("hooli")}, "zeta"},
		"all at once": {control.Filter{Plan: "gold", Cluster: "main", Status: registry.StatusActive, Prefix: "ac", Behind: 9}, "acme"},
	} {
		records, err := d.Records(t.Context(), test.filter)
		must(t, err)
		var ids []string
		for _, r := range records {
			ids = append(ids, r.ID.String())
		}
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	counts, err := d.CountByCluster(t.Context())
	must(t, err)
	if fmt.Sprint(counts) != "map[main:3 other:1]" {
		t.Errorf("counted %v", counts)
	}
}

func TestTheMirrorSaysWhoIsWhere(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	for _, name := range []string{"a", "b", "c", "late"} {
		create(t, d, record(name))
	}
	create(t, d, with("rows", func(r *control.Record) { r.Isolation, r.Schema = registry.IsolationRow, "shared" }))
	version := read(t, d, "a").Version
	must(t, d.SetMigrated(t.Context(), id("a"), 5, ""))
	must(t, d.SetMigrated(t.Context(), id("b"), 5, "it broke"))
	must(t, d.SetMigrated(t.Context(), id("c"), 4, ""))
	must(t, d.SetMigrated(t.Context(), id("rows"), 2, ""))
	if err := d.SetMigrated(t.Context(), id("nobody"), 1, ""); !errors.Is(err, control.ErrUnknown) {
		t.Errorf("an unknown id: %v", err)
	}
	counts, err := d.Versions(t.Context())
	must(t, err)
	if want := "[{tenant -1 1 0} {tenant 4 1 0} {tenant 5 2 1} {shared 2 1 0}]"; fmt.Sprint(counts) != want {
		t.Errorf("counted %v, want %s", counts, want)
	}
	if r := read(t, d, "b"); r.Migrated != 5 || r.MigrationError != "it broke" || read(t, d, "a").Version != version {
		t.Errorf("got %+v", r)
	}
	must(t, d.Remove(t.Context(), id("b")))
	if r := create(t, d, record("b")); r.Migrated != -1 {
		t.Errorf("a record that comes back is at %d", r.Migrated)
	}
}
