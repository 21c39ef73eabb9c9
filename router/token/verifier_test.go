package token_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/poolkeeper/poolkeeper/router/token"
)

func TestEachAlgorithmOfTheListIsVerified(t *testing.T) {
	rsa2048, ec := rsaKey(t, 2048), ecKey(t)
	edPublic, ed := edKey(t)
	i := &issuer{TB: t}
	i.publish("rsa", publicOf(rsa2048))
	i.publish("ec", publicOf(ec))
	i.publish("ed", edPublic)
	c := published()
	c.Algorithms, c.Secret = []string{"RS256", "ES256", "EdDSA", "HS256"}, symmetric().Secret
	v := verifier(t, c, i)
	for _, text := range []string{
		sign(t, jwt.SigningMethodRS256, "rsa", rsa2048, claims(nil)),
		sign(t, jwt.SigningMethodES256, "ec", ec, claims(nil)),
		sign(t, jwt.SigningMethodEdDSA, "ed", ed, claims(nil)),
		sign(t, jwt.SigningMethodEdDSA, "", ed, claims(nil)), // tried with all
		hs256(t, nil),
	} {
		if got := believed(t, v, text); got.Tenant.String() != "acme" || got.Subject != "somebody" || got.ReadOnly {
			t.Errorf("%+v", got)
		}
	}
	if got := i.asked(); got != 1 {
		t.Errorf("the issuer was asked %d times", got)
	}
}

func TestAnAlgorithmThatIsNotOnTheListIsRefused(t *testing.T) {
	rsa2048 := rsaKey(t, 2048)
	i := &issuer{TB: t}
	i.publish("rsa", publicOf(rsa2048))
	c := published()
	c.Algorithms = []string{"ES256"}
	v := verifier(t, c, i)
	refused(t, v, sign(t, jwt.SigningMethodRS256, "rsa", rsa2048, claims(nil)), token.ErrSignature)
	refused(t, v, sign(t, jwt.SigningMethodNone, "", jwt.UnsafeAllowNoneSignatureType, claims(nil)), token.ErrSignature)
	refused(t, v, hs256(t, nil), token.ErrSignature)
}

// The oldest trick: what everybody knows is used as the secret.
func TestAPublicKeyIsNoSecret(t *testing.T) {
	rsa2048 := rsaKey(t, 2048)
	i := &issuer{TB: t}
	i.publish("rsa", publicOf(rsa2048))
	c := published()
	c.Algorithms, c.Secret = []string{"RS256", "HS256"}, symmetric().Secret
	v := verifier(t, c, i)
	believed(t, v, sign(t, jwt.SigningMethodRS256, "rsa", rsa2048, claims(nil)))
	der, err := x509.MarshalPKIXPublicKey(publicOf(rsa2048))
	must(t, err)
	for _, known := range [][]byte{
		der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
		rsa2048.N.Bytes(), []byte(base64.RawURLEncoding.EncodeToString(rsa2048.N.Bytes())),
	} {
		refused(t, v, sign(t, jwt.SigningMethodHS256, "rsa", known, claims(nil)), token.ErrSignature)
	}
}

func TestAKeyThatTheTokenBringsAlongIsNotLookedAt(t *testing.T) {
	t.Parallel()
	public, _ := edKey(t)
	_, stranger := edKey(t)
	i := &issuer{TB: t}
	i.publish("ed", public)
	v := verifier(t, published(), i)
	made := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims(nil))
	made.Header["kid"] = "ed"
	made.Header["jku"] = "https://elsewhere.example.com/jwks.json"
	made.Header["jwk"] = map[string]string{
		"kty": "OKP", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(stranger[32:]),
	}
	text, err := made.SignedString(stranger)
	must(t, err)
	refused(t, v, text, token.ErrSignature)
}

func TestAnExtensionThatMustBeUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	v := verifier(t, symmetric(), nil)
	made := jwt.NewWithClaims(jwt.SigningMethodHS256, claims(nil))
	made.Header["crit"] = []string{"b64"}
	text, err := made.SignedString([]byte(secret))
	must(t, err)
	refused(t, v, text, token.ErrMalformed)
}

