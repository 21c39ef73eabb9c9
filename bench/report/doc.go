// Package report is what a run of the benchmark leaves: the records of the
// figures, as JSON for programs and as Markdown for people, with the machine
// they were measured on and every aim that was missed.
package report
