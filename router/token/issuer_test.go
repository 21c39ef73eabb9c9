package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/token"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const (
	issuerName = "https://issuer.example.com"
	audience   = "poolkeeper"
	secret     = "0123456789abcdef0123456789abcdef"
)

// issuer publishes keys, and signs with them.
type issuer struct {
	testing.TB

	// mu guards what follows.
	mu    sync.Mutex
	keys  []json.RawMessage
	down  error
	reads int
}

func (i *issuer) publish(kid string, public any) {
	i.Helper()
	key, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid, USE: jwkset.UseSig}})
	must(i, err)
	text, err := json.Marshal(key.Marshal())
	must(i, err)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, text)
}

func (i *issuer) withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = nil
}

func (i *issuer) fails(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = err
}

func (i *issuer) asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.reads
}

func (i *issuer) set() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	text, err := json.Marshal(map[string]any{"keys": i.keys})
	must(i, err)
	return string(text)
}

// read is what stands for the network.
func (i *issuer) read(context.Context) (io.Reader, error) {
	i.mu.Lock()
	i.reads++
	err := i.down
	i.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return strings.NewReader(i.set()), nil
}

var errDown = errors.New("connection refused")

func published() token.Config {
	c := token.Defaults()
	c.JWKS, c.Issuer, c.Audience = "https://issuer.example.com/jwks.json", issuerName, []string{audience}
	return c
}

func symmetric() token.Config {
	c := token.Defaults()
	c.Algorithms, c.Secret = []string{"HS256"}, registry.NewSecret(secret)
	c.Issuer, c.Audience = issuerName, []string{audience}
	return c
}

func verifier(t testing.TB, c token.Config, i *issuer) *token.Verifier {
	t.Helper()
	v, err := token.New(c, nil)
	must(t, err)
	t.Cleanup(v.Close)
	if i != nil {
		v.ReadFrom(i.read)
	}
	return v
}

// claims of a good token, with changes; a nil takes one away.
func claims(changes map[string]any) jwt.MapClaims {
	c := jwt.MapClaims{
		"iss": issuerName, "aud": audience, "sub": "somebody", "tenant": "acme",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t testing.TB, method jwt.SigningMethod, kid string, key any, c jwt.MapClaims) string {
	t.Helper()
	made := jwt.NewWithClaims(method, c)
	if kid != "" {
		made.Header["kid"] = kid
	}
	text, err := made.SignedString(key)
	must(t, err)
	return text
}

func hs256(t testing.TB, changes map[string]any) string {
	return sign(t, jwt.SigningMethodHS256, "", []byte(secret), claims(changes))
}

func edKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return public, private
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	return key
}

func publicOf(key crypto.Signer) any { return key.Public() }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks that the token is not believed, for that reason.
func refused(t testing.TB, v *token.Verifier, text string, want error) {
	t.Helper()
	got, err := v.Verify(t.Context(), text)
	if !errors.Is(err, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if err != nil && len(text) > 20 && strings.Contains(err.Error(), text[len(text)-20:]) {
		t.Errorf("the error repeats the token: %v", err)
	}
}

// believed checks that it is.
func believed(t testing.TB, v *token.Verifier, text string) *token.Token {
	t.Helper()
	got, err := v.Verify(t.Context(), text)
	must(t, err)
	return got
}
