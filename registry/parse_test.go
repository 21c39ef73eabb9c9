package registry_test

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

func parse(t *testing.T, text string) map[string]*registry.Tenant {
	t.Helper()
	tenants, err := registry.Parse("config.yaml", []byte(text), sourcetest.Clusters())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*registry.Tenant{}
	for _, tenant := range tenants {
		all[tenant.ID.String()] = tenant
	}
	return all
}

func TestEveryKeyOfARecordIsRead(t *testing.T) {
	t.Parallel()
	got := parse(t, `
server: {listen: somebody else's}
plans: {gold: {}}
tenants:
  acme:
    name: Acme
    status: suspended
    plan: gold
    cluster: main
    isolation: schema
    schema: theirs
    database: data
    login: acme_login
    password: 007
    ddl: true
    labels: {Team.EU: Red, tier: 007, "on": yes, none: , since: 2024-01-02}
    limits:
      max_conns: 3
      queue: 0x10
      statement_timeout: 1m30s
      idle_in_transaction_timeout: "10s"
      idle_after: 0
  globex: {cluster: other, isolation: database, dsn: "postgres://g:x@other.internal:5432/globex?sslmode=disable"}
`)
	want := map[string]*registry.Tenant{
		"acme": {
			ID: acme, Name: "Acme", Status: registry.StatusSuspended, Plan: "gold", Cluster: "main",
			Isolation: registry.IsolationSchema, Schema: "theirs", Database: "data", Login: "acme_login",
			Password: registry.NewSecret("007"), DDL: true,
			Labels: map[string]string{"Team.EU": "Red", "tier": "007", "on": "yes", "none": "", "since": "2024-01-02"},
			Limits: registry.Limits{MaxConns: 3, Queue: 16, StatementTimeout: 90 * time.Second, IdleInTransactionTimeout: 10 * time.Second},
		},
		"globex": {
			ID: registry.MustParseID("globex"), Name: "globex", Status: registry.StatusActive, Cluster: "other",
			Isolation: registry.IsolationDatabase,
			DSN:       registry.NewSecret("postgres://g:x@other.internal:5432/globex?sslmode=disable"),
		},
	}
	for id := range want {
		if !reflect.DeepEqual(got[id], want[id]) {
			t.Errorf("got  %+v\nwant %+v", got[id], want[id])
		}
	}
}

func TestRecordsComeInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	tenants, err := registry.Parse("f", []byte(`tenants:
  b: &any {cluster: main, isolation: schema}
  c: *any
  a: *any
`), sourcetest.Clusters())
	if err != nil || len(tenants) != 3 || tenants[0].ID.String() != "a" || tenants[2].ID.String() != "c" {
		t.Errorf("got %v, %v", tenants, err)
	}
}

func TestATenantOverridesItsPlan(t *testing.T) {
	t.Parallel()
	got := parse(t, `
plans:
  row:
    cluster: main
    isolation: row
    schema: shared
    database: shop
    login: shop_login
    password: pw
    ddl: true
    limits: {max_conns: 2, queue: 5, idle_after: 1m}
tenants:
  plain: {plan: row}
  tuned: {plan: row, ddl: false, limits: {queue: 9}}
  own-login: {plan: row, login: mine}
  own-password: {plan: row, password: mine}
  own-dsn: {plan: row, dsn: postgres://x@main.internal/x}
  moved: {plan: row, cluster: other, database: elsewhere, schema: sheep}
  walled: {plan: row, isolation: schema}
`)
	type where struct{ cluster, isolation, schema, database, login, password, dsn string }
	for id, want := range map[string]where{
		"plain":        {"main", "row", "shared", "shop", "shop_login", "pw", ""},
		"tuned":        {"main", "row", "shared", "shop", "shop_login", "pw", ""},
		"own-login":    {"main", "row", "shared", "shop", "mine", "", ""},
		"own-password": {"main", "row", "shared", "shop", "shop_login", "mine", ""},
		"own-dsn":      {"main", "row", "shared", "", "", "", "postgres://x@main.internal/x"},
		"moved":        {"other", "row", "sheep", "elsewhere", "shop_login", "pw", ""},
		// Another isolation shares nothing: not the schema, not the login.
		"walled": {"main", "schema", "walled", "", "", "", ""},
	} {
		x := got[id]
		have := where{x.Cluster, string(x.Isolation), x.Schema, x.Database, x.Login, x.Password.Reveal(), x.DSN.Reveal()}
		if have != want {
			t.Errorf("%s: got %+v, want %+v", id, have, want)
		}
	}
	if x := got["tuned"]; x.DDL || x.Plan != "row" || x.Limits != (registry.Limits{MaxConns: 2, Queue: 9, IdleAfter: time.Minute}) {
		t.Errorf("tuned: %+v", x)
	}
}

