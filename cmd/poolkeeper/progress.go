package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// A progress shows how an operation goes on, on the error stream: what is
// printed to the other one is the result.
type progress interface {
	told(op adminwire.Operation)
	// end leaves the stream at the beginning of a line.
	end()
}

// progress is JSON for programs, a bar for people, and lines for logs.
func (c *console) progress() progress {
	switch {
	case c.json:
		return &progressJSON{out: json.NewEncoder(c.app.Stderr)}
	case isTerminal(c.app.Stderr):
		return &progressBar{out: c.app.Stderr}
	default:
		return &progressLines{out: c.app.Stderr}
	}
}

// progressJSON writes every state of the operation as a line of JSON.
type progressJSON struct{ out *json.Encoder }

func (p *progressJSON) told(op adminwire.Operation) { _ = p.out.Encode(op) } // nobody can be told
func (p *progressJSON) end()                        {}

// progressLines writes a line for every step, and for every twentieth of the
// tenants: a log wants to know that it goes on, not each of a thousand.
type progressLines struct {
	out  io.Writer
	step string
	part int // twentieths that a line was written for
}

const lineParts = 20

func (p *progressLines) told(op adminwire.Operation) {
	if op.Total <= 1 {
		if op.Step != "" && op.Step != p.step {
			fmt.Fprintf(p.out, "%s: %s\n", subject(op), printable(op.Step))
		}
		p.step = op.Step
		return
	}
	if part := op.Done * lineParts / op.Total; part != p.part {
		p.part = part
		fmt.Fprintf(p.out, "%s: %s\n", subject(op), doneOf(op))
	}
}

func (p *progressLines) end() {}

// subject is what an operation is about.
func subject(op adminwire.Operation) string {
	if op.Tenant != "" {
		return op.Kind + " " + printable(op.Tenant)
	}
	return op.Kind
}

func doneOf(op adminwire.Operation) string {
	text := fmt.Sprintf("%d of %d", op.Done, op.Total)
	if len(op.Failures) > 0 {
		text += fmt.Sprintf(", %d failed", len(op.Failures))
	}
	return text
}

// progressBar draws a bar for many tenants, and shows the step of one. It is
// wiped away in the end.
type progressBar struct {
	out   io.Writer
	bar   *progressbar.ProgressBar
	shown bool
}

const wipe = "\r\x1b[K"

func (p *progressBar) told(op adminwire.Operation) {
	if op.Total <= 1 {
		if op.Step != "" {
			fmt.Fprintf(p.out, "%s%s: %s", wipe, subject(op), clipped(printable(op.Step)))
			p.shown = true
		}
		return
	}
	if p.bar == nil || p.bar.GetMax() != op.Total {
		p.bar = progressbar.NewOptions(op.Total,
			progressbar.OptionSetWriter(p.out), progressbar.OptionSetWidth(30), progressbar.OptionShowCount(),
			progressbar.OptionUseANSICodes(true), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetRenderBlankState(true), progressbar.OptionSetTheme(progressbar.ThemeASCII))
	}
	text := op.Kind
	if len(op.Failures) > 0 {
		text += fmt.Sprintf(" (%d failed)", len(op.Failures))
	}
	p.bar.Describe(text)
	_ = p.bar.Set(op.Done) // nobody can be told
	p.shown = true
}

func (p *progressBar) end() {
	if p.shown {
		fmt.Fprint(p.out, wipe)
	}
}

// clipped keeps a step on its line.
func clipped(text string) string {
	const most = 50
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// progressBytes counts a download; nil where nobody watches.
func (c *console) progressBytes(total int64, what string) (io.Writer, func()) {
	if c.json || !isTerminal(c.app.Stderr) {
		return io.Discard, func() {}
	}
	if total <= 0 {
		total = 1 // an empty bar: its library takes nothing else for a known length
	}
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(c.app.Stderr), progressbar.OptionSetWidth(30), progressbar.OptionShowBytes(true),
		progressbar.OptionUseANSICodes(true), progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionSetTheme(progressbar.ThemeASCII), progressbar.OptionSetDescription(what))
	return bar, func() { fmt.Fprint(c.app.Stderr, wipe) }
}
