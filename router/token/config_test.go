package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/token"
)

func TestAConfigurationWithoutTokensIsRight(t *testing.T) {
	t.Parallel()
	c := token.Defaults()
	if err := c.Validate(); err != nil || c.Wanted() {
		t.Error(err, c.Wanted())
	}
	if _, err := token.New(c, nil); err == nil {
		t.Error("a verifier without keys")
	}
}

func TestAMistakeIsNamed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*token.Config){
		"jwt.algorithms: is empty":                   func(c *token.Config) { c.Algorithms = nil },
		`jwt.algorithms: has "none"`:                 func(c *token.Config) { c.Algorithms = []string{"none"} },
		"jwt.algorithms: lists ES256 twice":          func(c *token.Config) { c.Algorithms = []string{"ES256", "ES256"} },
		"jwt.jwks: is missing; write the URL":        func(c *token.Config) { c.JWKS, c.Secret = "", registry.NewSecret(secret) },
		"jwt.jwks: is set, but":                      func(c *token.Config) { c.Algorithms, c.Secret = []string{"HS256"}, registry.NewSecret(secret) },
		"jwt.jwks: is no URL":                        func(c *token.Config) { c.JWKS = "https://" },
		"jwt.jwks: fetches keys from issuer.example": func(c *token.Config) { c.JWKS = "http://issuer.example.com/jwks" },
		"jwt.secret: is missing":                     func(c *token.Config) { c.Algorithms = []string{"ES256", "HS256"} },
		"jwt.secret: is set, but":                    func(c *token.Config) { c.Secret = registry.NewSecret(secret) },
		"jwt.secret: has 5 bytes": func(c *token.Config) {
			c.Algorithms, c.Secret = []string{"ES256", "HS256"}, registry.NewSecret("short")
		},
		"jwt.issuer: is missing":                     func(c *token.Config) { c.Issuer = "" },
		"jwt.audience: is missing":                   func(c *token.Config) { c.Audience = nil },
		"jwt.audience: is missing or":                func(c *token.Config) { c.Audience = []string{""} },
		"jwt.tenant_claim: is no path":               func(c *token.Config) { c.TenantClaim = "" },
		"jwt.tenant_claim: is no path to":            func(c *token.Config) { c.TenantClaim = "a..b" },
		"jwt.scope_claim: is no path":                func(c *token.Config) { c.ScopeClaim = "/" },
		"jwt.leeway: is 1h0m0s; it must be 0s to 5m": func(c *token.Config) { c.Leeway = time.Hour },
		"jwt.refresh: is 0s":                         func(c *token.Config) { c.Refresh = 0 },
		"jwt.keep_for: is 1s":                        func(c *token.Config) { c.KeepFor = time.Second },
		"jwt.jwks: is missing, but jwt.issuer":       func(c *token.Config) { c.JWKS = "" },
	} {
		c := published()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		if err := c.Validate(); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestKeysMayComeFromThisMachineWithoutTLS(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://127.0.0.1:9000/jwks", "http://localhost/jwks", "http://[::1]:1/", "https://issuer.example.com", "/etc/poolkeeper/jwks.json"} {
		c := published()
		c.JWKS = address
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}
