package pools_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// pathOf reads the search path back out of the pin as PostgreSQL would: a
// list of quoted identifiers, a doubled quote being one.
func pathOf(sql string) (names []string, rest string, ok bool) {
	_, rest, ok = strings.Cut(sql, "session_user; SET search_path TO ")
	for ok {
		if rest, ok = strings.CutPrefix(rest, `"`); !ok {
			return nil, "", false
		}
		var name strings.Builder
		for {
			i := strings.IndexByte(rest, '"')
			if i < 0 {
				return nil, "", false
			}
			name.WriteString(rest[:i])
			if rest = rest[i+1:]; !strings.HasPrefix(rest, `"`) {
				break
			}
			name.WriteByte('"')
			rest = rest[1:]
		}
		names = append(names, name.String())
		if next, more := strings.CutPrefix(rest, ", "); more {
			rest = next
			continue
		}
		return names, rest, true
	}
	return nil, "", false
}

func FuzzNoSchemaNameEscapesItsQuotes(f *testing.F) {
	for _, name := range []string{"acme", `a"b`, `"; DROP TABLE items; --`, "ä", "", strings.Repeat("x", 64), "a\x00b", "$user", `""`} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		record := tenant("t01")
		record.Schema = name
		sql, err := pools.PinSQL(pools.Defaults(), record)
		if err != nil {
			if !errors.Is(err, pools.ErrRecord) {
				t.Fatal(err)
			}
			return
		}
		names, rest, ok := pathOf(sql)
		if !ok || len(names) != 1 || names[0] != name || !strings.HasPrefix(rest, "; SET application_name TO 'poolkeeper:0'; SET statement_timeout TO 30000; SET ") {
			t.Errorf("schema %q is pinned by %s", name, sql)
		}
	})
}

func TestASchemaThatCannotBeOneIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", strings.Repeat("x", 64), "a\x00b"} {
		record := tenant("t01")
		record.Schema = name
		_, err := pools.PinSQL(pools.Defaults(), record)
		mustBe(t, err, pools.ErrRecord)
	}
	record := tenant("t01")
	record.Isolation = "wishful"
	_, err := pools.PinSQL(pools.Defaults(), record)
	mustBe(t, err, pools.ErrRecord)
}

func TestTheTailFollowsTheTenantsOwnSchema(t *testing.T) {
	t.Parallel()
	cfg := pools.Defaults()
	cfg.SearchPathTail = []string{"shared", "t01", "public"}
	sql, err := pools.PinSQL(cfg, tenant("t01"))
	if err != nil || !strings.Contains(sql, `; SET search_path TO "t01", "shared", "public"; `) {
		t.Errorf("%v: %s", err, sql)
	}
}

func TestALimitOfTheRecordGoesBeforeTheDefault(t *testing.T) {
	t.Parallel()
	record := tenant("t01")
	record.Limits = registry.Limits{StatementTimeout: 1500000, IdleInTransactionTimeout: 1} // 1.5ms and 1ns
	sql, err := pools.PinSQL(pools.Defaults(), record)
	if err != nil || !strings.Contains(sql, "SET statement_timeout TO 1; SET idle_in_transaction_session_timeout TO 1") {
		t.Errorf("%v: %s", err, sql)
	}
}

// A source that a program wrote itself may know nothing of shared logins.
func TestATenantOnItsClustersOwnLoginIsNeverWalled(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*registry.Tenant){
		"no login":            func(r *registry.Tenant) { r.Login = "" },
		"the cluster's login": func(r *registry.Tenant) { r.Login = "shared" },
		"in its own dsn": func(r *registry.Tenant) {
			r.Login, r.DSN = "", registry.NewSecret("postgres://shared:pw@127.0.0.1:5432/app?sslmode=disable")
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 15, nil)
			defer w.end(t)
			w.edit("t01", edit)
			c, give := w.hold(t, "t01")
			defer give()
			if err := c.Walled(); !errors.Is(err, pools.ErrNotWalled) {
				t.Errorf("%s: error is %v", name, err)
			}
		})
	}
}

func TestTheConnectionStringsExecModeHasTheCacheThatItNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode string
		size int
		want pgx.QueryExecMode
		kept [2]int // statements, descriptions
	}{
		{"cache_statement", 8, pgx.QueryExecModeCacheStatement, [2]int{8, 0}},
		{"cache_describe", 8, pgx.QueryExecModeCacheDescribe, [2]int{0, 8}},
		{"simple_protocol", 8, pgx.QueryExecModeSimpleProtocol, [2]int{8, 0}},
		{"cache_statement", 0, pgx.QueryExecModeDescribeExec, [2]int{}},
		{"cache_describe", 0, pgx.QueryExecModeDescribeExec, [2]int{}},
		{"exec", 0, pgx.QueryExecModeExec, [2]int{}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 15, func(cfg *pools.Config) {
				cfg.StatementCache = c.size
				onMain(cfg, func(main *registry.Cluster) {
					main.DSN = registry.NewSecret(main.DSN.Reveal() + "&default_query_exec_mode=" + c.mode)
				})
			})
			defer w.end(t)
			conn, give := w.hold(t, "t01")
			defer give()
			got := conn.Conn().Config()
			if got.DefaultQueryExecMode != c.want || [2]int{got.StatementCacheCapacity, got.DescriptionCacheCapacity} != c.kept {
				t.Errorf("%s with %d: the mode is %v, the caches %d and %d", c.mode, c.size,
					got.DefaultQueryExecMode, got.StatementCacheCapacity, got.DescriptionCacheCapacity)
			}
		})
	}
}
