//go:build mutate

package mutate_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutation is one way to break the code and the test that must notice.
type mutation struct {
	breaks   string // what no longer holds
	file     string // from the module's root
	from, to string // from must occur exactly once
	test     string // in the file's package, or in pkg when that is given
	pkg      string
}

func TestEachBreakIsNoticed(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, m := range mutations() {
		t.Run(m.breaks, m.mustBeNoticed)
	}
}

// mustBeNoticed runs the test on the broken code.
func (m mutation) mustBeNoticed(t *testing.T) {
	source, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		t.Fatalf("%s: %q occurs %d times, want once", m.file, m.from, n)
	}
	overlay := m.lay(t, strings.Replace(string(source), m.from, m.to, 1))
	pkg := m.pkg
	if pkg == "" {
		pkg = "./" + filepath.Dir(m.file)
	}
	test := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay,
		"-count=1", "-timeout=60s", "-run", "^"+m.test+"$", pkg)
	switch out, err := test.CombinedOutput(); {
	case err == nil:
		t.Errorf("%s noticed nothing", m.test)
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		t.Errorf("the broken code does not compile:\n%s", out)
	}
}

// lay writes the broken source and returns the overlay file that names it.
func (m mutation) lay(t *testing.T, broken string) string {
	t.Helper()
	file, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	replacement := filepath.Join(folder, filepath.Base(m.file))
	if err := os.WriteFile(replacement, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {file: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(folder, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}
