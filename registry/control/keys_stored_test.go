package control_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// With a copy of the database nobody gets in, and nobody can even tell whether
// a text is one of its keys.
func TestNothingThatIsStoredGivesAKeyAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := &buffer{}
	d := w.serving(logging(log))
	create(t, d, record("acme"))
	text, made := keyOf(t, d, "acme")
	becomes(t, d, text, "acme")
	_, err := d.RevokeKey(soon(t), id("acme"), made.ID)
	must(t, err)
	becomes(t, d, text, apikey.ErrRevoked.Error())
	d.Close() // which writes the last use, too
	all := w.dump()
	if !strings.Contains(all, made.ID) || strings.Count(all, "sealed:") != 3 { // the password, the canary, the pepper
		t.Fatalf("this is not all that is stored:\n%s", all)
	}
	secret := text[len(made.Prefix())+1:]
	for what, of := range map[string]string{"the text": text, "its secret": secret} {
		sum := sha256.Sum256([]byte(of))
		for _, form := range []string{
			of, hex.EncodeToString([]byte(of)), base64.StdEncoding.EncodeToString([]byte(of))[:20],
			hex.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:]),
		} {
			if strings.Contains(strings.ToLower(all), strings.ToLower(form)) {
				t.Errorf("%s is stored as %s", what, form)
			}
		}
	}
	if strings.Contains(log.String(), secret) {
		t.Error("it is logged")
	}
}

func TestWithoutAKeysetNoKeyIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keyset = registry.Secret{}
	d := w.serving()
	create(t, d, with("acme", func(r *control.Record) { r.Password = registry.Secret{} }))
	text, _, err := d.CreateKey(soon(t), newKey("acme"))
	if !errors.Is(err, control.ErrKeyset) || !strings.Contains(err.Error(), "control.keyset") || !text.IsZero() {
		t.Errorf("made: %v", err)
	}
	other, _ := apikey.Generate()
	if got := verify(t, d, other.Reveal()); got != apikey.ErrUnknown.Error() {
		t.Errorf("a key of elsewhere is %s", got)
	}
}

func TestARotatedKeysetSealsThePepperAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.serving()
	create(t, old, record("acme"))
	before, _ := keyOf(t, old, "acme")
	first := w.keyset
	rotated, err := seal.Rotate(first)
	must(t, err)
	w.keyset = rotated
	d := w.serving()
	n, err := d.Reseal(soon(t))
	if err != nil || n != 3 { // the password, the canary, the pepper
		t.Fatalf("sealed %d again, %v", n, err)
	}
	if n, err := d.Reseal(soon(t)); n != 0 || err != nil {
		t.Errorf("a second time: %d, %v", n, err)
	}
	after, made := keyOf(t, d, "acme")
	must(t, d.Applied(soon(t), made.Version))
	for _, text := range []string{before, after} {
		if got := verify(t, w.serving(), text); got != "acme" {
			t.Errorf("with the new keyset it is %s", got)
		}
	}
	if got := verify(t, old, before); got != "acme" && got != registry.ErrUnavailable.Error() {
		t.Errorf("with the old keyset it is %s", got)
	}
}

// The keyset is the right one, or nothing would have started, but the pepper
// is not what it sealed.
func TestAPepperThatCannotBeOpenedIsSaidSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	create(t, d, record("acme"))
	text, _ := keyOf(t, d, "acme")
	for _, test := range []struct{ name, sql string }{
		{"another", "update poolkeeper.pepper set sealed = 'sealed:AAAA'"}, {"none", "delete from poolkeeper.pepper"},
	} {
		name := test.name
		w.exec(test.sql)
		log := &buffer{}
		broken := w.serving(logging(log))
		_, err := broken.Key(soon(t), text)
		if !errors.Is(err, registry.ErrUnavailable) || !strings.Contains(err.Error(), "pepper") {
			t.Errorf("%s: verified: %v", name, err)
		}
		if _, err := broken.Key(soon(t), "nothing"); !errors.Is(err, apikey.ErrMalformed) {
			t.Errorf("%s: no key's text: %v", name, err)
		}
		if n := strings.Count(log.String(), "the API keys cannot be verified"); n != 1 {
			t.Errorf("%s: logged %d times:\n%s", name, n, log)
		}
		if got := status(broken, "acme"); got != registry.StatusActive {
			t.Errorf("%s: the tenant is %q", name, got)
		}
		if name == "none" {
			continue
		}
		if _, _, err := broken.CreateKey(soon(t), newKey("acme")); !errors.Is(err, control.ErrKeyset) {
			t.Errorf("%s: made: %v", name, err)
		}
		if _, err := broken.Reseal(soon(t)); !errors.Is(err, control.ErrKeyset) || !strings.Contains(err.Error(), "pepper") {
			t.Errorf("%s: sealed again: %v", name, err)
		}
	}
	// What the documentation says to do.
	w.exec("delete from poolkeeper.keys")
	w.exec("delete from poolkeeper.pepper")
	d = w.serving()
	if got := verify(t, d, text); got != apikey.ErrUnknown.Error() {
		t.Errorf("without keys: %s", got)
	}
	text, _ = keyOf(t, d, "acme")
	becomes(t, d, text, "acme")
}
