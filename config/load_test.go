package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAMinimalFileGetsEveryDefault(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, minimal)
	for _, s := range config.AllSettings() {
		if s.Path == "router.resolvers" {
			continue
		}
		if got := config.Value(cfg, s.Path); !reflect.DeepEqual(got, s.Default) {
			t.Errorf("%s is %v, not its default %v", s.Path, got, s.Default)
		}
	}
	if got := cfg.Clusters["main"].DSN.Reveal(); got != "postgres://app:hunter2@db.example.com/app" {
		t.Errorf("the DSN is %q", got)
	}
	if !reflect.DeepEqual(cfg.Pools.Clusters, cfg.Clusters) {
		t.Error("the pools do not know the clusters")
	}
}

func TestValuesOfEveryKindAreRead(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, minimal+`
server:
  listen: "[::1]:0"
  sql:
    enabled: false
    max_body: 512KiB
    max_result: 4096
pools:
  sql: trusted
  idle_after: 1h30m
  max_pools: 12
  search_path_tail: [shared, "ext"]
log:
`)
	if cfg.Server.Listen != "[::1]:0" || cfg.Server.SQL.Enabled || cfg.Server.SQL.MaxBody != 512<<10 || cfg.Server.SQL.MaxResult != 4096 {
		t.Errorf("server is %+v", cfg.Server)
	}
	if cfg.Pools.IdleAfter != 90*time.Minute || cfg.Pools.MaxPools != 12 || len(cfg.Pools.SearchPathTail) != 2 {
		t.Errorf("pools is %+v", cfg.Pools)
	}
	if cfg.Log != config.LogDefaults() {
		t.Errorf("a section whose lines are all comments gives %+v", cfg.Log)
	}
}

func TestAnAliasMeansWhatItStandsFor(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, minimal+"pools:\n  idle_after: &long 7m\n  pool_wait: *long\n")
	if cfg.Pools.PoolWait != 7*time.Minute {
		t.Errorf("pool_wait is %v", cfg.Pools.PoolWait)
	}
}

func TestTheCaseOfClustersAndTheDotsInTheirNamesAreKept(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, `
router: {resolvers: [path]}
clusters:
  Main.EU:
    dsn: postgres://app:hunter2@db.example.com/app
    admin: postgres://root:hunter3@db.example.com/app
tenants:
  acme: {cluster: Main.EU, isolation: schema, schema: acme, labels: {Team.Name: Blue}}
`)
	if cfg.Clusters["Main.EU"].Admin.Reveal() != "postgres://root:hunter3@db.example.com/app" {
		t.Errorf("clusters are %v", cfg.Clusters)
	}
	if len(cfg.Tenants) != 1 || cfg.Tenants[0].Cluster != "Main.EU" || cfg.Tenants[0].Labels["Team.Name"] != "Blue" {
		t.Errorf("tenants are %+v", cfg.Tenants)
	}
}

func TestTheSettingsOfAClusterAreRead(t *testing.T) {
	t.Parallel()
	secret := registry.NewSecret
	want := map[string]registry.Cluster{
		"auto": {DSN: secret("host=one"), Margin: 3, Replicas: 1, Dials: 16, Queue: 1000},
		"full": {
			DSN: secret("host=two"), Admin: secret("host=alias port=6432"), Budget: 100_000, Margin: 10_000, Replicas: 1000,
			Addresses: []string{"alias:6432", "/run/pg/.s.PGSQL.5432"}, Dials: 1000, Queue: 1_000_000, Spares: 1000,
			SpareDSN: secret("host=two user=spare password=hunter9"),
		},
		"least": {DSN: secret("host=three"), Budget: 1, Replicas: 1, Dials: 1, Queue: 1, Addresses: []string{}},
	}
	cfg := mustParse(t, `
router: {resolvers: [path]}
clusters:
  auto: {dsn: host=one, budget: auto, spare_dsn: ""}
  full:
    dsn: host=two
    admin: host=alias port=6432
    budget: 100000
    margin: 10000
    replicas: 1000
    addresses: ["alias:6432", /run/pg/.s.PGSQL.5432]
    dials: 1000
    queue: 1000000
    spares: 1000
    spare_dsn: env:SPARE
  least: {dsn: host=three, budget: 1, margin: 0, replicas: 1, dials: 1, queue: 1, spares: 0, addresses: []}
`, "SPARE=host=two user=spare password=hunter9")
	if !reflect.DeepEqual(cfg.Clusters, want) {
		t.Errorf("got  %+v\nwant %+v", cfg.Clusters, want)
	}
	if cfg.Origin("clusters.auto.budget") != config.FromFile || cfg.Origin("clusters.auto.margin") != config.FromDefault {
		t.Error("the origins are wrong")
	}
}

