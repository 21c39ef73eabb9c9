package registry_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

const plansAndTenants = `
plans:
  small: {cluster: main, isolation: schema, ddl: true, limits: {max_conns: 3, queue: 10, idle_after: 1m}}
  rows: {cluster: other, isolation: row, schema: shared, login: shared_login, password: one}
tenants:
  b: {plan: small, limits: {queue: 20, idle_after: 0}}
  a: {plan: rows, ddl: true, limits: {weight: 2}}
  c: {cluster: main, isolation: schema}
`

func documents(texts ...string) []registry.Document {
	var docs []registry.Document
	for _, text := range texts {
		docs = append(docs, registry.Document{Path: "config.yaml", Data: []byte(text)})
	}
	return docs
}

func TestPlansAreReadApartFromTenants(t *testing.T) {
	t.Parallel()
	want := map[string]registry.Plan{
		"small": {
			Cluster: "main", Isolation: registry.IsolationSchema, DDL: true,
			Limits: registry.Limits{MaxConns: 3, Queue: 10, IdleAfter: time.Minute},
		},
		"rows": {
			Cluster: "other", Isolation: registry.IsolationRow, Schema: "shared",
			Login: "shared_login", Password: registry.NewSecret("one"),
		},
	}
	declared, plans, err := registry.ParseDeclared(documents(plansAndTenants), sourcetest.Clusters())
	must(t, err)
	if !reflect.DeepEqual(plans, want) {
		t.Errorf("got  %+v\nwant %+v", plans, want)
	}
	again, err := registry.ParsePlans(documents(plansAndTenants, "tenants: {x: {broken}}"), sourcetest.Clusters())
	must(t, err)
	if !reflect.DeepEqual(again, want) {
		t.Errorf("ParsePlans: %+v", again)
	}
	if len(declared) != 3 || declared[0].ID.String() != "a" || declared[1].ID.String() != "b" {
		t.Fatalf("declared: %v", declared)
	}
}

func TestADeclaredTenantHasItsOwnLimitsAndThoseInForce(t *testing.T) {
	t.Parallel()
	declared, _, err := registry.ParseDeclared(documents(plansAndTenants), sourcetest.Clusters())
	must(t, err)
	a, b, c := declared[0], declared[1], declared[2]
	if b.Own != (registry.Limits{Queue: 20}) || b.Limits != (registry.Limits{MaxConns: 3, Queue: 20, IdleAfter: time.Minute}) {
		t.Errorf("b: own %+v, in force %+v", b.Own, b.Limits)
	}
	if a.Own != (registry.Limits{Weight: 2}) || a.Limits != a.Own || a.Login != "shared_login" || a.Password.Reveal() != "one" {
		t.Errorf("a: %+v", a)
	}
	if !a.DDL || !b.DDL || c.DDL {
		t.Errorf("ddl: a %t, b %t, c %t", a.DDL, b.DDL, c.DDL)
	}
	if c.Schema != "c" || c.Name != "c" || c.Status != registry.StatusActive || c.Own != (registry.Limits{}) {
		t.Errorf("c is not complete: %+v", c.Tenant)
	}
}

// The rules are those of ParseDocuments; plans without tenants are held to
// them too.
func TestWhatIsWrongWithPlansAndDeclaredTenantsIsAllTold(t *testing.T) {
	t.Parallel()
	const text = `plans:
  far: {cluster: mian}
  open: {cluster: main, isolation: row, schema: s, login: l, password: "env:POOLKEEPER_TEST_UNSET"}
  used: {cluster: nowhere, isolation: schema, limits: {max_conns: 2}}
tenants:
  a:
    plan: used
  b:
    cluster: main
    isolation: schema
    schema: public
  c:
    cluster: main
    isolation: schema
    plan: used
    limits: {guaranteed_conns: 3, max_conns: 0}
`
	_, _, err := registry.ParseDeclared(documents(text), sourcetest.Clusters())
	want := `config.yaml:2: plans.far.cluster: is "mian", which is no cluster; did you mean main?
config.yaml:3: plans.open.password: names the environment variable POOLKEEPER_TEST_UNSET, which is not set
config.yaml:4: tenants.a.cluster: is "nowhere", which is no cluster; did you mean other?
config.yaml:11: tenants.b.schema: is "public", which everybody can see; give the tenant another one
config.yaml:16: tenants.c.limits.guaranteed_conns: is 3, but max_conns is 2; no more can be guaranteed than are allowed`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	_, err = registry.ParsePlans(documents(text), sourcetest.Clusters())
	if problems, ok := errors.AsType[registry.Problems](err); !ok || len(problems) != 3 {
		t.Errorf("of the plans alone: %v", err)
	}
}

func TestNoDocumentsDeclareNothing(t *testing.T) {
	t.Parallel()
	declared, plans, err := registry.ParseDeclared(nil, nil)
	if err != nil || len(declared) != 0 || plans == nil {
		t.Errorf("%v, %v, %v", declared, plans, err)
	}
	if plans, err := registry.ParsePlans(nil, nil); err != nil || plans == nil {
		t.Errorf("%v, %v", plans, err)
	}
}

