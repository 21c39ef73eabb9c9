package config_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/registry"
)

// tuned is minimal with more said of its cluster.
func tuned(settings string) []byte { return []byte(minimal + "    " + settings + "\n") }

func TestAFollowerHoldsAChangedFileToTheSameRules(t *testing.T) {
	t.Parallel()
	f := mustParse(t, minimal).Follow([]string{"POOLKEEPER_LOG_LEVEL=warn"})
	if err := f.Check([]byte(minimal + "pools: {max_pool: 3}\n")); err == nil || !strings.Contains(err.Error(), "poolkeeper.yaml:7: pools.max_pool: ") {
		t.Errorf("a broken file: %v", err)
	}
	if got := f.Take(); len(got.Restart) > 0 || len(got.Clusters) > 0 {
		t.Errorf("a broken file tells %+v", got)
	}
	for _, want := range [][]string{{"pools.max_pools", "log.level"}, nil} { // the second time nothing is new
		if err := f.Check([]byte(minimal + "pools: {max_pools: 3}\n")); err != nil {
			t.Error(err)
		}
		if got := f.Take(); !slices.Equal(got.Restart, want) {
			t.Errorf("told %v, not %v", got.Restart, want)
		}
	}
}

func TestAFollowerGivesTheClustersThatAreTunedOtherwise(t *testing.T) {
	t.Parallel()
	f := mustParse(t, minimal).Follow(nil)
	for _, step := range []struct {
		text string
		want string
	}{
		{"budget: 40", "main: 40 3 1 16 1000 0"},
		{"budget: 40", ""},
		{"budget: 40 # a comment", ""},
		{"margin: 0", "main: 0 0 1 16 1000 0"},
		{"replicas: 2", "main: 0 3 2 16 1000 0"},
		{"dials: 2", "main: 0 3 1 2 1000 0"},
		{"queue: 2", "main: 0 3 1 16 2 0"},
		{"spares: 2", "main: 0 3 1 16 1000 2"},
		{"budget: auto", "main: 0 3 1 16 1000 0"}, // back to what it was at the start
	} {
		if err := f.Check(tuned(step.text)); err != nil {
			t.Fatal(err)
		}
		got := f.Take()
		if text := tuning(got.Clusters); text != step.want || got.Restart != nil {
			t.Errorf("%s: told %q and %v, want %q", step.text, text, got.Restart, step.want)
		}
	}
}

func tuning(clusters map[string]registry.Cluster) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		c := clusters[name]
		lines = append(lines, fmt.Sprintf("%s: %d %d %d %d %d %d", name, c.Budget, c.Margin, c.Replicas, c.Dials, c.Queue, c.Spares))
	}
	return strings.Join(lines, "; ")
}

// What was right but not taken yet, because something newer came, is skipped;
// what is wrong does not undo it.
func TestTakeGivesTheLastFileThatWasRight(t *testing.T) {
	t.Parallel()
	f := mustParse(t, minimal).Follow(nil)
	for _, text := range []string{"budget: 40", "budget: 50"} {
		if err := f.Check(tuned(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Check(tuned("budget: 0")); err == nil {
		t.Error("a budget of 0 was accepted")
	}
	if got := tuning(f.Take().Clusters); got != "main: 50 3 1 16 1000 0" {
		t.Errorf("told %q", got)
	}
}

func TestWhereAClusterIsWaitsForARestart(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"admin: postgres://root:hunter3@db.example.com/app", "spare_dsn: postgres://spare:hunter3@db.example.com/app", "addresses: ['db:5432']",
	} {
		f := mustParse(t, minimal).Follow(nil)
		if err := f.Check(tuned(text)); err != nil {
			t.Fatal(err)
		}
		if got := f.Take(); !slices.Equal(got.Restart, []string{"clusters.main"}) || len(got.Clusters) > 0 {
			t.Errorf("%s: told %+v", text, got)
		}
	}
	f := mustParse(t, minimal).Follow(nil)
	elsewhere := strings.ReplaceAll(minimal, "main:", "other:") + "    budget: 7\n"
	if err := f.Check([]byte(elsewhere)); err != nil {
		t.Fatal(err)
	}
	if got := f.Take(); !slices.Equal(got.Restart, []string{"clusters.main", "clusters.other"}) || len(got.Clusters) > 0 {
		t.Errorf("another cluster: told %+v", got)
	}
}

// Every field of a cluster is either followed or waits for a restart.
func TestNoSettingOfAClusterIsForgottenWhenItChanges(t *testing.T) {
	t.Parallel()
	before := mustParse(t, minimal)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[registry.Cluster]()) {
		after := *before
		c := before.Clusters["main"]
		switch v := reflect.ValueOf(&c).Elem().FieldByIndex(f.Index).Addr().Interface().(type) {
		case *int:
			*v += 7
		case *registry.Secret:
			*v = registry.NewSecret("host=other")
		case *[]string:
			*v = []string{"other:1"}
		default:
			t.Fatalf("%s: no other value for a %v; add a case", f.Name, f.Type)
		}
		after.Clusters = map[string]registry.Cluster{"main": c}
		if n := len(before.Restart(&after)) + len(before.Retuned(&after)); n != 1 {
			t.Errorf("%s: told %d times", f.Name, n)
		}
	}
}

// As a program wires it: the tenants of a file and the tuning of its clusters
// change together or not at all.
func TestAFileSourceAndAFollowerGoTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "poolkeeper.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(minimal)
	cfg, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	follower := cfg.Follow(nil)
	var told []string
	file, err := registry.NewFile(registry.FileConfig{
		Path: path, Clusters: cfg.Clusters, Check: follower.Check, Poll: time.Hour,
		Reloaded: func(_, _, _ int, err error) {
			if err == nil {
				told = append(told, tuning(follower.Take().Clusters))
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	const acme = "tenants: {acme: {cluster: main, isolation: schema, login: acme}}\n"
	write(minimal + "    budget: 40\n" + acme + "pools: {max_pools: none}\n")
	if err := file.Reload(); err == nil {
		t.Error("a wrong setting was accepted")
	}
	write(minimal + "    budget: 40\n" + strings.ReplaceAll(acme, "schema", "planet"))
	if err := file.Reload(); err == nil {
		t.Error("a wrong tenant was accepted")
	}
	if _, err := file.Tenant(t.Context(), registry.MustParseID("acme")); !errors.Is(err, registry.ErrUnknown) || len(told) > 0 {
		t.Errorf("wrong files told %q, and the tenant gives %v", told, err)
	}
	write(minimal + "    budget: 40\n" + acme)
	if err := file.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Tenant(t.Context(), registry.MustParseID("acme")); err != nil || !slices.Equal(told, []string{"main: 40 3 1 16 1000 0"}) {
		t.Errorf("the right file told %q, and the tenant gives %v", told, err)
	}
}
