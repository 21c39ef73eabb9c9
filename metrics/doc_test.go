package metrics_test

import (
	"go/parser"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// A row is what the package comment, or the code, says of one metric.
type row struct{ kind, labels, replicas string }

// TestTheTableInThePackageCommentIsTrue compares the table with what is
// exported, both ways.
func TestTheTableInThePackageCommentIsTrue(t *testing.T) {
	t.Parallel()
	documented, exported := table(t), map[string]row{}
	for name, f := range families(t, filled()) {
		exported[name] = rowOf(t, f)
	}
	for _, name := range slices.Sorted(maps.Keys(exported)) {
		if documented[name] != exported[name] {
			t.Errorf("%s: the package comment says %v, the code %v", name, documented[name], exported[name])
		}
	}
	for name := range documented {
		if _, ok := exported[name]; !ok {
			t.Errorf("%s: in the package comment only", name)
		}
	}
}

// TestEveryDescribedMetricIsExported makes sure that filled leaves out none,
// or the table's test would not see it.
func TestEveryDescribedMetricIsExported(t *testing.T) {
	t.Parallel()
	m := filled()
	ours := families(t, m)
	descs := make(chan *prometheus.Desc)
	go func() { defer close(descs); m.Registry().Describe(descs) }()
	name := regexp.MustCompile(`fqName: "(poolkeeper_\w+)"`)
	for d := range descs {
		if found := name.FindStringSubmatch(d.String()); found != nil && ours[found[1]] == nil {
			t.Errorf("%s is described and has no series", found[1])
		}
	}
}

// table reads the rows of the package comment.
func table(t *testing.T) map[string]row {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	columns := regexp.MustCompile(` {2,}`)
	for line := range strings.Lines(file.Doc.Text()) {
		if cells := columns.Split(strings.TrimSpace(line), -1); strings.HasPrefix(line, "\tpoolkeeper_") && len(cells) == 4 {
			rows[cells[0]] = row{cells[1], cells[2], cells[3]}
		}
	}
	return rows
}

// rowOf reads a row off the series. How to put replicas together stands in
// the last sentence of the help.
func rowOf(t *testing.T, f *dto.MetricFamily) row {
	t.Helper()
	var labels []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		labels = append(labels, l.GetName())
	}
	r := row{kind: strings.ToLower(f.GetType().String()), labels: strings.Join(labels, ", ")}
	if r.labels == "" {
		r.labels = "-"
	}
	how := regexp.MustCompile(`(?:take the |Take the )?(\w+) over replicas\.$`).FindStringSubmatch(f.GetHelp())
	if how == nil {
		t.Errorf("%s: the help does not say how to put replicas together: %q", f.GetName(), f.GetHelp())
		return r
	}
	r.replicas = strings.ToLower(how[1])
	return r
}