func TestLimitsThatATenantGivesAreOverThoseOfItsPlan(t *testing.T) {
	t.Parallel()
	plan := registry.Limits{
		MaxConns: 1, Queue: 2, GuaranteedConns: 1, Weight: 4, StatementTimeout: 5, IdleInTransactionTimeout: 6, IdleAfter: 7,
		QueueTimeout: 8, Rate: 9.5, Burst: 10, InFlight: 11, MaxBody: 12, MaxResult: 13, CacheFor: 14,
	}
	if got := (registry.Limits{}).Over(plan); got != plan {
		t.Errorf("nothing over the plan: %+v", got)
	}
	own := registry.Limits{
		MaxConns: 11, Queue: 12, GuaranteedConns: 13, Weight: 14, StatementTimeout: 15, IdleInTransactionTimeout: 16, IdleAfter: 17,
		QueueTimeout: 18, Rate: 19.5, Burst: 20, InFlight: 21, MaxBody: 22, MaxResult: 23, CacheFor: 24,
	}
	if got := own.Over(plan); got != own {
		t.Errorf("everything over the plan: %+v", got)
	}
}

func TestASingleRecordIsCompletedAndChecked(t *testing.T) {
	t.Parallel()
	good := &registry.Tenant{ID: acme, Status: registry.StatusPending, Cluster: "main", Isolation: registry.IsolationSchema}
	must(t, registry.CheckTenant(sourcetest.Clusters(), good))
	if good.Name != "acme" || good.Schema != "acme" || good.SharedLogin {
		t.Errorf("got %+v", good)
	}
	rotating := &registry.Tenant{
		ID: acme, Status: registry.StatusActive, Cluster: "main", Isolation: registry.IsolationDatabase,
		DSN: registry.NewSecret("host=main.internal user=x dbname=y password=hush"), NextPassword: registry.NewSecret("hush"),
	}
	for _, test := range []struct {
		tenant *registry.Tenant
		want   string
	}{
		{&registry.Tenant{}, "tenants: has a record without an id; ParseID makes one"},
		{rotating, "tenants.acme.next_password: cannot stand beside dsn, which says it already; leave out one of them"},
		{with("login", "spare"), "tenants.acme.login: is the login of clusters.main.spare_dsn, which can become any tenant's; give the tenant one of its own"},
		{with("cluster", ""), "tenants.acme.cluster: is missing; it may be main, other"},
	} {
		err := registry.CheckTenant(sourcetest.Clusters(), test.tenant)
		if _, ok := errors.AsType[registry.Problems](err); !ok || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

// with is a record of which one field is another.
func with(field, value string) *registry.Tenant {
	t := tenant("acme")
	switch field {
	case "login":
		t.Login = value
	case "cluster":
		t.Cluster = value
	}
	return t
}

func TestAClusterIsFoundByEveryNameOfItsServer(t *testing.T) {
	t.Parallel()
	clusters := sourcetest.Clusters()
	clusters["here"] = registry.Cluster{DSN: registry.NewSecret("host=localhost port=5433")}
	clusters["broken"] = registry.Cluster{DSN: registry.NewSecret("host=broken.internal"), Admin: registry.NewSecret("nonsense")}
	for dsn, want := range map[string]string{
		"postgres://a@main.internal/b": "main", "host=MAIN.internal. user=z": "main", "host=alias.internal": "main",
		"host=alias.internal port=5433": "", "host=127.0.0.1 port=5433": "here", "host=::1 port=5433": "here",
		"host=main.internal,alias.internal": "main", "host=main.internal,other.internal": "",
		"host=broken.internal": "", "nonsense": "",
	} {
		if got, ok := registry.ClusterAt(clusters, registry.NewSecret(dsn)); got != want || ok != (want != "") {
			t.Errorf("%s leads to %q, %t; want %q", dsn, got, ok, want)
		}
	}
}

// Nor do those of a folder come with the text that names it.
func TestADocumentThatIsAllLeavesNoTenantsInAFolder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"tenants_dir: more\ntenants: {}": `config.yaml:1: tenants_dir: the tenants of the folder "more" are not in this text`,
		"tenants_dir: ''\ntenants: {}":   "",
	} {
		docs := documents(text)
		if _, _, err := registry.ParseDeclared(docs, sourcetest.Clusters()); err != nil {
			t.Errorf("%q of a file with its folder: %v", text, err)
		}
		docs[0].Declares = true
		_, _, err := registry.ParseDeclared(docs, sourcetest.Clusters())
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Applying a text that declares nobody takes everybody out of service.
func TestADocumentThatHasToDeclareNamesItsTenants(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"tenants: {}": true, plansAndTenants: true, "plans: {}\ntenants:\n": false, "tenants: # of none\n": false, "tenants: ~": false,
		"": false, "# nothing\n": false, "tennants: {a: {cluster: main, isolation: schema}}": false, "plans: {}": false,
	} {
		docs := documents(text)
		docs[0].Declares = true
		_, _, err := registry.ParseDeclared(docs, sourcetest.Clusters())
		if want && err != nil || !want && (err == nil || err.Error() != `config.yaml: tenants: is missing or empty; without it nobody would be declared, so write tenants: {} if that is meant`) {
			t.Errorf("%q: %v", text, err)
		}
		if _, _, err := registry.ParseDeclared(documents(text), sourcetest.Clusters()); err != nil {
			t.Errorf("%q need not: %v", text, err)
		}
	}
}
