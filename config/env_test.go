package config_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/config"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// otherText is a text for the environment that gives a value which is not
// the default, and the value.
func otherText(t *testing.T, s config.SettingInfo) (string, any) {
	t.Helper()
	v := reflect.New(s.Type).Elem()
	v.Set(reflect.ValueOf(s.Default))
	switch d := s.Default.(type) {
	case registry.Secret:
		return "hunter2", registry.NewSecret("hunter2")
	case time.Duration:
		return (d + time.Second).String(), d + time.Second
	case int64:
		return fmt.Sprintf("%dKiB", d/1024+1), (d/1024 + 1) * 1024
	case bool:
		return fmt.Sprint(!d), !d
	}
	switch {
	case v.CanInt():
		v.SetInt(v.Int() + 1)
		return fmt.Sprint(v.Int()), v.Interface()
	case v.Kind() == reflect.Float64:
		v.SetFloat(2.5)
		return "2.5", v.Interface()
	case v.Kind() == reflect.String:
		v.SetString("other")
		return "other", v.Interface()
	case v.Kind() == reflect.Slice && s.Type.Elem().Kind() == reflect.String:
		list := reflect.MakeSlice(s.Type, 0, 2)
		for _, item := range []string{"one", "two"} {
			list = reflect.Append(list, reflect.ValueOf(item).Convert(s.Type.Elem()))
		}
		return "one, two", list.Interface()
	}
	t.Fatalf("%s: no other value for a %v; add a case", s.Path, s.Type)
	return "", nil
}

// Whether the value makes sense is its owner's business: what counts here is
// that the variable is read, and into the right field.
func TestEverySettingIsReadFromTheEnvironmentAlone(t *testing.T) {
	t.Parallel()
	settings := config.AllSettings()
	if len(settings) < 45 {
		t.Fatalf("only %d settings found", len(settings))
	}
	for _, s := range settings {
		t.Run(s.Path, func(t *testing.T) {
			t.Parallel()
			text, want := otherText(t, s)
			cfg := config.Layered("poolkeeper.yaml", []byte(minimal), []string{s.Env + "=" + text})
			if got := config.Value(cfg, s.Path); !reflect.DeepEqual(got, want) {
				t.Errorf("%s=%s gives %v, not %v", s.Env, text, got, want)
			}
			if got := cfg.Origin(s.Path); got != config.FromEnv+config.Origin(" "+s.Env) {
				t.Errorf("its origin is %q", got)
			}
		})
	}
}

func TestNoTwoSettingsShareAVariable(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, s := range config.AllSettings() {
		if other, twice := seen[s.Env]; twice {
			t.Errorf("%s is both %s and %s", s.Env, other, s.Path)
		}
		seen[s.Env] = s.Path
	}
}

func TestTheEnvironmentWinsOverTheFileAndTheFileOverTheDefault(t *testing.T) {
	t.Parallel()
	text := minimal + "pools:\n  max_pools: 7\n  queue: 8\n"
	cfg := mustParse(t, text, "POOLKEEPER_POOLS_QUEUE=9", "POOLKEEPER_TENANTS_DIR=", "IGNORED")
	if cfg.Pools.MaxPools != 7 || cfg.Origin("pools.max_pools") != config.FromFile {
		t.Errorf("max_pools is %d from %s", cfg.Pools.MaxPools, cfg.Origin("pools.max_pools"))
	}
	if cfg.Pools.Queue != 9 || cfg.Origin("pools.queue") != "env POOLKEEPER_POOLS_QUEUE" {
		t.Errorf("queue is %d from %s", cfg.Pools.Queue, cfg.Origin("pools.queue"))
	}
	if cfg.Pools.MaxConns != pools.Defaults().MaxConns || cfg.Origin("pools.max_conns") != config.FromDefault {
		t.Errorf("max_conns is %d from %s", cfg.Pools.MaxConns, cfg.Origin("pools.max_conns"))
	}
}

func TestAVariableThatIsNoSettingIsRefusedUnlessItIsSomebodyElses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ variable, want string }{
		{"POOLKEEPER_POOLS_MAXPOOLS=3", "environment: POOLKEEPER_POOLS_MAXPOOLS: is no setting; did you mean POOLKEEPER_POOLS_MAX_POOLS?"},
		{"POOLKEEPER_POOLS_MAX_POOLS=many", `environment: POOLKEEPER_POOLS_MAX_POOLS: is "many"; it must be a whole number`},
		{"POOLKEEPER_POOLS_MAX_POOLS=-1", "environment: POOLKEEPER_POOLS_MAX_POOLS: "},
		{"POOLKEEPER_POOLS_IDLE_AFTER=5", `environment: POOLKEEPER_POOLS_IDLE_AFTER: is "5"; it must be a duration with its unit, such as 500ms, 30s or 5m`},
		{"POOLKEEPER_SERVER_SQL_ENABLED=perhaps", `environment: POOLKEEPER_SERVER_SQL_ENABLED: is "perhaps"; it must be true or false`},
		{"POOLKEEPER_SERVER_SQL_MAX_BODY=10 apples", `environment: POOLKEEPER_SERVER_SQL_MAX_BODY: is "10 apples"; it must be a whole number of bytes, or a size such as 512KiB or 10MiB`},
		{"POOLKEEPER_PG_BIN=/somewhere", ""},
		{"POOLKEEPER_SERVER_SERVICE_HOST=10.0.0.1", ""},
		{"POOLKEEPER_SERVER_PORT_8080_TCP_ADDR=10.0.0.1", ""},
		{"POOLKEEPER_SERVER_PORT=tcp://10.0.0.1:8080", ""},
		{"PATH=/bin", ""},
	} {
		_, err := parse(t, minimal, c.variable)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.variable, err)
		case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
			t.Errorf("%s:\n got %v\nwant %s", c.variable, err, c.want)
		}
	}
}

func TestListsInTheEnvironmentAreSeparatedByCommas(t *testing.T) {
	t.Parallel()
	cfg := mustParse(t, minimal, "POOLKEEPER_POOLS_SEARCH_PATH_TAIL= shared , ext,")
	if got := fmt.Sprint(cfg.Pools.SearchPathTail); got != "[shared ext]" {
		t.Errorf("the list is %s", got)
	}
}

func TestKeysComeFromFieldNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"MaxPools": "max_pools", "SQL": "sql", "NegativeTTL": "negative_ttl", "TTL": "ttl",
		"DDL": "ddl", "IdleInTransactionTimeout": "idle_in_transaction_timeout", "SQLPath": "sql_path", "Top10K": "top10_k",
	} {
		if got := config.Snake(name); got != want {
			t.Errorf("%s gives %s, not %s", name, got, want)
		}
	}
}
