package router_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
)

func TestTheDefaultsLackOnlyTheResolvers(t *testing.T) {
	t.Parallel()
	err := router.Defaults().Validate()
	if err == nil || err.Error() != "router.resolvers: must list at least one of key, jwt, host, path, neon, header, in the order of trust" {
		t.Fatalf("got %v", err)
	}
	cfg := router.Defaults()
	cfg.Resolvers = []string{"path", "neon", "header"}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestAMistakeInTheConfigurationIsNamedWithWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*router.Config)
		want   []string // the field, what is wrong, what would be right
	}{
		{"an unknown resolver", func(c *router.Config) { c.Resolvers, c.Open = []string{"cookie"}, nil }, []string{"router.resolvers: ", `"cookie"`, "key, jwt, host, path, neon and header"}},
		{"a resolver twice", func(c *router.Config) { c.Resolvers, c.Open = []string{"path", "path"}, nil }, []string{"router.resolvers: ", "path twice"}},
		{"a place before a credential", func(c *router.Config) { c.Resolvers = []string{"host", "key", "path"} }, []string{"router.resolvers: ", "host before key", "write [key, host, path]"}},
		{"a header before a place", func(c *router.Config) { c.Resolvers = []string{"jwt", "header", "host", "neon", "path"} }, []string{"router.resolvers: ", "header before host", "write [jwt, host, path, header, neon]"}},
		{"a connection string before a token", func(c *router.Config) { c.Resolvers, c.Open = []string{"neon", "jwt"}, nil }, []string{"router.resolvers: ", "write [jwt, neon]"}},
		{"an open key", func(c *router.Config) { c.Resolvers, c.Open = []string{"key"}, []string{"key"} }, []string{"router.open: ", "key", "leave it out"}},
		{"an open token", func(c *router.Config) { c.Resolvers, c.Open = []string{"jwt"}, []string{"jwt"} }, []string{"router.open: ", "jwt", "leave it out"}},
		{"the header of keys", func(c *router.Config) { c.Header = "apikey" }, []string{"router.header: ", "Apikey"}},
		{"the header of clients' addresses", func(c *router.Config) { c.Header = "x-forwarded-for" }, []string{"router.header: ", "X-Forwarded-For"}},
		{"a negative probe rate", func(c *router.Config) { c.ProbeRate = -1 }, []string{"router.probe_rate: ", "-1", "1000000"}},
		{"an enormous probe rate", func(c *router.Config) { c.ProbeRate = 1 << 40 }, []string{"router.probe_rate: ", "1000000"}},
		{"no probe burst", func(c *router.Config) { c.ProbeBurst = 0 }, []string{"router.probe_burst: ", "0", "router.probe_rate: 0"}},
		{"a negative probe burst", func(c *router.Config) { c.ProbeBurst = -1 }, []string{"router.probe_burst: ", "-1"}},
		{"an enormous probe burst", func(c *router.Config) { c.ProbeBurst = 1 << 40 }, []string{"router.probe_burst: ", "1000000"}},
		{"open, but not listed", func(c *router.Config) { c.Resolvers, c.Open = []string{"path"}, []string{"host"} }, []string{"router.open: ", `"host"`, "router.resolvers"}},
		{"an open header", func(c *router.Config) { c.Open = []string{"header"} }, []string{"router.open: ", "header", "router.proxies"}},
		{"an open connection string", func(c *router.Config) { c.Open = []string{"neon"} }, []string{"router.open: ", "neon", "router.proxies"}},
		{"no header", func(c *router.Config) { c.Header = "" }, []string{"router.header: ", "X-Tenant-ID"}},
		{"no header's name", func(c *router.Config) { c.Header = "X Tenant" }, []string{"router.header: ", `"X Tenant"`, "X-Tenant-ID"}},
		{"a header of HTTP's own", func(c *router.Config) { c.Header = "host" }, []string{"router.header: ", "Host", "X-Tenant-ID"}},
		{"a header with a credential", func(c *router.Config) { c.Header = "authorization" }, []string{"router.header: ", "Authorization"}},
		{"no template", func(c *router.Config) { c.HostTemplate = "" }, []string{"router.host_template: ", "{tenant}.example.com"}},
		{"a template without the tenant", func(c *router.Config) { c.HostTemplate = "example.com" }, []string{"router.host_template: ", `"example.com"`, "{tenant}.example.com"}},
		{"a template in the middle", func(c *router.Config) { c.HostTemplate = "db.{tenant}.example.com" }, []string{"router.host_template: "}},
		{"the tenant alone", func(c *router.Config) { c.HostTemplate = "{tenant}" }, []string{"router.host_template: "}},
		{"a template of an address", func(c *router.Config) { c.HostTemplate = "{tenant}.0.0.1" }, []string{"router.host_template: "}},
		{"a template with a port", func(c *router.Config) { c.HostTemplate = "{tenant}.example.com:8080" }, []string{"router.host_template: ", "without a port"}},
		{"a template in upper case", func(c *router.Config) { c.HostTemplate = "{tenant}.Example.com" }, []string{"router.host_template: ", "lower case"}},
		{"a template with a last dot", func(c *router.Config) { c.HostTemplate = "{tenant}.example.com." }, []string{"router.host_template: "}},
		{"a bad template, not even used", func(c *router.Config) { c.Resolvers, c.Open, c.HostTemplate = []string{"path"}, nil, "x" }, []string{"router.host_template: "}},
		{"reserved in upper case", func(c *router.Config) { c.Reserved = []string{"WWW"} }, []string{"router.reserved: ", `"WWW"`, "www"}},
		{"reserved and empty", func(c *router.Config) { c.Reserved = []string{""} }, []string{"router.reserved: "}},
		{"no prefix", func(c *router.Config) { c.PathPrefix = "" }, []string{"router.path_prefix: ", "/t/"}},
		{"the root as prefix", func(c *router.Config) { c.PathPrefix = "/" }, []string{"router.path_prefix: ", "/t/"}},
		{"a prefix without its last slash", func(c *router.Config) { c.PathPrefix = "/t" }, []string{"router.path_prefix: ", `"/t"`}},
		{"a prefix without its first slash", func(c *router.Config) { c.PathPrefix = "t/" }, []string{"router.path_prefix: "}},
		{"a prefix with two slashes", func(c *router.Config) { c.PathPrefix = "/a//b/" }, []string{"router.path_prefix: "}},
		{"a prefix with dots", func(c *router.Config) { c.PathPrefix = "/a/../b/" }, []string{"router.path_prefix: "}},
		{"a prefix with an escape", func(c *router.Config) { c.PathPrefix = "/%74/" }, []string{"router.path_prefix: "}},
		{"a proxy by name", func(c *router.Config) { c.Proxies = []string{"lb.example.com"} }, []string{"router.proxies: ", `"lb.example.com"`, "10.0.0.0/8"}},
		{"a proxy inside a network", func(c *router.Config) { c.Proxies = []string{"10.1.2.3/8"} }, []string{"router.proxies: ", "10.1.2.3/8", "write 10.0.0.0/8"}},
		{"a proxy with a zone", func(c *router.Config) { c.Proxies = []string{"fe80::1%eth0"} }, []string{"router.proxies: "}},
		{"a network of IPv4 in IPv6", func(c *router.Config) { c.Proxies = []string{"::ffff:10.0.0.0/104"} }, []string{"router.proxies: ", "IPv4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := production("host", "path", "neon", "header")
			c.change(&cfg)
			checkMessage(t, cfg.Validate(), c.want)
			_, err := router.New(cfg, router.Deps{Tenants: records{}, Pools: &lender{}})
			checkMessage(t, err, c.want)
		})
	}
}