func TestWhatAClaimMustBe(t *testing.T) {
	t.Parallel()
	c := symmetric()
	c.Audience = []string{audience, "second"}
	v := verifier(t, c, nil)
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, test := range map[string]struct {
		changes map[string]any
		want    error
	}{
		"as it should be":              {nil, nil},
		"one of several audiences":     {map[string]any{"aud": []string{"other", "second"}}, nil},
		"just expired":                 {map[string]any{"exp": at(-10 * time.Second)}, nil},
		"nearly valid":                 {map[string]any{"nbf": at(10 * time.Second)}, nil},
		"expired":                      {map[string]any{"exp": at(-time.Minute)}, token.ErrExpired},
		"not valid yet":                {map[string]any{"nbf": at(time.Minute)}, token.ErrExpired},
		"without an expiry":            {map[string]any{"exp": nil}, token.ErrClaims},
		"an expiry that is a text":     {map[string]any{"exp": "tomorrow"}, token.ErrClaims},
		"of another issuer":            {map[string]any{"iss": "https://other.example.com"}, token.ErrClaims},
		"without an issuer":            {map[string]any{"iss": nil}, token.ErrClaims},
		"for another audience":         {map[string]any{"aud": "other"}, token.ErrClaims},
		"without an audience":          {map[string]any{"aud": nil}, token.ErrClaims},
		"without a tenant":             {map[string]any{"tenant": nil}, token.ErrClaims},
		"an empty tenant":              {map[string]any{"tenant": ""}, token.ErrClaims},
		"a tenant that is none":        {map[string]any{"tenant": "Acme"}, token.ErrClaims},
		"a tenant that is a reader":    {map[string]any{"tenant": "acme+read"}, token.ErrClaims},
		"a tenant that is a number":    {map[string]any{"tenant": 7}, token.ErrClaims},
		"tenants, of which one counts": {map[string]any{"tenant": []string{"acme", "globex"}}, token.ErrClaims},
	} {
		text := hs256(t, test.changes)
		if test.want == nil {
			believed(t, v, text)
			continue
		}
		if _, err := v.Verify(t.Context(), text); err == nil {
			t.Errorf("%s is believed", name)
		}
		refused(t, v, text, test.want)
	}
}

func TestTheTenantIsWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	for path, value := range map[string]any{
		"org":                             "globex",
		"app_metadata.tenant":             map[string]any{"tenant": "globex"},
		"/https:~1~1example.com~1tenant":  "globex",
		"/a.b/c~0d":                       map[string]any{"c~d": "globex"},
		"realm.resource.poolkeeper.scope": map[string]any{"resource": map[string]any{"poolkeeper": map[string]any{"scope": "globex"}}},
	} {
		c := symmetric()
		c.TenantClaim = path
		name := map[string]string{
			"org": "org", "app_metadata.tenant": "app_metadata", "/https:~1~1example.com~1tenant": "https://example.com/tenant",
			"/a.b/c~0d": "a.b", "realm.resource.poolkeeper.scope": "realm",
		}[path]
		v := verifier(t, c, nil)
		if got := believed(t, v, hs256(t, map[string]any{name: value})); got.Tenant.String() != "globex" {
			t.Errorf("%s: %s", path, got.Tenant)
		}
		refused(t, v, hs256(t, nil), token.ErrClaims)
	}
}

func TestAScopeThatIsAskedForMustBeThere(t *testing.T) {
	t.Parallel()
	c := symmetric()
	c.ScopeClaim = "scope"
	v := verifier(t, c, nil)
	for _, test := range []struct {
		scope    any
		readOnly bool
		want     error
	}{
		{"write", false, nil},
		{"openid read write", false, nil},
		{"read openid", true, nil},
		{[]string{"read"}, true, nil},
		{"readwrite", false, token.ErrClaims},
		{"", false, token.ErrClaims},
		{nil, false, token.ErrClaims},
		{true, false, token.ErrClaims},
		{[]any{"write", 1}, false, token.ErrClaims},
	} {
		text := hs256(t, map[string]any{"scope": test.scope})
		if test.want != nil {
			refused(t, v, text, test.want)
			continue
		}
		if got := believed(t, v, text); got.ReadOnly != test.readOnly {
			t.Errorf("%v: %+v", test.scope, got)
		}
	}
}

