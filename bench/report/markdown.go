package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Markdown is the run for people.
func (r *Run) Markdown() string {
	var b strings.Builder
	b.WriteString("# Benchmark results\n\nWritten by `go run ./bench`; do not edit. What each figure means is in [docs/benchmarks.md](../../docs/benchmarks.md).\n\n")
	r.writeHead(&b)
	writeList(&b, "Failures: this run is worth nothing", r.Failures)
	r.writeMissed(&b)
	writeList(&b, "Not measured", r.Unmeasured)
	for _, f := range r.Figures {
		f.write(&b)
	}
	return b.String()
}

func (r *Run) writeHead(b *strings.Builder) {
	b.WriteString("| | |\n|---|---|\n")
	row := func(name, value string) { fmt.Fprintf(b, "| %s | %s |\n", name, value) }
	row("Mode", r.Mode+", "+r.Took)
	row("Date", r.Date.UTC().Format("2006-01-02 15:04 MST"))
	row("Commit", r.Commit)
	row("Machine", r.Machine.String())
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		row(name, r.Versions[name])
	}
	row("Hygiene", r.Hygiene)
	b.WriteString("\n")
}

func (r *Run) writeMissed(b *strings.Builder) {
	if len(r.Missed) == 0 {
		b.WriteString("Every aim that was measured is met.\n\n")
		return
	}
	writeList(b, "Aims missed", r.Missed)
}

func writeList(b *strings.Builder, title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(b, "## %s\n\n", title)
	for _, line := range lines {
		fmt.Fprintf(b, "- %s\n", line)
	}
	b.WriteString("\n")
}

func (f *Figure) write(b *strings.Builder) {
	fmt.Fprintf(b, "## %d. %s\n\n%s\n\n", f.Number, f.Title, f.Workload)
	b.WriteString("| | Value | Baseline | Ratio | Range | Aim | |\n|---|---|---|---|---|---|---|\n")
	for _, row := range f.Rows {
		row.write(b)
	}
	b.WriteString("\n")
	for _, row := range f.Rows {
		row.writeMore(b)
	}
	for _, note := range f.Notes {
		fmt.Fprintf(b, "%s\n\n", note)
	}
}

func (r *Row) write(b *strings.Builder) {
	baseline, ratio, spread := "–", "–", "–"
	if r.Baseline != "" {
		baseline = r.Baseline + ": " + quantity(r.BaselineValue, r.Unit)
	}
	if r.Ratio != 0 {
		ratio = times(r.Ratio)
	}
	if r.Rounds > 1 && r.Ratio != 0 {
		spread = times(r.Low) + " – " + times(r.High)
	}
	verdict := ""
	if r.Met != nil {
		verdict = map[bool]string{true: "met", false: "**missed**"}[*r.Met]
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.Name, quantity(r.Value, r.Unit), baseline, ratio, spread, r.aim(), verdict)
}

// writeMore lists a row's further numbers.
func (r *Row) writeMore(b *strings.Builder) {
	if len(r.More) == 0 {
		return
	}
	all := make([]string, 0, len(r.More))
	for _, name := range slices.Sorted(maps.Keys(r.More)) {
		all = append(all, name+" "+digits(r.More[name]))
	}
	fmt.Fprintf(b, "- %s: %s\n", r.Name, strings.Join(all, ", "))
	b.WriteString("\n")
}

// Markdown is the figure's section alone.
func (f *Figure) Markdown() string {
	var b strings.Builder
	f.write(&b)
	return b.String()
}
