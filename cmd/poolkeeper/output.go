package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
)

// isTerminal reports whether somebody sits at the other end.
func isTerminal(stream any) bool {
	file, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}

// noted remembers that the output could not be written, for what prints many
// lines and asks after none: who reads half a report takes it for the whole.
type noted struct {
	io.Writer
	mu  sync.Mutex // guards err
	err error      // the first
}

// Write passes on.
func (n *noted) Write(text []byte) (int, error) {
	written, err := n.Writer.Write(text)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.err = err
	}
	return written, err
}

// Fd is the file's; of what is none, a number that no terminal has.
func (n *noted) Fd() uintptr {
	if file, ok := n.Writer.(interface{ Fd() uintptr }); ok {
		return file.Fd()
	}
	return ^uintptr(0)
}

func (n *noted) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		return nil
	}
	return fmt.Errorf("the output could not be written: %w", n.err)
}

// printJSON prints the API's JSON: indented for people, else on one line.
func (c *console) printJSON(text json.RawMessage) error {
	var b bytes.Buffer
	var err error
	if isTerminal(c.app.Stdout) {
		err = json.Indent(&b, text, "", "  ")
	} else {
		err = json.Compact(&b, text)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", adminapi.ErrForeign, err)
	}
	b.WriteByte('\n')
	_, err = b.WriteTo(c.app.Stdout)
	return err
}

// printValue is printJSON for what was put together here.
func (c *console) printValue(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return c.printJSON(text)
}

// say prints a line for people.
func (c *console) say(format string, args ...any) {
	fmt.Fprintf(c.app.Stdout, format+"\n", args...)
}

// note prints a line that is no part of the output.
func (c *console) note(format string, args ...any) {
	fmt.Fprintf(c.app.Stderr, format+"\n", args...)
}

// table aligns columns.
type table struct{ w *tabwriter.Writer }

func (c *console) table(header ...string) table { return newTable(c.app.Stdout, header...) }

func newTable(out io.Writer, header ...string) table {
	t := table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	if len(header) > 0 {
		t.row(header...)
	}
	return t
}

// row adds a line. An empty cell is a hyphen, so that every line has as many
// fields; what could move a terminal's cursor is taken out.
func (t table) row(cells ...string) {
	for i, cell := range cells {
		if cells[i] = printable(cell); cell == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(t.w, strings.Join(cells, "\t"))
}

func (t table) end() error { return t.w.Flush() }

// printable takes out of a text of others what a terminal would obey.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// number shows a count in a table, and nothing for zero.
func number[N int | int64 | uint64](n N) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

// moment shows a time of a table, in the local zone and short.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// Signs of a change, as tools for infrastructure print them.
const (
	signAdd    = "+"
	signChange = "~"
	signRemove = "-"
)

// sign colors one of them when somebody sits there who wants colors.
func (c *console) sign(sign string) string {
	if c.noColor || c.app.getenv("NO_COLOR") != "" || c.app.getenv("TERM") == "dumb" || !isTerminal(c.app.Stdout) {
		return sign
	}
	color := map[string]string{signAdd: "32", signChange: "33", signRemove: "31"}[sign]
	return "\x1b[" + color + "m" + sign + "\x1b[0m"
}

// wrapped breaks a paragraph between words, for a terminal: its later lines are
// indented. A program that reads it gets one line.
func (c *console) wrapped(text string) string {
	text = printable(text)
	file, ok := c.app.Stdout.(interface{ Fd() uintptr })
	if !ok || !isTerminal(file) {
		return text
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 20 {
		return text
	}
	return folded(text, width)
}

// folded has no line longer than width characters, but for longer words.
func folded(text string, width int) string {
	const indent = "  "
	var b strings.Builder
	at := 0
	for i, word := range strings.Split(text, " ") {
		length := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+length > width:
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += length
	}
	return b.String()
}
