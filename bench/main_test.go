package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/bench/figures"
	"github.com/poolkeeper/poolkeeper/bench/report"
	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestMain(m *testing.M) {
	// Figure 3 runs its own program once more, which here is this one.
	if asked, err := figures.FootprintChild(context.Background(), os.Args[1:], os.Stdout); asked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := pgtest.Main(m, pgtest.Options{Settings: world.Settings(world.Options{})})
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// small is the world of the tests and the benchmarks, made by the first.
var small = sync.OnceValues(func() (*world.World, error) {
	s := figures.Smoke()
	return world.New(context.Background(), pgtest.Shared(), world.Options{Tenants: s.Tenants, Owners: s.Owners})
})

func sharedWorld(tb testing.TB) *world.World {
	tb.Helper()
	w, err := small()
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// The figures' numbers mean nothing here; that every figure is measured, and
// that every answer was the right tenant's, does.
func TestTheProgramMeasuresEveryFigureAndEveryRowIsTheRightTenants(t *testing.T) {
	folder := t.TempDir()
	o, err := parse([]string{"-smoke", "-out", folder}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := o.measure(t.Context(), sharedWorld(t), &lines, t.Output()); err != nil {
		t.Fatal(err)
	}
	found := readResults(t, folder)
	if found.Schema != report.Schema || found.Mode != "smoke" || len(found.Failures) > 0 || found.Versions["postgresql"] == "" {
		t.Errorf("the results begin with %+v", found)
	}
	for i, number := range figures.All() {
		if i >= len(found.Figures) || found.Figures[i].Number != number || len(found.Figures[i].Rows) == 0 {
			t.Fatalf("figure %d has no record", number)
		}
		line := regexp.MustCompile(fmt.Sprintf(`(?m)^figure %d: \S.* \(aim .+\)$`, number))
		if !line.MatchString(lines.String()) {
			t.Errorf("figure %d has no line in:\n%s", number, lines.String())
		}
	}
}

func readResults(t *testing.T, folder string) *report.Run {
	t.Helper()
	for _, name := range []string{"latest.md", "cold.svg", "sockets.svg", "fairness.svg", "throughput.svg"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() < 500 {
			t.Errorf("%s was not written: %v", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, "latest.json"))
	if err != nil {
		t.Fatal(err)
	}
	found := &report.Run{}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAWrongFlagIsNamed(t *testing.T) {
	t.Parallel()
	for flags, want := range map[string]string{
		"-figures 11": "one of 1 to 10", "-sql maybe": "none of untrusted", "-ways": "needs an argument", "quick": "is no flag",
		"-workloads cold": "hot, zipf, uniform",
	} {
		if _, err := parse(strings.Fields(flags), t.Output()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want one with %q", flags, err, want)
		}
	}
}