func TestAnchorsAliasesAndMergesAreUnderstood(t *testing.T) {
	t.Parallel()
	got := parse(t, `
tenants:
  a: &a
    cluster: &c main
    isolation: schema
    limits: &l {queue: 1, max_conns: 1}
    labels: &labels {x: "1"}
  b: {<<: *a, limits: {<<: *l, queue: 2}, labels: *labels}
  c: {<<: [{cluster: other}, *a], isolation: row, schema: *c}
`)
	if b := got["b"]; b.Cluster != "main" || b.Limits != (registry.Limits{MaxConns: 1, Queue: 2}) || !maps.Equal(b.Labels, map[string]string{"x": "1"}) {
		t.Errorf("b: %+v", b)
	}
	if c := got["c"]; c.Cluster != "other" || c.Isolation != registry.IsolationRow || c.Schema != "main" || c.Limits.Queue != 1 {
		t.Errorf("c: %+v", c)
	}
}

func TestNothingAtAllIsNoTenants(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "~", "{}", "tenants:", "tenants: {}\nplans:\n", "server: {}"} {
		if got := parse(t, text); len(got) != 0 {
			t.Errorf("%q gave %v", text, got)
		}
	}
}

func TestSecretsOfAFileAreResolvedInItsFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pw"), hush+"\n")
	t.Setenv("POOLKEEPER_TEST_DSN", "postgres://g:"+hush+"@main.internal/globex")
	main := registry.Document{Path: filepath.Join(dir, "config.yaml"), Data: []byte(`
tenants:
  acme: {cluster: main, isolation: schema, login: acme, password: "file:pw"}
  globex: {cluster: main, isolation: database, dsn: "env:POOLKEEPER_TEST_DSN"}
`)}
	more := registry.Document{Path: filepath.Join(dir, "tenants", "x.yaml"), Data: []byte(`
tenants: {hooli: {cluster: main, isolation: schema, login: hooli, password: "file:pw"}}
`)}
	tenants, err := registry.ParseDocuments([]registry.Document{main, more}, sourcetest.Clusters())
	must(t, err)
	if tenants[0].Password.Reveal() != hush || tenants[2].Password.Reveal() != hush || !strings.Contains(tenants[1].DSN.Reveal(), hush) {
		t.Errorf("got %q, %q, %q", tenants[0].Password.Reveal(), tenants[1].DSN.Reveal(), tenants[2].Password.Reveal())
	}
}

func TestASchemaOfRowIsolationIsSharedByItsTenants(t *testing.T) {
	t.Parallel()
	got := parse(t, `
tenants:
  a: {cluster: main, isolation: row, schema: shared}
  b: {cluster: main, isolation: row, schema: shared}
  c: {cluster: main, isolation: schema, schema: mine}
  d: {cluster: main, isolation: schema, schema: mine, database: elsewhere}
  e: {cluster: other, isolation: schema, schema: mine}
`)
	if len(got) != 5 {
		t.Errorf("got %v", got)
	}
}

func TestProblemsCanBeTakenApart(t *testing.T) {
	t.Parallel()
	_, err := registry.Parse("f.yaml", []byte("tenants:\n  acme:\n    isolation: schema\n    cluster: main\n    schema: public\n"), sourcetest.Clusters())
	var one *registry.Problem
	if !errors.As(err, &one) || *one != (registry.Problem{
		File: "f.yaml", Line: 5, Field: "tenants.acme.schema",
		Message: `is "public", which everybody can see; give the tenant another one`,
	}) {
		t.Errorf("got %#v", one)
	}
	var text strings.Builder
	text.WriteString("tenants:\n")
	for i := range 200 {
		fmt.Fprintf(&text, "  t%d: {}\n", i)
	}
	_, err = registry.Parse("f", []byte(text.String()), sourcetest.Clusters())
	var all registry.Problems
	if !errors.As(err, &all) || len(all) != 400 || strings.Count(err.Error(), "\n") != 50 || !strings.HasSuffix(err.Error(), "\nand 350 more") {
		t.Errorf("%d problems shown as\n%v", len(all), err)
	}
}
