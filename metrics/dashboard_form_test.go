package metrics_test

import (
	"slices"
	"testing"
)

// TestDashboardsAreWellFormed checks what Grafana asks of an import. (That
// they look well, only Grafana can show.)
func TestDashboardsAreWellFormed(t *testing.T) {
	t.Parallel()
	uids := map[string]string{}
	for path, d := range dashboards(t) {
		if d.Title == "" || d.UID == "" || len(d.UID) > 40 || d.SchemaVersion < 40 {
			t.Errorf("%s: title %q, uid %q, schema %d", path, d.Title, d.UID, d.SchemaVersion)
		}
		if other, twice := uids[d.UID]; twice {
			t.Errorf("%s and %s have the uid %s: Grafana would keep one", path, other, d.UID)
		}
		uids[d.UID] = path
		ids, taken := map[int]string{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if other, twice := ids[p.ID]; twice || p.ID == 0 {
				t.Errorf("%s: %q and %q have id %d", path, p.Title, other, p.ID)
			}
			ids[p.ID] = p.Title
			checkPlace(t, p, taken)
			checkPanel(t, p)
		}
	}
}

// checkPlace makes sure that panels stay on the grid and apart.
func checkPlace(t *testing.T, p panel, taken map[[2]int]string) {
	t.Helper()
	g := p.GridPos
	if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
		t.Errorf("%q is off the grid: %+v", p.Title, g)
	}
	for x := g.X; x < g.X+g.W; x++ {
		for y := g.Y; y < g.Y+g.H; y++ {
			if other, full := taken[[2]int{x, y}]; full {
				t.Errorf("%q lies on %q", p.Title, other)
				return
			}
			taken[[2]int{x, y}] = p.Title
		}
	}
}

func checkPanel(t *testing.T, p panel) {
	t.Helper()
	if p.Type == "row" {
		if p.Title == "" || len(p.Targets)+len(p.Panels) > 0 {
			t.Errorf("row %q: no title, or it holds something", p.Title)
		}
		return
	}
	want := source{"prometheus", "${datasource}"}
	if p.Title == "" || p.Description == "" || p.Datasource == nil || *p.Datasource != want {
		t.Errorf("%q: description %q, data source %v", p.Title, p.Description, p.Datasource)
	}
	if !slices.Contains([]string{"timeseries", "stat", "heatmap", "table"}, p.Type) {
		t.Errorf("%q: type %q", p.Title, p.Type)
	}
	if !slices.Contains([]string{"short", "ops", "reqps", "s", "bytes", "percentunit", ""}, p.FieldConfig.Defaults.Unit) {
		t.Errorf("%q: unit %q", p.Title, p.FieldConfig.Defaults.Unit)
	}
	refs := map[string]bool{}
	for _, target := range p.Targets {
		if target.RefID == "" || refs[target.RefID] || target.Expr == "" || target.Datasource == nil || *target.Datasource != want {
			t.Errorf("%q: target %+v", p.Title, target)
		}
		refs[target.RefID] = true
	}
	if len(refs) == 0 {
		t.Errorf("%q asks for nothing", p.Title)
	}
}
