// Command mutate proves that the tests guard the invariants: it breaks the
// code in one known way at a time and expects the named test to fail. It
// changes no file; the broken source is laid over the real one for the
// compiler (go test -overlay). Run it from the module's root; an argument
// picks the breaks whose description contains it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// mutation is one way to break the code and the test that must notice.
type mutation struct {
	breaks   string // what no longer holds
	file     string
	from, to string // from must occur exactly once
	test     string // in the file's package, or in pkg when that is given
	pkg      string
}

func main() {
	survived := 0
	for i, m := range mutations() {
		if len(os.Args) > 1 && !strings.Contains(m.breaks, os.Args[1]) {
			continue
		}
		verdict, err := m.try()
		if err != nil {
			fmt.Fprintf(os.Stderr, "mutate: %s: %v\n", m.breaks, err)
			os.Exit(2)
		}
		if verdict != "killed" {
			survived++
		}
		fmt.Printf("%2d %-9s %s (%s)\n", i+1, verdict, m.breaks, m.test)
	}
	if survived > 0 {
		fmt.Fprintf(os.Stderr, "mutate: %d breaks were not noticed\n", survived)
		os.Exit(1)
	}
}

// try runs the test on the broken code.
func (m mutation) try() (verdict string, err error) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		return "", fmt.Errorf("%s: %q occurs %d times, want once", m.file, m.from, n)
	}
	folder, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(folder)
	overlay, err := m.lay(folder, strings.Replace(string(source), m.from, m.to, 1))
	if err != nil {
		return "", err
	}
	pkg := m.pkg
	if pkg == "" {
		pkg = "./" + filepath.Dir(m.file)
	}
	test := exec.CommandContext(context.Background(), "go", "test", "-overlay", overlay, //nolint:gosec // our own table
		"-count=1", "-timeout=60s", "-run", "^"+m.test+"$", pkg)
	out, err := test.CombinedOutput()
	switch {
	case err == nil:
		return "SURVIVED", nil
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		return "", fmt.Errorf("the broken code does not compile:\n%s", out)
	default:
		return "killed", nil
	}
}

// lay writes the broken source and the overlay file that names it.
func (m mutation) lay(folder, broken string) (overlay string, err error) {
	file, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	replacement := filepath.Join(folder, filepath.Base(m.file))
	if err := os.WriteFile(replacement, []byte(broken), 0o600); err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: replacement}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
