package registry_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

func TestABadFileChangesNothingAndSaysWhichLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	f := follow(t, registry.FileConfig{Path: path})
	f.settle(t, path)
	for text, want := range map[string]string{
		"tenants:\n  acme: {cluster: main, isolation: schema, status: asleep}\n": path + `:2: tenants.acme.status: is "asleep"; it must be pending, active, suspended or retired`,
		"tenants:\n  acme: {cluster\n":                                           path + ":1: this is not YAML: did not find expected ',' or '}'",
		" \n":                                                                    path + ": is empty; a file without tenants has the line tenants: {}",
	} {
		write(t, path, text)
		f.expect(t, "+0 ~0 -0 "+want)
		f.has(t, "acme")
	}
	must(t, os.Remove(path))
	f.expect(t, "+0 ~0 -0 "+path+": there is no such file")
	f.has(t, "acme")
	write(t, path, lines("acme", "globex"))
	f.expect(t, "+1 ~0 -0 <nil>")
	f.has(t, "acme", "globex")
}

func TestAFileThatCheckRefusesChangesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	refusal := errors.New("server.listen: is wrong")
	check := func(data []byte) error {
		if strings.Contains(string(data), "server:") {
			return refusal
		}
		return nil
	}
	f := follow(t, registry.FileConfig{Path: path, Check: check})
	f.settle(t, path)
	write(t, path, "server: x\n"+lines("-acme"))
	f.expect(t, "+0 ~0 -0 server.listen: is wrong")
	f.has(t, "acme")
	if err := f.Reload(); !errors.Is(err, refusal) {
		t.Errorf("Reload: %v", err)
	}
	if _, err := registry.NewFile(registry.FileConfig{Path: path, Check: check, Clusters: sourcetest.Clusters()}); !errors.Is(err, refusal) {
		t.Errorf("NewFile: %v", err)
	}
}

func TestAFileThatStaysWrongIsToldOfOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, lines("acme"))
	f := follow(t, registry.FileConfig{Path: path, Poll: 5 * time.Millisecond, Debounce: time.Millisecond})
	write(t, path, "tenants: 7\n")
	f.expect(t, "+0 ~0 -0 "+path+":1: tenants: must be a mapping, with a line of its own for each key")
	select {
	case got := <-f.outcomes:
		t.Fatalf("told again: %s", got)
	case <-time.After(250 * time.Millisecond): // many polls later
	}
	write(t, path, lines("acme"))
	f.expect(t, unchanged)
}

func TestAFileIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
	write(t, good, lines("acme"))
	write(t, bad, "tenants: {acme: {}}")
	for want, cfg := range map[string]registry.FileConfig{
		"registry: FileConfig.Path is empty; name the file with the tenants":                     {},
		"registry: FileConfig.Debounce and Poll cannot be negative; 0 means the default":         {Path: good, Poll: -1},
		bad + ":1: tenants.acme.isolation: is missing; it must be schema, database or row, here": {Path: bad},
		filepath.Join(dir, "none") + ": there is no such file":                                   {Path: filepath.Join(dir, "none")},
		dir + ": cannot be read: ": {Path: dir},
		filepath.Join(dir, "none") + ": this folder of tenants cannot be read: ": {Path: good, Dir: filepath.Join(dir, "none")},
	} {
		cfg.Clusters = sourcetest.Clusters()
		if f, err := registry.NewFile(cfg); err == nil || f != nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
