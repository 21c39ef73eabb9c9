package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // something does not work, or a wall is open
	Warning Severity = "warning" // something will not work, or works badly
	Info    Severity = "info"    // worth knowing
)

// The names of the checks.
const (
	checkReach      = "unreachable"
	checkVersion    = "version"
	checkBudget     = "budget"
	checkTLS        = "tls"
	checkPooler     = "pooler"
	checkPrivileges = "privileges"
	checkOrphan     = "orphan"
	checkShadow     = "shadow"
	checkExtensions = "extensions"
	checkSpares     = "spare_dsn"
	checkMigrations = "migrations"
)

// Finding is one thing that was found, and what to do about it. It contains no
// secret.
type Finding struct {
	Check    string
	Severity Severity
	Subject  string // "cluster main", "tenant acme"
	Message  string
	Remedy   string
}

// Report is all that was found, the worst first.
type Report struct {
	Findings []Finding
	Checked  []string // the names of the checks that were run, each once
}

func (r *Report) add(f Finding) { r.Findings = append(r.Findings, f) }

func (r *Report) checked(name string) {
	if !slices.Contains(r.Checked, name) {
		r.Checked = append(r.Checked, name)
	}
}

func (r *Report) sort() {
	rank := map[Severity]int{Error: 0, Warning: 1, Info: 2}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(rank[a.Severity], rank[b.Severity]),
			cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject),
		)
	})
	slices.Sort(r.Checked)
}

// some names a few of many.
func some[T any](all []T) string {
	const most = 5
	var names []string
	for _, name := range all[:min(len(all), most)] {
		names = append(names, fmt.Sprint(name))
	}
	text := strings.Join(names, ", ")
	if more := len(all) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// several counts things.
func several(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
