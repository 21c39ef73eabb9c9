package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/config"
)

// reference is the shipped configuration.
const reference = "../config.yaml"

// commented matches a setting that is given as a comment: "  #key: value".
var commented = regexp.MustCompile(`^( *)#([a-z_0-9]+): (.*)$`)

// documented returns the settings that the reference gives as comments, by
// path, as they would be read without the "#".
func documented(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	var parents []string
	for i, line := range strings.Split(string(data), "\n") {
		if m := commented.FindStringSubmatch(line); m != nil {
			depth := len(m[1]) / 2
			if depth > len(parents) {
				t.Errorf("line %d is indented too far: %s", i+1, line)
				continue
			}
			path := strings.Join(append(parents[:depth:depth], m[2]), ".")
			if _, twice := found[path]; twice {
				t.Errorf("line %d documents %s a second time", i+1, path)
			}
			found[path] = m[3]
			continue
		}
		trimmed := strings.TrimLeft(line, " ")
		if key, ok := strings.CutSuffix(trimmed, ":"); ok && !strings.HasPrefix(trimmed, "#") {
			parents = append(parents[:(len(line)-len(trimmed))/2], key)
		}
	}
	return found
}

func TestTheReferenceNamesEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	found := documented(t)
	for _, s := range config.AllSettings() {
		text, ok := found[s.Path]
		delete(found, s.Path)
		if !ok {
			t.Errorf("config.yaml lacks %s; add a comment on what it does, and the line #%s: %s",
				s.Path, s.Path[strings.LastIndex(s.Path, ".")+1:], config.Rendered(s.Path))
			continue
		}
		got, err := config.Read(s.Path, text)
		if err != nil {
			t.Errorf("config.yaml: %s: %s: %v", s.Path, text, err)
			continue
		}
		if fmt.Sprint(got) != fmt.Sprint(s.Default) || !sameEmptiness(got, s.Default) {
			t.Errorf("config.yaml says that the default of %s is %s; it is %s", s.Path, text, config.Rendered(s.Path))
		}
	}
	for _, s := range config.ClusterSettings("main") {
		if s.Path == "clusters.main.dsn" || s.Path == "clusters.main.admin" {
			continue // these are given
		}
		if got, ok := found[s.Path]; !ok || !sameYAML(t, got, s.Default.(string)) {
			t.Errorf("config.yaml gives %q for %s; its default is %s", got, s.Path, s.Default)
		}
		delete(found, s.Path)
	}
	for path := range found {
		t.Errorf("config.yaml documents %s, which is no setting", path)
	}
}

// sameYAML compares what two texts mean, however they are quoted.
func sameYAML(t *testing.T, a, b string) bool {
	t.Helper()
	var one, two any
	if err := errors.Join(yaml.Unmarshal([]byte(a), &one), yaml.Unmarshal([]byte(b), &two)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(one, two)
}

func sameEmptiness(a, b any) bool {
	return reflect.ValueOf(a).IsZero() == reflect.ValueOf(b).IsZero() || reflect.ValueOf(a).Kind() == reflect.Slice
}

func TestEverySettingOfTheReferenceHasAnExplanationAbove(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if m := commented.FindStringSubmatch(line); m != nil {
			above := strings.TrimSpace(lines[i-1])
			explained := strings.HasPrefix(above, "# ") || commented.MatchString(lines[i-1]) || m[2] == "resolvers"
			if !explained {
				t.Errorf("line %d: %s is not explained", i+1, strings.TrimSpace(line))
			}
		}
	}
}

func TestTheReferenceIsRightAndIsTheDemo(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(reference, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tenant := range cfg.Tenants {
		got = append(got, fmt.Sprintf("%s %s %s shared=%v", tenant.ID, tenant.Status, tenant.Isolation, tenant.SharedLogin))
	}
	want := []string{
		"acme active schema shared=false", "globex active database shared=false",
		"hooli suspended schema shared=false", "initech active row shared=true",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the tenants are\n%s", strings.Join(got, "\n"))
	}
}

// With every "#" removed the file must be right too: what users do first is to
// remove one.
func TestTheReferenceIsRightWithEveryDefaultWrittenOut(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		m := commented.FindStringSubmatch(line)
		if m == nil || m[2] == "resolvers" || m[2] == "migrations" || m[2] == "shared" {
			continue // these are given below
		}
		lines[i] = m[1] + m[2] + ": " + m[3]
	}
	text := []byte(strings.Join(lines, "\n"))
	written, err := config.Parse(reference, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	asShipped, err := config.Parse(reference, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if changed := asShipped.Restart(written); len(changed) > 0 {
		t.Errorf("written out, these differ: %v", changed)
	}
	if retuned := asShipped.Retuned(written); len(retuned) > 0 {
		t.Errorf("written out, clusters differ: %+v", retuned)
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil {
		t.Error(err)
	}
}
