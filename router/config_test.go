package router_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/router"
)

func TestTheDefaultsLackOnlyTheResolvers(t *testing.T) {
	t.Parallel()
	err := router.Defaults().Validate()
	if err == nil || err.Error() != "router.resolvers: must list at least one of host, path, neon, header, in the order of trust" {
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
		{"an unknown resolver", func(c *router.Config) { c.Resolvers, c.Open = []string{"cookie"}, nil }, []string{"router.resolvers: ", `"cookie"`, "host, path, neon and header"}},
		{"a resolver twice", func(c *router.Config) { c.Resolvers, c.Open = []string{"path", "path"}, nil }, []string{"router.resolvers: ", "path twice"}},
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
			_, err := router.New(cfg, records{}, &lender{}, nil)
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

func TestARouterNeedsRecordsAndPools(t *testing.T) {
	t.Parallel()
	if _, err := router.New(config("header"), nil, &lender{}, nil); err == nil {
		t.Error("accepted no tenants")
	}
	if _, err := router.New(config("header"), records{}, nil, nil); err == nil {
		t.Error("accepted no pools")
	}
}