func TestProblemsTellFileLineAndField(t *testing.T) {
	t.Parallel()
	_, err := parse(t, minimal+"log:\n  level: loud\n")
	var problem *config.Problem
	if !errors.As(err, &problem) {
		t.Fatalf("the error is %v", err)
	}
	if problem.File != "poolkeeper.yaml" || problem.Line != 8 || problem.Field != "log.level" {
		t.Errorf("the problem is %+v", *problem)
	}
}

// Without its secrets, what Show prints is a file that means the same.
func TestShowCanBeReadBack(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, minimal+"    budget: 40\n    margin: 0\n    addresses: ['db:6432']\npools:\n  idle_after: 90s\n  search_path_tail: ['1', \"true\"]\nserver:\n  sql:\n    max_body: 1MiB\n",
		"POOLKEEPER_LOG_LEVEL=warn")
	show, err := cfg.Show()
	if err != nil {
		t.Fatal(err)
	}
	again := mustParse(t, strings.ReplaceAll(show, "'[secret]'", "postgres://app:hunter2@db.example.com/app"))
	if changed := cfg.Restart(again); len(changed) > 0 {
		t.Errorf("read back, these differ: %v\n%s", changed, show)
	}
	if retuned := cfg.Retuned(again); len(retuned) > 0 {
		t.Errorf("read back, clusters differ: %v\n%s", retuned, show)
	}
	for _, line := range []string{
		"idle_after: 1m30s # file", "max_body: 1MiB # file", "level: warn # env POOLKEEPER_LOG_LEVEL", "format: text # default",
		"dsn: '[secret]' # file", "budget: 40 # file", "margin: 0 # file", "addresses: ['db:6432'] # file", "replicas: 1 # default", "spare_dsn: \"\" # default",
	} {
		if !strings.Contains(show, line+"\n") {
			t.Errorf("%q is missing in:\n%s", line, show)
		}
	}
}

func TestShowGivesTheTenantsWithWhatTheirPlansSay(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, minimal+`
plans:
  small: {isolation: schema, cluster: main, limits: {max_conns: 2, guaranteed_conns: 1, idle_after: 1m}}
tenants:
  acme: {plan: small, schema: acme, login: acme, password: hunter5, labels: {region: eu}, limits: {weight: 3}}
`)
	show, err := cfg.Show()
	if err != nil {
		t.Fatal(err)
	}
	_, tenants, _ := strings.Cut(show, "\ntenants:\n")
	for _, line := range []string{
		"  acme:\n", "plan: small\n", "isolation: schema\n", "password: '[secret]'\n",
		"    limits:\n      max_conns: 2\n      guaranteed_conns: 1\n      weight: 3\n      idle_after: 1m\n", "region: eu\n",
	} {
		if !strings.Contains(tenants, line) {
			t.Errorf("%q is missing in:\n%s", line, tenants)
		}
	}
}

func TestRestartNamesWhatARunningProgramKeeps(t *testing.T) {
	t.Parallel()
	before := mustParse(t, minimal)
	after := mustParse(t, strings.ReplaceAll(minimal, "hunter2", "hunter9")+`
  second: {dsn: "postgres://app:hunter2@other.example.com/app"}
pools: {max_pools: 3}
tenants:
  acme: {cluster: main, isolation: schema, schema: acme}
`)
	want := []string{"pools.max_pools", "clusters.main", "clusters.second"}
	if got := before.Restart(after); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, not %v", got, want)
	}
	if got := before.Restart(before); len(got) != 0 {
		t.Errorf("nothing changed, but %v", got)
	}
}

func TestPathsAreRelativeToTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sql"), 0o700); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(filepath.Join(dir, "c.yaml"), []byte(minimal+"onboard: {migrations: sql}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Onboard.Migrations != filepath.Join(dir, "sql") {
		t.Errorf("migrations is %s", cfg.Onboard.Migrations)
	}
}

func TestOnboardingFollowsTheRowSettingOfThePools(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, minimal+"pools: {row_setting: my.tenant}\n")
	if cfg.Onboard.RowSetting != "my.tenant" {
		t.Errorf("onboard.row_setting is %s", cfg.Onboard.RowSetting)
	}
}

var _ fmt.Stringer = (*config.Config)(nil)

func ExampleConfig_Show() {
	cfg, err := config.Parse("poolkeeper.yaml", []byte(minimal), []string{"POOLKEEPER_LOG_FORMAT=json"})
	if err != nil {
		fmt.Println(err)
		return
	}
	show, _ := cfg.Show()
	_, log, _ := strings.Cut(show, "log:\n")
	fmt.Println(strings.SplitAfter(log, "\n")[:2])
	// Output:
	// [  level: info # default
	//    format: json # env POOLKEEPER_LOG_FORMAT
	// ]
}

var _ = registry.Secret{}
