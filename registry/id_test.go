package registry_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/registry"
)

func TestOnlyStrictTextIsAnID(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a", "7", "acme", "acme-2", "2-acme", "a--b", strings.Repeat("x", 63)} {
		id, err := registry.ParseID(text)
		if err != nil || id.String() != text || id.IsZero() {
			t.Errorf("ParseID(%q) = %q, %v", text, id, err)
		}
	}
	for _, text := range []string{
		"", "-", "-a", "a-", "Acme", "a b", " a", "a\n", "a_b", "a.b", "a/b", "a'b", `a"b`, "a;b", "ä", "ａ", "a\x00", "\x00",
		"a\u200b", "\xff", "%61", strings.Repeat("x", 64), strings.Repeat("x", 10_000),
	} {
		id, err := registry.ParseID(text)
		if !errors.Is(err, registry.ErrInvalidID) || !id.IsZero() {
			t.Errorf("ParseID(%.20q) = %q, %v; want ErrInvalidID", text, id, err)
		}
		if err != nil && len(err.Error()) > 120 {
			t.Errorf("the error repeats the text: %.200s", err)
		}
	}
}

func TestAnIDReadsAndWritesAsText(t *testing.T) {
	t.Parallel()
	type doc struct {
		ID registry.ID            `json:"id" yaml:"id"`
		By map[registry.ID]string `json:"by" yaml:"by"`
	}
	in := doc{acme, map[registry.ID]string{acme: "x"}}
	text, err := json.Marshal(in)
	if want := `{"id":"acme","by":{"acme":"x"}}`; err != nil || string(text) != want {
		t.Fatalf("got %s, %v; want %s", text, err, want)
	}
	var out doc
	if err := json.Unmarshal(text, &out); err != nil || out.ID != acme || out.By[acme] != "x" {
		t.Errorf("JSON read %+v, %v", out, err)
	}
	out = doc{}
	if err := yaml.Unmarshal([]byte("id: acme"), &out); err != nil || out.ID != acme {
		t.Errorf("YAML read %+v, %v", out, err)
	}
	kept := acme
	for _, bad := range []string{`""`, `"A"`, `"a/b"`, `"a\u0000"`} {
		if err := json.Unmarshal([]byte(bad), &kept); !errors.Is(err, registry.ErrInvalidID) || kept != acme {
			t.Errorf("%s: %q, %v; want ErrInvalidID and the old value", bad, kept, err)
		}
	}
}

func TestMustParseIDPanicsOnWhatIsNone(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	registry.MustParseID("No ID")
}

func TestDerivedNamesFitAndDiffer(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("long-name-", 6)
	one, two := registry.MustParseID(long+"one"), registry.MustParseID(long+"two")
	for _, test := range []struct {
		id           registry.ID
		suffix, want string
	}{
		{acme, "", "acme"},
		{registry.MustParseID("acme-eu-2"), "", "acme_eu_2"},
		{registry.MustParseID("acme-eu"), "_owner", "acme_eu_owner"},
		{one, "", strings.ReplaceAll(one.String(), "-", "_")},
	} {
		if got := registry.DerivedName(test.id, test.suffix); got != test.want {
			t.Errorf("DerivedName(%s, %q) = %s, want %s", test.id, test.suffix, got, test.want)
		}
	}
	a, b := registry.DerivedName(one, "_owner"), registry.DerivedName(two, "_owner")
	pattern := regexp.MustCompile(`^(long_name_)+[a-z_]*_[0-9a-f]{8}_owner$`)
	if a == b || len(a) != 63 || !pattern.MatchString(a) {
		t.Errorf("shortened names are %s and %s", a, b)
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"acme", "a-b", "-a", "A", "", "a\x00b", "' or 1=1 --", "ä", strings.Repeat("x", 64)} {
		f.Add(seed)
	}
	valid := regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z`)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := registry.ParseID(text)
		if (err == nil) != valid.MatchString(text) {
			t.Fatalf("ParseID(%q): %v", text, err)
		}
		if err == nil && id.String() != text || err != nil && !id.IsZero() {
			t.Fatalf("ParseID(%q) = %q", text, id)
		}
		if name := registry.DerivedName(id, "_x"); len(name) > 63 {
			t.Fatalf("DerivedName of %q is %q", text, name)
		}
	})
}
