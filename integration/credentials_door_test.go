package integration_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/router/token"
	"github.com/poolkeeper/poolkeeper/server"
)

const (
	tokenSecret = "a secret of the tests, 32 bytes or more"
	tokenIssuer = "https://login.example.com"
	hostDomain  = "example.com"
)

// door is a gateway that wants credentials, for the tenants of a plane.
type door struct {
	*plane
	testing.TB
	address string
	handler http.Handler
	client  *http.Client
	routed  routed
	asked   *asked
}

// routed counts what became of requests.
type routed struct{ served, refused atomic.Int64 }

func (r *routed) Routed(_ string, err error) {
	if err != nil {
		r.refused.Add(1)
		return
	}
	r.served.Add(1)
}

// asked counts the questions to a source.
type asked struct {
	registry.Source
	lookups atomic.Int64
}

func (a *asked) Tenant(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	a.lookups.Add(1)
	return a.Source.Tenant(ctx, id)
}

func newDoor(t testing.TB, edit func(*router.Config)) *door {
	t.Helper()
	d := &door{plane: newPlane(t, nil), TB: t}
	d.client = client(t)
	d.asked = &asked{Source: d.db}
	f := d.keep(t, d.asked, nil)
	cfg := router.Defaults()
	cfg.Resolvers, cfg.HostTemplate = []string{"key", "jwt", "host", "path", "neon", "header"}, "{tenant}."+hostDomain
	if edit != nil {
		edit(&cfg)
	}
	way, err := router.New(cfg, router.Deps{
		Tenants: f.registry, Pools: f.Keeper, Observer: &d.routed, Keys: d.db, Tokens: d.verifier(),
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Defaults(), server.Deps{Router: way, Keeper: f.Keeper, Registry: f.registry})
	if err != nil {
		t.Fatal(err)
	}
	d.handler = s.Handler()
	listening := httptest.NewServer(d.handler)
	t.Cleanup(listening.Close)
	d.address = listening.URL
	return d
}

func (d *door) verifier() *token.Verifier {
	d.Helper()
	cfg := token.Defaults()
	cfg.Algorithms, cfg.Secret = []string{"HS256"}, registry.NewSecret(tokenSecret)
	cfg.Issuer, cfg.Audience, cfg.ScopeClaim = tokenIssuer, []string{"poolkeeper"}, "scope"
	v, err := token.New(cfg, nil)
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(v.Close)
	return v
}

// key makes one for a tenant.
func (d *door) key(id registry.ID, scope apikey.Scope) (text string, key apikey.Key) {
	d.Helper()
	secret, key, err := d.operator.CreateKey(d.Context(), "test", control.NewKey{Tenant: id, Name: "test", Scope: scope})
	if err != nil {
		d.Fatal(err)
	}
	return secret.Reveal(), key
}

// token makes one for a tenant.
func (d *door) token(id registry.ID, scope string) string {
	d.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": tokenIssuer, "aud": "poolkeeper", "exp": time.Now().Add(time.Hour).Unix(), "tenant": id.String(), "scope": scope,
	}).SignedString([]byte(tokenSecret))
	if err != nil {
		d.Fatal(err)
	}
	return text
}

// whoAmI asks the database, which knows better than anybody.
const whoAmI = "select current_schema() as schema"

// ask sends a statement; change adds what names the tenant.
func (d *door) ask(path, sql string, change func(*http.Request)) (status int, body string) {
	d.Helper()
	text, err := json.Marshal(map[string]string{"query": sql})
	if err != nil {
		d.Fatal(err)
	}
	req, err := http.NewRequestWithContext(d.Context(), http.MethodPost, d.address+path, strings.NewReader(string(text)))
	if err != nil {
		d.Fatal(err)
	}
	change(req)
	res, err := d.client.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

func bearer(text string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+text) }
}

// heard waits until the gateway knows the keys.
func (d *door) heard(keys map[string]string) {
	d.Helper()
	for _, text := range keys {
		eventually(d, "the key is known", func() bool {
			_, err := d.db.Key(d.Context(), text)
			return err == nil
		})
	}
}