func TestATokenSaysWhenItWasIssued(t *testing.T) {
	t.Parallel()
	v, at := verifier(t, symmetric(), nil), time.Now().Add(-time.Minute)
	for claim, want := range map[any]int64{at.Unix(): at.Unix(), json.Number("1e3"): 1000, nil: 0, "yesterday": 0, true: 0} {
		got, err := v.Verify(t.Context(), hs256(t, map[string]any{"iat": claim}))
		if err != nil {
			continue // what is there and is no number
		}
		if got.Issued.IsZero() != (want == 0) || want != 0 && got.Issued.Unix() != want {
			t.Errorf("iat %v: issued %v", claim, got.Issued)
		}
	}
}

func TestClaimsKeepLongNumbers(t *testing.T) {
	t.Parallel()
	v := verifier(t, symmetric(), nil)
	got := believed(t, v, hs256(t, map[string]any{"user_id": json.Number("9007199254740993")}))
	if n, ok := got.Claims["user_id"].(json.Number); !ok || n.String() != "9007199254740993" {
		t.Errorf("%T %v", got.Claims["user_id"], got.Claims["user_id"])
	}
}

func TestWhatIsNoTokenIsMalformed(t *testing.T) {
	t.Parallel()
	v := verifier(t, symmetric(), nil)
	good := hs256(t, nil)
	for _, text := range []string{
		"", ".", "..", "a.b.c", good + ".", "." + good, good + "=", " " + good, strings.Repeat("a", 1<<20),
		strings.Replace(good, ".", "..", 1), good[:strings.LastIndexByte(good, '.')],
	} {
		if _, err := v.Verify(t.Context(), text); err == nil {
			t.Errorf("%.80q is believed", text)
		}
	}
	refused(t, v, good[:len(good)-3]+"AAA", token.ErrSignature)
}

func TestAWeakOrForeignKeyOfTheSetDoesNotCount(t *testing.T) {
	weak, strong := rsaKey(t, 1024), rsaKey(t, 2048)
	i := &issuer{TB: t}
	i.publish("weak", publicOf(weak))
	i.publish("strong", publicOf(strong))
	i.mu.Lock()
	i.keys = append(i.keys,
		json.RawMessage(`{"kty":"oct","kid":"shared","k":"`+base64.RawURLEncoding.EncodeToString([]byte(secret))+`","alg":"HS256"}`),
		json.RawMessage(`{"kty":"OKP","crv":"Ed448","kid":"unknown","x":"AAAA"}`), json.RawMessage(`17`))
	i.mu.Unlock()
	c := published()
	c.Algorithms, c.Secret = []string{"RS256", "HS256"}, symmetric().Secret
	v := verifier(t, c, i)
	believed(t, v, sign(t, jwt.SigningMethodRS256, "strong", strong, claims(nil)))
	header, body, _ := strings.Cut(sign(t, jwt.SigningMethodRS256, "weak", strong, claims(nil)), ".")
	body, _, _ = strings.Cut(body, ".")
	signature := signWeakly(t, weak, header+"."+body)
	refused(t, v, header+"."+body+"."+signature, token.ErrSignature)
}

func signWeakly(t *testing.T, key crypto.Signer, text string) string {
	t.Helper()
	hash := crypto.SHA256.New()
	hash.Write([]byte(text))
	signature, err := key.Sign(rand.Reader, hash.Sum(nil), crypto.SHA256)
	must(t, err)
	return base64.RawURLEncoding.EncodeToString(signature)
}

func FuzzVerify(f *testing.F) {
	c := symmetric()
	v, err := token.New(c, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(hs256(f, nil))
	f.Add("a.b.c")
	f.Add(hs256(f, map[string]any{"tenant": nil}))
	good := hs256(f, nil)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := v.Verify(t.Context(), text)
		switch {
		case err == nil && got.Tenant.IsZero():
			t.Errorf("a token for nobody: %+v", got)
		case err == nil && text != good && !strings.HasPrefix(text, "ey"):
			t.Errorf("%q is believed", text)
		}
	})
}
