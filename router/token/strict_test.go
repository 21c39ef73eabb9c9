package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router/token"
)

// signed has the very text as its claims.
func signed(claims string) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestClaimsThatCanBeReadInTwoWaysAreRefused(t *testing.T) {
	t.Parallel()
	v := verifier(t, symmetric(), nil)
	raw, err := json.Marshal(claims(nil))
	must(t, err)
	good := string(raw)
	with := func(more string) string { return strings.TrimSuffix(good, "}") + "," + more + "}" }
	for _, text := range []string{good, good + "\n", with(`"a":{"x":1},"b":{"x":[{"x":1},{"x":2}]}`)} {
		if got, err := v.Verify(t.Context(), signed(text)); err != nil || got.Tenant.String() != "acme" {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		with(`"tenant":"globex"`), with(`"tenant":"acme"`), with(`"ten\u0061nt":"globex"`), with(`"a":{"x":1,"x":2}`), with(`"a":[[{"x":1,"x":2}]]`),
		good + `{"tenant":"globex"}`, good + "x", good + "}", good + " null",
	} {
		refused(t, v, signed(text), token.ErrClaims)
	}
	for _, text := range []string{with(`"nbf":1e19`), with(`"nbf":9.3e18`), with(`"nbf":1e400`), with(`"nbf":253402300800`)} {
		refused(t, v, signed(text), token.ErrExpired)
	}
}
