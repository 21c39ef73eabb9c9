package token_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/token"
)

// Whoever took the reference itself for the secret could be fooled by
// everybody who guesses the name of a variable.
func TestASecretThatIsReferredToIsReadAndItsNameSignsNothing(t *testing.T) {
	t.Setenv("POOLKEEPER_TEST_JWT_SECRET", secret)
	file := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	for _, reference := range []string{"env:POOLKEEPER_TEST_JWT_SECRET", "file:" + file} {
		c := symmetric()
		c.Secret = registry.NewSecret(reference)
		v := verifier(t, c, nil)
		if _, err := v.Verify(t.Context(), hs256(t, nil)); err != nil {
			t.Errorf("%s: the secret does not count: %v", reference, err)
		}
		refused(t, v, sign(t, jwt.SigningMethodHS256, "", []byte(reference), claims(nil)), token.ErrSignature)
	}
}

func TestASecretThatCannotBeReadOrIsShortStopsTheStart(t *testing.T) {
	t.Setenv("POOLKEEPER_TEST_JWT_SHORT", "short")
	for reference, want := range map[string]string{
		"env:POOLKEEPER_TEST_JWT_NONE":      "jwt.secret: names the environment variable POOLKEEPER_TEST_JWT_NONE, which is not set",
		"env:POOLKEEPER_TEST_JWT_SHORT":     "jwt.secret: has 5 bytes",
		"file:/nowhere/poolkeeper_test_jwt": "jwt.secret: names the file /nowhere/poolkeeper_test_jwt",
	} {
		c := symmetric()
		c.Secret = registry.NewSecret(reference)
		if _, err := token.New(c, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", reference, err, want)
		}
	}
}

func TestPrintingAVerifierShowsNoSecret(t *testing.T) {
	t.Parallel()
	v := verifier(t, symmetric(), nil)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		text := fmt.Sprintf(verb, v) + fmt.Sprintf(verb, *v)
		for _, shown := range []string{secret, fmt.Sprintf("%v", []byte(secret))[1:30], fmt.Sprintf("%x", secret), fmt.Sprintf("%#v", []byte(secret))[7:40]} {
			if strings.Contains(text, shown) {
				t.Errorf("%s shows it: %.300s", verb, text)
			}
		}
	}
}
