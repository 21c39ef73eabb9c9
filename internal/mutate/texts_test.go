package mutate_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The breaks themselves take minutes; that each still finds its place does
// not, and code moves on every day.

func TestEachBreakHasItsPlaceAndItsTest(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	names := map[string]bool{}
	for _, m := range mutations() {
		m.source(t)
		if m.from == m.to {
			t.Errorf("%q breaks nothing", m.breaks)
		}
		if !m.testExists(t) {
			t.Errorf("%q: there is no test %s in %s", m.breaks, m.test, m.home())
		}
		if key := m.breaks + m.file; names[key] {
			t.Errorf("%q of %s is there twice", m.breaks, m.file)
		} else {
			names[key] = true
		}
	}
}

// source reads the file that is to be broken.
func (m mutation) source(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile(m.file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.from); n != 1 {
		t.Errorf("%q: %s has %q %d times, want once", m.breaks, m.file, m.from, n)
	}
	return string(source)
}

// home is the package whose test must notice.
func (m mutation) home() string {
	if m.pkg != "" {
		return m.pkg
	}
	return "./" + filepath.Dir(m.file)
}

func (m mutation) testExists(t *testing.T) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(m.home(), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc "+m.test+"(t *testing.T) {") {
			return true
		}
	}
	return false
}
