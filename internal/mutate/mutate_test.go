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

func TestEachBreakIsNoticed(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, m := range mutations() {
		t.Run(m.breaks, m.mustBeNoticed)
	}
}

// mustBeNoticed runs the test on the broken code.
func (m mutation) mustBeNoticed(t *testing.T) {
	overlay := m.lay(t, strings.Replace(m.source(t), m.from, m.to, 1))
	test := exec.CommandContext(t.Context(), "go", "test", "-overlay", overlay,
		"-count=1", "-timeout=60s", "-run", "^"+m.test+"$", m.home())
	switch out, err := test.CombinedOutput(); {
	case err == nil:
		t.Errorf("%s noticed nothing", m.test)
	case strings.Contains(string(out), "[build failed]"), strings.Contains(string(out), "[setup failed]"):
		t.Errorf("the broken code does not compile:\n%s", out)
	default:
		t.Logf("%s", out) // with -v: whether it was noticed for the right reason
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
