package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

// A step of a page: a command, and what it prints.
type step struct {
	line    int
	command string
	want    []string
}

// stepsOf reads the commands and outputs of a page's console blocks.
func stepsOf(t *testing.T, page string) []step {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	inside := false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "```console":
			inside = true
		case line == "```":
			inside = false
		case inside && strings.HasPrefix(line, "$ "):
			steps = append(steps, step{line: i + 1, command: line[2:]})
		case inside && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

// prints reports whether a text is what the page shows. Its "…" stands for
// anything; on a line of its own, for any lines.
func (s step) prints(text string) bool {
	var pattern strings.Builder
	for _, line := range s.want {
		if line == "…" {
			pattern.WriteString("(?:.*\n)*")
			continue
		}
		parts := strings.Split(line, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		pattern.WriteString(strings.Join(parts, ".*") + " *\n")
	}
	if !strings.HasSuffix(text, "\n") && text != "" {
		text += "\n"
	}
	return regexp.MustCompile("^" + pattern.String() + "$").MatchString(text)
}

// slowly is what tells how an operation goes on that takes longer than it does in
// the documentation.
var slowly = regexp.MustCompile(`(?m)^[a-z]+ wonka(-test)?: .*\n`)

func TestTheLifeOfATenantInTheDocumentationIsWhatHappens(t *testing.T) {
	t.Parallel()
	p := startDev(t, demo, dataFolder(t))
	dir := t.TempDir()
	dumps := pgtest.Shared().HasDump(t.Context()) // of the same version as dev's
	addresses := strings.NewReplacer("localhost:8080", p.Data, "localhost:8081", p.Admin)
	for _, s := range stepsOf(t, filepath.Join("..", "..", "docs", "tenants.md")) {
		if !dumps && strings.Contains(s.command, "tenant export") {
			continue
		}
		if !dumps && strings.Contains(s.command, "tenant retire") {
			s.command, s.want = s.command+" --no-export", s.want[:1]
		}
		cmd := exec.CommandContext(t.Context(), "bash", "-c", `poolkeeper() { `+programEnv+`=1 "$PROGRAM" "$@"; }; `+addresses.Replace(s.command))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PROGRAM="+os.Args[0], "POOLKEEPER_SERVER=http://"+p.Admin)
		out, err := cmd.CombinedOutput()
		if _, ended := err.(*exec.ExitError); err != nil && !ended { //nolint:errorlint // it is never wrapped
			t.Fatal(err)
		}
		if !s.prints(slowly.ReplaceAllString(string(out), "")) {
			t.Errorf("docs/tenants.md:%d: $ %s\n%s", s.line, s.command, out)
		}
	}
}
