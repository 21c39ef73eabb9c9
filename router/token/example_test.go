package token_test

import (
	"context"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/token"
)

func Example() {
	cfg := token.Defaults()
	cfg.Algorithms = []string{"HS256"}
	cfg.Secret = registry.NewSecret("an example of 32 bytes or longer")
	cfg.Issuer, cfg.Audience = "https://login.example.com", []string{"poolkeeper"}
	cfg.TenantClaim = "app_metadata.tenant"
	v, err := token.New(cfg, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()

	// What the issuer hands out.
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "https://login.example.com", "aud": "poolkeeper", "sub": "ada",
		"exp": time.Now().Add(time.Hour).Unix(), "app_metadata": map[string]any{"tenant": "acme"},
	}).SignedString([]byte(cfg.Secret.Reveal()))
	if err != nil {
		fmt.Println(err)
		return
	}

	t, err := v.Verify(context.Background(), text)
	fmt.Println(t.Tenant, t.Subject, err)
	_, err = v.Verify(context.Background(), "a password")
	fmt.Println(err)
	// Output:
	// acme ada <nil>
	// token: malformed
}
