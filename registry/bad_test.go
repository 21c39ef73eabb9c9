package registry_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

var update = flag.Bool("update", false, "write the expected messages of testdata/bad")

// Every file of testdata/bad is refused with the messages beside it. What is
// secret in them contains the word hush.
func TestBadFilesAreRefusedWithTheirMessages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	must(t, err)
	if len(files) < 10 {
		t.Fatalf("only %d files found", len(files))
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			must(t, err)
			tenants, err := registry.Parse(filepath.ToSlash(path), data, sourcetest.Clusters())
			if err == nil || tenants != nil {
				t.Fatalf("it was accepted: %v", tenants)
			}
			got := strings.ReplaceAll(err.Error(), "testdata/bad/", "") + "\n"
			if strings.Contains(got, "hush") {
				t.Errorf("a secret is shown:\n%s", got)
			}
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if *update {
				write(t, golden, got)
			}
			want, err := os.ReadFile(golden)
			must(t, err)
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestClustersAreCheckedToo(t *testing.T) {
	t.Parallel()
	dsn := registry.NewSecret
	for name, test := range map[string]struct {
		clusters map[string]registry.Cluster
		want     string
	}{
		"one address": {
			map[string]registry.Cluster{
				"a": {DSN: dsn("postgres://x@db.internal:5432/y")}, "b": {DSN: dsn("host=DB.internal. user=other")},
			},
			"f: clusters.b.dsn: leads to db.internal:5432, as does clusters.a.dsn; one server is one cluster, or its connections would be counted twice",
		},
		"one of several addresses": {
			map[string]registry.Cluster{
				"a": {DSN: dsn("postgres://x@one,two/y")}, "b": {DSN: dsn("postgres://x@three:5432,two:5432/y")},
			},
			"f: clusters.b.dsn: leads to two:5432, as does clusters.a.dsn; one server is one cluster, or its connections would be counted twice",
		},
		"the loopback in two spellings": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=127.0.0.1")}, "b": {DSN: dsn("host=localhost port=5432")}},
			"f: clusters.b.dsn: leads to localhost:5432, as does clusters.a.dsn; one server is one cluster, or its connections would be counted twice",
		},
		"sockets in one folder": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=/run/pg")}, "b": {DSN: dsn("host=/run/pg/")}},
			"f: clusters.b.dsn: leads to /run/pg/.s.PGSQL.5432, as does clusters.a.dsn; one server is one cluster, or its connections would be counted twice",
		},
		"no dsn": {
			map[string]registry.Cluster{"a": {Admin: dsn("host=x")}},
			"f: clusters.a.dsn: is missing; write a connection string, env:NAME or file:PATH",
		},
		"no connection string": {
			map[string]registry.Cluster{"a": {DSN: dsn("postgres://u:hush@h:hush/x"), Admin: dsn("hush")}},
			`f: clusters.a.dsn: is no connection string: invalid port; write postgres://login:password@host:port/database, or key=value pairs
f: clusters.a.admin: is no connection string; write postgres://login:password@host:port/database, or key=value pairs`,
		},
		"a port out of range": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=h port=99999 password=hush")}},
			"f: clusters.a.dsn: is no connection string: invalid port; write postgres://login:password@host:port/database, or key=value pairs",
		},
		"a certificate that is not there": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=h password=hush sslmode=verify-full sslrootcert=/no/such.pem")}},
			"f: clusters.a.dsn: is no connection string: open /no/such.pem: no such file or directory; write postgres://login:password@host:port/database, or key=value pairs",
		},
	} {
		_, err := registry.Parse("f", []byte("tenants: {acme: {cluster: a, isolation: schema}}"), test.clusters)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: got:\n%v\nwant:\n%s", name, err, test.want)
		}
	}
	many := map[string]registry.Cluster{
		"a": {DSN: dsn("host=h port=1")}, "b": {DSN: dsn("host=h port=2")}, "c": {DSN: dsn("host=g port=1")},
		"d": {DSN: dsn("host=/run/pg port=1")}, "e": {DSN: dsn("host=/run/pg port=2")},
	}
	if _, err := registry.Parse("f", nil, many); err != nil {
		t.Errorf("different addresses: %v", err)
	}
}

func TestATenantsFolderHoldsTenantsAlone(t *testing.T) {
	t.Parallel()
	_, err := registry.ParseDocuments([]registry.Document{
		{Path: "config.yaml", Data: []byte("server: {}\ntenants:\n  acme: {cluster: main, isolation: schema}\n")},
		{Path: "tenants/a.yaml", Data: []byte("tenant:\n  x: {}\nplans: {}\n")},
		{Path: "tenants/b.yaml", Data: []byte("tenants:\n  acme: {cluster: main, isolation: schema}\n  b: {cluster: main, isolation: schema, schema: acme}\n")},
	}, sourcetest.Clusters())
	want := `tenants/a.yaml:1: tenant: is no setting; did you mean tenants?
tenants/a.yaml:3: plans: is no setting; it may be tenants
tenants/b.yaml:2: tenants.acme: is given twice; the first is at config.yaml:3
tenants/b.yaml:3: tenants.b.schema: leads to "acme" in database "app" of cluster main, as for tenant acme (config.yaml:3); only tenants of row isolation share one`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
