package apikey_test

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// form is the one that a text is promised to have.
func form() *regexp.Regexp { return regexp.MustCompile(`^pk_([a-z0-9]{12})_([A-Za-z0-9]{32})$`) }

func TestATextHasItsFormAndNoOtherIsLikeIt(t *testing.T) {
	t.Parallel()
	ids, secrets := map[string]bool{}, map[string]bool{}
	const many = 2000
	for range many {
		text, id := apikey.Generate()
		parts := form().FindStringSubmatch(text.Reveal())
		if parts == nil || parts[1] != id {
			t.Fatalf("a text of another form, or of another id than %q", id)
		}
		if got, err := apikey.Parse(text.Reveal()); got != id || err != nil {
			t.Fatalf("Parse: %q, %v; want %q", got, err, id)
		}
		ids[id], secrets[parts[2]] = true, true
	}
	if len(ids) != many || len(secrets) != many {
		t.Errorf("of %d texts there are %d ids and %d secrets", many, len(ids), len(secrets))
	}
}

// A character that came up more often than others would make secrets easier
// to guess than they are long.
func TestEveryCharacterIsAsLikelyAsTheOthers(t *testing.T) {
	t.Parallel()
	count := map[rune]int{}
	const many = 8000
	for range many {
		text, id := apikey.Generate()
		for _, c := range text.Reveal()[len("pk_")+len(id)+1:] {
			count[c]++
		}
	}
	mean := many * 32 / 62
	for c, n := range count {
		if n < mean*8/10 || n > mean*12/10 { // of more than 4,000: twelve standard deviations
			t.Errorf("%q came %d times, the mean is %d", c, n, mean)
		}
	}
	if len(count) != 62 {
		t.Errorf("%d different characters, want 62", len(count))
	}
}

func TestATextCanBeThePasswordOfAConnectionString(t *testing.T) {
	t.Parallel()
	text, _ := apikey.Generate()
	u, err := url.Parse("postgres://app:" + text.Reveal() + "@acme.db.example.com/db")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := u.User.Password(); got != text.Reveal() || u.User.String() != "app:"+text.Reveal() {
		t.Error("it was changed on the way")
	}
}

func TestWhatHasNotTheFormIsMalformed(t *testing.T) {
	t.Parallel()
	good := "pk_abcdefgh0123_" + strings.Repeat("aZ9b", 8)
	if _, err := apikey.Parse(good); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":               "",
		"the prefix alone":      "pk_",
		"another prefix":        "sk" + good[2:],
		"a prefix in capitals":  "PK_" + good[3:],
		"too short":             good[:len(good)-1],
		"too long":              good + "a",
		"capitals in the id":    "pk_A" + good[4:],
		"a sign in the id":      "pk_-" + good[4:],
		"no line between":       strings.Replace(good, "3_", "3-", 1),
		"a sign in the secret":  good[:len(good)-1] + "-",
		"a line in the secret":  good[:len(good)-1] + "_",
		"another alphabet":      good[:len(good)-2] + "é",
		"a NUL":                 good[:len(good)-1] + "\x00",
		"spaces around":         " " + good[1:],
		"a new line at the end": good[:len(good)-1] + "\n",
	} {
		if id, err := apikey.Parse(text); id != "" || !errors.Is(err, apikey.ErrMalformed) {
			t.Errorf("%s: %q, %v", name, id, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, _ := apikey.Generate()
	for _, seed := range []string{text.Reveal(), "pk_", "", strings.ToUpper(text.Reveal()), text.Reveal() + "x", "pk_" + strings.Repeat("_", 45)} {
		f.Add(seed)
	}
	well := form()
	f.Fuzz(func(t *testing.T, text string) {
		id, err := apikey.Parse(text)
		parts := well.FindStringSubmatch(text)
		if strings.HasSuffix(text, "\n") {
			parts = nil // where $ matches too
		}
		switch {
		case err == nil && (parts == nil || parts[1] != id):
			t.Errorf("%q was taken, with the id %q", text, id)
		case err != nil && parts != nil:
			t.Errorf("%q was refused: %v", text, err)
		case err != nil && (!errors.Is(err, apikey.ErrMalformed) || len(text) > 12 && strings.Contains(err.Error(), text)):
			t.Errorf("%q: %v", text, err)
		}
	})
}

func TestThePepperDecidesTheHashAndIsNotShown(t *testing.T) {
	t.Parallel()
	p, other := apikey.NewPepper(), apikey.NewPepper()
	text, _ := apikey.Generate()
	acme := registry.MustParseID("acme")
	again, err := apikey.ParsePepper(p.Secret())
	if err != nil {
		t.Fatal(err)
	}
	if p.Hash(text.Reveal(), acme, apikey.ScopeRead) != again.Hash(text.Reveal(), acme, apikey.ScopeRead) {
		t.Error("a pepper that was stored gives another hash")
	}
	if p.Hash(text.Reveal(), acme, apikey.ScopeRead) == other.Hash(text.Reveal(), acme, apikey.ScopeRead) {
		t.Error("two peppers give one hash")
	}
	for _, shown := range []string{fmt.Sprintf("%v", p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p), fmt.Sprintf("%v", []any{p})} {
		if len(shown) > 80 { // an address
			t.Errorf("it is shown: %s", shown)
		}
	}
	for _, bad := range []string{"", "AAAA", "hush-hush!", p.Secret().Reveal() + "A", p.Secret().Reveal()[4:]} {
		if p, err := apikey.ParsePepper(registry.NewSecret(bad)); err == nil || !p.IsZero() || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
