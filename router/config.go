package router

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/registry"
)

// The names of the resolvers, as they stand in the configuration.
const (
	byHost   = "host"
	byPath   = "path"
	byNeon   = "neon"
	byHeader = "header"
	// byNone is what an Observer is told when no resolver found anything.
	byNone = "none"
)

// placeholder is where the tenant stands in a host template.
const placeholder = "{tenant}"

// Config says how a request names its tenant. Its keys in a file are the
// fields' names in snake case, in the section "router".
type Config struct {
	// Resolvers are the ways that count, in the order of trust: host, path,
	// neon, header. The order decides which one is reported. Mandatory, no
	// default.
	Resolvers []string
	// Open lists the resolvers whose word suffices without a credential, for
	// a router behind something that authenticates. The client writes what
	// neon and header read, so they may be listed only in dev mode. Default
	// none.
	Open []string
	// Header is what the header resolver reads. Default X-Tenant-ID.
	Header string
	// HostTemplate is what the host resolver matches, such as
	// {tenant}.example.com. Mandatory when host is listed.
	HostTemplate string
	// Reserved are the first labels of hosts that are no tenants. Default
	// admin, api, apiauth, app, console, docs, localhost, metrics, status,
	// www.
	Reserved []string
	// PathPrefix is what the path resolver expects before the tenant. Default
	// /t/.
	PathPrefix string
	// Proxies are the addresses (10.0.0.7) and networks (10.0.0.0/8) of the
	// proxies in front: from them alone X-Forwarded-Host counts, and header
	// and neon suffice. Default none.
	Proxies []string
	// Dev makes every listed resolver suffice, for whoever can reach the
	// port. Only for development. Default false.
	Dev bool
}

// Defaults returns the defaults. The resolvers have none: which places may
// name a tenant is the operator's decision.
func Defaults() Config {
	return Config{
		Header:     "X-Tenant-ID",
		PathPrefix: "/t/",
		Reserved: []string{
			"admin", "api", "apiauth", "app", "console",
			"docs", "localhost", "metrics", "status", "www",
		},
	}
}

// Validate returns every mistake, joined. Each names the field by its path in
// the file and says what would be right.
func (c Config) Validate() error {
	_, proxyErr := parseProxies(c.Proxies)
	return errors.Join(
		c.checkResolvers(), c.checkOpen(), c.checkHeader(), c.checkTemplate(),
		c.checkReserved(), c.checkPrefix(), proxyErr,
	)
}

func (c Config) checkResolvers() error {
	if len(c.Resolvers) == 0 {
		return errors.New("router.resolvers: must list at least one of host, path, neon, header, in the order of trust")
	}
	for i, name := range c.Resolvers {
		switch name {
		case byHost, byPath, byNeon, byHeader:
		default:
			return fmt.Errorf("router.resolvers: has %q; it may list host, path, neon and header", name)
		}
		if slices.Contains(c.Resolvers[:i], name) {
			return fmt.Errorf("router.resolvers: lists %s twice; once is enough", name)
		}
	}
	return nil
}

func (c Config) checkOpen() error {
	for _, name := range c.Open {
		if !slices.Contains(c.Resolvers, name) {
			return fmt.Errorf("router.open: has %q, which router.resolvers does not list", name)
		}
		if !isPlace(name) && !c.Dev {
			return fmt.Errorf("router.open: has %s, which any client can write; "+
				"it suffices only from the addresses in router.proxies", name)
		}
	}
	return nil
}

func (c Config) checkHeader() error {
	if c.Header == "" && slices.Contains(c.Resolvers, byHeader) {
		return errors.New("router.header: must name a header, such as X-Tenant-ID, because router.resolvers lists header")
	}
	if strings.Trim(c.Header, tokenBytes) != "" {
		return fmt.Errorf("router.header: is %q, which is no header's name; X-Tenant-ID would be one", c.Header)
	}
	switch name := textproto.CanonicalMIMEHeaderKey(c.Header); name {
	case "Host", "Authorization", "Cookie", forwardedHost, neonHeader, requestIDHeader:
		return fmt.Errorf("router.header: is %s, which has another meaning; X-Tenant-ID would be right", name)
	}
	return nil
}

func (c Config) checkTemplate() error {
	if c.HostTemplate == "" {
		if slices.Contains(c.Resolvers, byHost) {
			return errors.New("router.host_template: must be set, such as {tenant}.example.com, because router.resolvers lists host")
		}
		return nil
	}
	domain, found := strings.CutPrefix(c.HostTemplate, placeholder+".")
	name, err := hostname(domain)
	if !found || err != nil || name != domain {
		return fmt.Errorf("router.host_template: is %q; it must be {tenant}. and a domain in lower case without a port, "+
			"such as {tenant}.example.com", c.HostTemplate)
	}
	return nil
}

func (c Config) checkReserved() error {
	for _, label := range c.Reserved {
		if _, err := registry.ParseID(label); err != nil {
			return fmt.Errorf("router.reserved: has %q, which could be no tenant's id; "+
				"list first labels of hosts in lower case, such as www", label)
		}
	}
	return nil
}

func (c Config) checkPrefix() error {
	if c.PathPrefix == "" && !slices.Contains(c.Resolvers, byPath) {
		return nil
	}
	if inner := strings.Trim(c.PathPrefix, "/"); inner == "" ||
		c.PathPrefix != "/"+inner+"/" || strings.Trim(inner, prefixBytes) != "" ||
		slices.ContainsFunc(strings.Split(inner, "/"), isDots) {
		return fmt.Errorf("router.path_prefix: is %q; it must begin and end with a slash "+
			"and have letters, digits or one of -._~ between, such as /t/", c.PathPrefix)
	}
	return nil
}

// isDots finds the path segments that cleaning a path would remove.
func isDots(segment string) bool {
	return segment == "" || segment == "." || segment == ".."
}

// isPlace reports whether a resolver reads a place that the operator controls
// (class 2), and not what the client writes (class 3).
func isPlace(name string) bool { return name == byHost || name == byPath }

const (
	letterBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	// tokenBytes are those of a header's name, RFC 9110 section 5.6.2.
	tokenBytes = letterBytes + "!#$%&'*+-.^_`|~"
	// prefixBytes are those that a path never has to escape, and the slash.
	prefixBytes = letterBytes + "-._~/"
)
