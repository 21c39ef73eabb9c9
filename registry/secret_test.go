package registry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/registry"
)

const hush = "hush-4711"

func TestNoWayOfPrintingShowsASecret(t *testing.T) {
	t.Parallel()
	s := registry.NewSecret(hush)
	record := tenant("acme")
	record.Password, record.DSN = s, s
	hidden := struct{ s registry.Secret }{s} // fmt asks no method of an unexported field
	shown := map[string]string{"String": s.String(), "error": fmt.Errorf("x: %v", s).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%10s", "%T", "%w"} {
		for name, v := range map[string]any{
			"value": s, "pointer": &s, "slice": []registry.Secret{s}, "map": map[string]registry.Secret{"k": s},
			"tenant": record, "cluster": registry.Cluster{DSN: s, Admin: s, SpareDSN: s}, "hidden": hidden, "hidden pointer": &hidden,
		} {
			shown[verb+" of "+name] = fmt.Sprintf(verb, v)
		}
	}
	for name, v := range map[string]any{"value": s, "tenant": record, "map": map[registry.Secret]int{s: 1}} {
		text, err := json.Marshal(v)
		must(t, err)
		shown["JSON of "+name] = string(text)
	}
	text, err := yaml.Marshal(map[string]any{"value": s, "pointer": &s, "cluster": registry.Cluster{DSN: s}})
	must(t, err)
	shown["YAML"] = string(text)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s, "p", &s, "t", record, "group", slog.GroupValue(slog.Any("s", s)))
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s, "p", &s, "t", record)
	shown["slog"] = log.String()
	for how, text := range shown {
		if strings.Contains(text, hush) || strings.Contains(text, fmt.Sprintf("%x", hush)) {
			t.Errorf("%s shows it: %s", how, text)
		}
	}
	if got := fmt.Sprint(s); got != "[secret]" {
		t.Errorf("printed as %q", got)
	}
	if s.Reveal() != hush {
		t.Error("Reveal does not")
	}
}

func TestSecretsAreEqualWhenTheirTextsAre(t *testing.T) {
	t.Parallel()
	one, same, other := registry.NewSecret("a"), registry.NewSecret("a"), registry.NewSecret("b")
	if one != same || one == other {
		t.Error("== compares something else")
	}
	var none registry.Secret
	if !none.IsZero() || !registry.NewSecret("").IsZero() || none.Reveal() != "" || registry.NewSecret("a").IsZero() {
		t.Error("the zero secret is not the empty one")
	}
}

func TestAPrintedSecretIsNotReadBackAsOne(t *testing.T) {
	t.Parallel()
	var s registry.Secret
	if err := json.Unmarshal([]byte(`"[secret]"`), &s); err == nil || !s.IsZero() {
		t.Errorf("read %v, %v", s.IsZero(), err)
	}
	if err := json.Unmarshal([]byte(`"env:X"`), &s); err != nil || s.Reveal() != "env:X" {
		t.Errorf("read %q, %v", s.Reveal(), err)
	}
}

func TestASecretResolvesToWhatItRefersTo(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "password"), hush+"\r\n\n")
	write(t, filepath.Join(dir, "spaces"), " "+hush+" ")
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "nul"), hush+"\x00")
	write(t, filepath.Join(dir, "huge"), strings.Repeat("x", 64<<10+1))
	t.Setenv("POOLKEEPER_TEST_SECRET", hush)
	t.Setenv("POOLKEEPER_TEST_EMPTY", "")
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, test := range []struct{ ref, want, err string }{
		{hush, hush, ""},
		{"", "", ""},
		{"environment", "environment", ""},
		{"env:POOLKEEPER_TEST_SECRET", hush, ""},
		{"env:POOLKEEPER_TEST_EMPTY", "", "names the environment variable POOLKEEPER_TEST_EMPTY, which is not set"},
		{"env:POOLKEEPER_TEST_NONE", "", "names the environment variable POOLKEEPER_TEST_NONE, which is not set"},
		{"env:", "", "names the environment variable , which is not set"},
		{"file:password", hush, ""},
		{"file:" + in("password"), hush, ""},
		{"file:spaces", " " + hush + " ", ""},
		{"file:empty", "", "names the file " + in("empty") + ", which is empty"},
		{"file:nul", "", "names the file " + in("nul") + ", which contains a NUL byte"},
		{"file:none", "", "names the file " + in("none") + ", which cannot be read: no such file or directory"},
		{"file:huge", "", "names the file " + in("huge") + ", which cannot be read: it is larger than 65536 bytes"},
		{hush + "\x00", "", "contains a NUL byte, which PostgreSQL cannot take"},
	} {
		got, err := registry.NewSecret(test.ref).Resolve(dir)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got.Reveal() != test.want || text != test.err {
			t.Errorf("%q resolves to %q, %v", test.ref, got.Reveal(), err)
		}
	}
}
