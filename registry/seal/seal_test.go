package seal_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

func id(text string) registry.ID { return registry.MustParseID(text) }

// generated returns a new keyset and its text.
func generated(t testing.TB) (*seal.Keyset, registry.Secret) {
	t.Helper()
	text, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, text), text
}

func parsed(t testing.TB, text registry.Secret) *seal.Keyset {
	t.Helper()
	k, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sealed(t testing.TB, k *seal.Keyset, tenant, field, secret string) string {
	t.Helper()
	text, err := k.Seal(id(tenant), field, registry.NewSecret(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestASealedValueOpensAsItWasAndShowsNothing(t *testing.T) {
	t.Parallel()
	k, _ := generated(t)
	for _, secret := range []string{"x", "it's #1: ü", strings.Repeat("long ", 10_000)} {
		text := sealed(t, k, "acme", "password", secret)
		if !seal.Sealed(text) || !k.Current(text) || strings.Contains(text, secret) && len(secret) > 1 {
			t.Errorf("sealed as %q", text)
		}
		if again := sealed(t, k, "acme", "password", secret); again == text {
			t.Error("the same secret was sealed to the same text twice")
		}
		got, err := k.Open(id("acme"), "password", text)
		if err != nil || got.Reveal() != secret {
			t.Errorf("opened %q, %v", got.Reveal(), err)
		}
	}
}

func TestASealedValueCannotBeMoved(t *testing.T) {
	t.Parallel()
	k, _ := generated(t)
	other, _ := generated(t)
	text := sealed(t, k, "acme", "password", "hush")
	for name, open := range map[string]func() (registry.Secret, error){
		"another tenant":     func() (registry.Secret, error) { return k.Open(id("globex"), "password", text) },
		"another field":      func() (registry.Secret, error) { return k.Open(id("acme"), "dsn", text) },
		"parts moved over":   func() (registry.Secret, error) { return k.Open(id("acm"), "epassword", text) },
		"another keyset":     func() (registry.Secret, error) { return other.Open(id("acme"), "password", text) },
		"a byte changed":     func() (registry.Secret, error) { return k.Open(id("acme"), "password", flip(text)) },
		"cut short":          func() (registry.Secret, error) { return k.Open(id("acme"), "password", text[:len(text)-8]) },
		"nothing inside":     func() (registry.Secret, error) { return k.Open(id("acme"), "password", "sealed:") },
		"in clear":           func() (registry.Secret, error) { return k.Open(id("acme"), "password", "hush") },
		"another's base64":   func() (registry.Secret, error) { return k.Open(id("acme"), "password", text+"!") },
		"without its prefix": func() (registry.Secret, error) { return k.Open(id("acme"), "password", text[len("sealed:"):]) },
	} {
		if got, err := open(); !errors.Is(err, seal.ErrSealed) || !got.IsZero() || strings.Contains(err.Error(), text[20:30]) {
			t.Errorf("%s: %q, %v", name, got.Reveal(), err)
		}
	}
}

// flip changes the last byte of the cipher text.
func flip(text string) string {
	raw, _ := base64.StdEncoding.DecodeString(text[len("sealed:"):])
	raw[len(raw)-1] ^= 1
	return "sealed:" + base64.StdEncoding.EncodeToString(raw)
}

func TestARotatedKeysetOpensTheOldAndSealsWithTheNew(t *testing.T) {
	t.Parallel()
	old, text := generated(t)
	before := sealed(t, old, "acme", "password", "hush")
	rotated, err := seal.Rotate(text)
	if err != nil {
		t.Fatal(err)
	}
	k := parsed(t, rotated)
	got, err := k.Open(id("acme"), "password", before)
	if err != nil || got.Reveal() != "hush" {
		t.Errorf("after the rotation: %q, %v", got.Reveal(), err)
	}
	after := sealed(t, k, "acme", "password", "hush")
	if k.Current(before) || !k.Current(after) {
		t.Errorf("current: before %t, after %t; want false, true", k.Current(before), k.Current(after))
	}
	if _, err := old.Open(id("acme"), "password", after); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("the old keyset opens what the new one sealed: %v", err)
	}
}

func TestABadKeysetIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	_, good := generated(t)
	for name, text := range map[string]string{
		"empty":          "",
		"no JSON":        "hush-hush",
		"no keys":        `{"primaryKeyId":1,"key":[]}`,
		"cut":            good.Reveal()[:len(good.Reveal())/2],
		"no primary":     strings.Replace(good.Reveal(), "primaryKeyId", "primaryKeyIx", 1),
		"disabled":       strings.ReplaceAll(good.Reveal(), "ENABLED", "DISABLED"),
		"raw":            of(t, aead.AES256GCMNoPrefixKeyTemplate()),
		"for signatures": of(t, mac.HMACSHA256Tag128KeyTemplate()),
	} {
		_, err := seal.Parse(registry.NewSecret(text))
		if !errors.Is(err, seal.ErrKeyset) || text != "" && strings.Contains(fmt.Sprintf("%+v", err), text) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(fmt.Sprint(err), "hush") {
			t.Errorf("%s: the error shows it: %v", name, err)
		}
	}
	if _, err := seal.Rotate(registry.NewSecret("hush")); !errors.Is(err, seal.ErrKeyset) {
		t.Errorf("rotating what is no keyset: %v", err)
	}
}

// of is a keyset of another kind.
func of(t *testing.T, template *tinkpb.KeyTemplate) string {
	t.Helper()
	handle, err := keyset.NewHandle(template)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestAnEmptySecretIsNotSealed(t *testing.T) {
	t.Parallel()
	k, _ := generated(t)
	if text, err := k.Seal(id("acme"), "password", registry.Secret{}); err == nil {
		t.Errorf("sealed as %q", text)
	}
}

func FuzzOpen(f *testing.F) {
	k, _ := generated(f)
	whole, err := k.Seal(id("acme"), "password", registry.NewSecret("hush"))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{whole, whole[:20], flip(whole), "", "sealed:", "sealed:AAAA", "env:X", whole + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := k.Open(id("acme"), "password", text)
		switch {
		case err == nil && text != whole:
			t.Errorf("%q opens as %q", text, got.Reveal())
		case err != nil && !errors.Is(err, seal.ErrSealed):
			t.Errorf("another kind of error: %v", err)
		case err != nil && len(text) > 16 && strings.Contains(err.Error(), text):
			t.Errorf("the error repeats the text: %v", err)
		}
	})
}

func Example() {
	text, err := seal.Generate()
	if err != nil {
		fmt.Println(err)
		return
	}
	keyset, err := seal.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	acme := registry.MustParseID("acme")
	sealed, err := keyset.Seal(acme, "password", registry.NewSecret("hush"))
	if err != nil {
		fmt.Println(err)
		return
	}
	secret, err := keyset.Open(acme, "password", sealed)
	fmt.Println(sealed[:7], secret, secret.Reveal(), err)
	_, err = keyset.Open(registry.MustParseID("globex"), "password", sealed)
	fmt.Println(errors.Is(err, seal.ErrSealed))
	// Output:
	// sealed: [secret] hush <nil>
	// true
}
