package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// shown are the command lines of the shell blocks of a page, as words.
func shown(t *testing.T, page string) [][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile(`"[^"]*"`)
	var lines [][]string
	inside := false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "$ ")
		if strings.HasPrefix(line, "```") {
			inside = line == "```sh" || line == "```console"
		}
		rest, found := strings.CutPrefix(line, "poolkeeper ")
		if !inside || !found || strings.HasPrefix(rest, "#") {
			continue
		}
		rest, _, _ = strings.Cut(rest, " #")
		rest, _, _ = strings.Cut(rest, " <")
		rest, _, _ = strings.Cut(rest, " >")
		rest = quoted.ReplaceAllString(rest, "text")
		lines = append(lines, strings.Fields(rest))
	}
	return lines
}

// commands are those of the tree that do something, by their path.
func commands(cmd *cobra.Command, into map[string]bool) {
	for _, sub := range cmd.Commands() {
		if sub.HasSubCommands() {
			commands(sub, into)
		} else if sub.Name() != "help" {
			into[sub.CommandPath()] = false
		}
	}
}

func TestEveryCommandIsOnThePageAndEveryLineOfItParses(t *testing.T) {
	t.Parallel()
	app := &App{Stdout: io.Discard, Stderr: io.Discard}
	root := app.root()
	root.InitDefaultCompletionCmd("tenant")
	found := map[string]bool{}
	commands(root, found)
	for _, page := range []string{"cli.md", "tenants.md", "control-database.md", "doctor.md"} {
		for _, line := range shown(t, page) {
			text := page + ": poolkeeper " + strings.Join(line, " ")
			root := app.root() // flags keep what they were given
			root.InitDefaultCompletionCmd("tenant")
			cmd, rest, err := root.Find(line)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: %v", text, err)
			} else if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			if page == "cli.md" {
				found[cmd.CommandPath()] = true
			}
		}
	}
	for path, there := range found {
		if !there {
			t.Errorf("docs/cli.md has no example of %s", path)
		}
	}
}

func TestEveryExampleOfTheHelpParses(t *testing.T) {
	t.Parallel()
	app := &App{Stdout: io.Discard, Stderr: io.Discard}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			rest, _ := strings.CutPrefix(strings.TrimSpace(line), "poolkeeper ")
			rest, _, _ = strings.Cut(rest, " | ")
			rest = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(rest, "text")
			found, args, err := app.root().Find(strings.Fields(rest))
			if err != nil || found.CommandPath() != cmd.CommandPath() {
				t.Errorf("%s: %q is an example of something else: %v", cmd.CommandPath(), line, err)
				continue
			}
			if err := found.ParseFlags(args); err != nil {
				t.Errorf("%s: %v", line, err)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(app.root())
}

func TestTheHelpDocumentsTheExitCodes(t *testing.T) {
	t.Parallel()
	_, help, _ := execute(t, nil, "--help")
	for _, code := range []string{"  0  ", "  1  ", "  2  ", "  3  ", "  4  ", "  5  ", "  130  "} {
		if !strings.Contains(help, "\n"+code) {
			t.Errorf("the help says nothing of exit code %s", code)
		}
	}
}