func checkMessage(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatal("accepted")
	}
	if !strings.HasPrefix(err.Error(), want[0]) || strings.Contains(err.Error(), "\n") {
		t.Errorf("should be one line that begins with %q: %v", want[0], err)
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("should say %q: %v", part, err)
		}
	}
}

func TestAllMistakesAreReportedTogether(t *testing.T) {
	t.Parallel()
	cfg := router.Config{Resolvers: []string{"host", "path", "header"}, Proxies: []string{"x"}}
	err := cfg.Validate()
	for _, field := range []string{"router.header: ", "router.host_template: ", "router.path_prefix: ", "router.proxies: "} {
		if err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("should name %s in %v", field, err)
		}
	}
}

func TestInDevModeAResolverOfClass3MayBeOpen(t *testing.T) {
	t.Parallel()
	cfg := config("neon", "header")
	cfg.Open = []string{"neon", "header"}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestTheOrderWithinAClassIsFree(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{
		{"key", "jwt", "host", "path", "neon", "header"},
		{"jwt", "key", "path", "host", "header", "neon"},
		{"key", "header"},
		{"jwt"},
	} {
		if err := config(order...).Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestALimitThatIsOffNeedsNoBurst(t *testing.T) {
	t.Parallel()
	cfg := config("key")
	cfg.ProbeRate, cfg.ProbeBurst = 0, 0
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestARouterNeedsWhatItsResolversVerifyWith(t *testing.T) {
	t.Parallel()
	deps := router.Deps{Tenants: records{}, Pools: &lender{}}
	_, err := router.New(config("key"), deps)
	checkMessage(t, err, []string{"router.resolvers: ", "key", "control database"})
	_, err = router.New(config("jwt"), deps)
	checkMessage(t, err, []string{"router.resolvers: ", "jwt", "whose tokens"})
	deps.Keys, deps.Tokens = keyring{}, issuer{}
	if _, err := router.New(config("key", "jwt"), deps); err != nil {
		t.Error(err)
	}
}

func TestARouterNeedsRecordsAndPools(t *testing.T) {
	t.Parallel()
	if _, err := router.New(config("header"), router.Deps{Pools: &lender{}}); err == nil {
		t.Error("accepted no tenants")
	}
	if _, err := router.New(config("header"), router.Deps{Tenants: records{}}); err == nil {
		t.Error("accepted no pools")
	}
}
