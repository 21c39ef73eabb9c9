package registry_test

import (
	"errors"
	"flag"
	"fmt"
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
		"an alias that is another's address": {
			map[string]registry.Cluster{
				"a": {DSN: dsn("host=h")}, "b": {DSN: dsn("host=g"), Addresses: []string{"G:5432", "H.:5432"}},
			},
			"f: clusters.b.addresses: contains h:5432, as does clusters.a.dsn; one server is one cluster, or its connections would be counted twice",
		},
		"an address that is another's alias": {
			map[string]registry.Cluster{
				"a": {DSN: dsn("host=h"), Addresses: []string{"/run/pg/.s.PGSQL.5432"}}, "b": {DSN: dsn("host=/run/pg/")},
			},
			"f: clusters.b.dsn: leads to /run/pg/.s.PGSQL.5432, as does clusters.a.addresses; one server is one cluster, or its connections would be counted twice",
		},
		"an alias of two": {
			map[string]registry.Cluster{
				"a": {DSN: dsn("host=h"), Addresses: []string{"127.0.0.1:1"}}, "b": {DSN: dsn("host=g"), Addresses: []string{"[::1]:1"}},
			},
			"f: clusters.b.addresses: contains localhost:1, as does clusters.a.addresses; one server is one cluster, or its connections would be counted twice",
		},
		"aliases that are none": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=h"), SpareDSN: dsn("host=g user=spare"), Addresses: []string{
				"h", "h:0", "h:65536", ":5432", "/run/pg", "/run/pg/s.PGSQL.1", "host=h:1", "postgres://u:hush@h:5432", "u@h:1", "",
			}}},
			strings.Join(each(10, "f: clusters.a.addresses: entry %d is no address; write host:port, or the path of a socket, such as /run/postgresql/.s.PGSQL.5432"), "\n"),
		},
		"other logins that lead elsewhere": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=h"), Admin: dsn("host=g password=hush"), SpareDSN: dsn("host=h,i user=spare password=hush")}},
			`f: clusters.a.admin: leads to g:5432, and clusters.a.dsn does not; if that is the same server, add it to clusters.a.addresses
f: clusters.a.spare_dsn: leads to i:5432, and clusters.a.dsn does not; if that is the same server, add it to clusters.a.addresses`,
		},
		"spares with the login that tenants use": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=h user=app"), SpareDSN: dsn("host=h user=app dbname=other")}},
			"f: clusters.a.spare_dsn: has the login of clusters.a.dsn, which tenants use; give it one of its own",
		},
		"spares that are no connection string": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=h"), SpareDSN: dsn("hush")}},
			"f: clusters.a.spare_dsn: is no connection string; write postgres://login:password@host:port/database, or key=value pairs",
		},
		"numbers": {
			map[string]registry.Cluster{"a": {
				DSN: dsn("host=h"), Budget: 100_001, Margin: 10_001, Replicas: 1001, Dials: -1, Queue: 1_000_001, Spares: 1001,
			}},
			`f: clusters.a.budget: is 100001; it must be 1 to 100000, or auto
f: clusters.a.margin: is 10001; it must be 0 to 10000
f: clusters.a.replicas: is 1001; it must be 1 to 1000
f: clusters.a.dials: is -1; it must be 1 to 1000
f: clusters.a.queue: is 1000001; it must be 1 to 1000000
f: clusters.a.spares: is 1001; it must be 0 to 1000`,
		},
		"spares that fill the budget": {
			map[string]registry.Cluster{"a": {DSN: dsn("host=h"), Budget: 5, Spares: 5}},
			"f: clusters.a.spares: is 5, but the budget is 5, and spares are a part of it; it must be less",
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
		"f": {DSN: dsn("host=h port=3"), Addresses: []string{"H.:3", "h:4", "[fe80::1]:5", "/run/f/.s.PGSQL.6"}, Admin: dsn("host=h port=4"), SpareDSN: dsn("host=/run/f port=6 user=spare")},

		"a": {DSN: dsn("host=h port=1")}, "b": {DSN: dsn("host=h port=2")}, "c": {DSN: dsn("host=g port=1")},
		"d": {DSN: dsn("host=/run/pg port=1")}, "e": {DSN: dsn("host=/run/pg port=2")},
	}
	if _, err := registry.Parse("f", nil, many); err != nil {
		t.Errorf("different addresses: %v", err)
	}
}

// each is a line for every number up to n.
func each(n int, format string) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(format, i+1)
	}
	return lines
}

func TestATenantsOwnDSNMayLeadToAnyNameOfItsServer(t *testing.T) {
	t.Parallel()
	clusters := map[string]registry.Cluster{"main": {
		DSN: registry.NewSecret("host=db.internal"), Addresses: []string{"10.0.0.7:6432", "/run/pg/.s.PGSQL.5432"},
	}}
	for dsn, right := range map[string]bool{
		"host=DB.internal. dbname=x": true, "host=10.0.0.7 port=6432 dbname=x": true, "host=/run/pg dbname=x": true,
		"host=db.internal,10.0.0.7 port=5432,6432 dbname=x": true, "host=10.0.0.7 port=5432 dbname=x": false,
	} {
		_, err := registry.NewStatic(clusters, &registry.Tenant{
			ID: acme, Status: registry.StatusActive, Cluster: "main", Isolation: registry.IsolationDatabase, DSN: registry.NewSecret(dsn),
		})
		if (err == nil) != right {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}

// What is wrong with a number does not hide what is wrong with tenants.
func TestTenantsOfAClusterWithABadNumberAreCheckedToo(t *testing.T) {
	t.Parallel()
	clusters := map[string]registry.Cluster{"main": {DSN: registry.NewSecret("host=db.internal"), Dials: 1001}}
	_, err := registry.Parse("f", []byte("tenants: {acme: {cluster: main, isolation: schema, schema: public}}"), clusters)
	if problems, ok := errors.AsType[registry.Problems](err); !ok || len(problems) != 2 {
		t.Errorf("got %v", err)
	}
}

func TestClusterDefaultsAreRightAndSoIsAClusterOfZeros(t *testing.T) {
	t.Parallel()
	for _, c := range []registry.Cluster{registry.ClusterDefaults(), {}} {
		c.DSN = registry.NewSecret("host=db.internal")
		if _, err := registry.Parse("f", nil, map[string]registry.Cluster{"main": c}); err != nil {
			t.Error(err)
		}
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
