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
	byKey    = "key"
	byToken  = "jwt"
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
	// Resolvers are the ways that count, in the order of trust: key, jwt, host,
	// path, neon, header. key and jwt come before host and path, and these
	// before neon and header; the order decides which one is reported.
	// Mandatory, no default.
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
	// proxies in front: from them alone X-Forwarded-Host and X-Forwarded-For
	// count, and header and neon suffice. Default none.
	Proxies []string
	// ProbeRate is how many refused requests of one address are forgotten in
	// a minute. An address that has more is refused whatever it asks for,
	// unless a verified credential vouches for the request, or one of Open
	// while there are no Proxies: all clients may have the address of what is in
	// front then. An address is one of IPv4, or a network /64 of IPv6. Default
	// 60; 0 means no limit.
	ProbeRate int
	// ProbeBurst is how many requests of one address may be refused before
	// that. Default 60.
	ProbeBurst int
	// Dev makes every listed resolver suffice, for whoever can reach the
	// port, and passes over passwords of connection strings that are no API
	// keys. A web page of another site is not believed all the same, where the
	// browser says that it is one. Only for development. Default false.
	Dev bool
}

// Defaults returns the defaults. The resolvers have none: which places may
// name a tenant is the operator's decision.
func Defaults() Config {
	return Config{
		Header:     "X-Tenant-ID",
		PathPrefix: "/t/",
		ProbeRate:  60,
		ProbeBurst: 60,
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
		c.checkReserved(), c.checkPrefix(), proxyErr, c.checkProbes(),
	)
}

func (c Config) checkResolvers() error {
	if len(c.Resolvers) == 0 {
		return errors.New("router.resolvers: must list at least one of " +
			"key, jwt, host, path, neon, header, in the order of trust")
	}
	for i, name := range c.Resolvers {
		if classOf(name) == 0 {
			return fmt.Errorf("router.resolvers: has %q; it may list key, jwt, host, path, neon and header", name)
		}
		if slices.Contains(c.Resolvers[:i], name) {
			return fmt.Errorf("router.resolvers: lists %s twice; once is enough", name)
		}
	}
	return c.checkOrder()
}

func (c Config) checkOrder() error {
	right := slices.Clone(c.Resolvers)
	slices.SortStableFunc(right, func(a, b string) int { return classOf(a) - classOf(b) })
	for i, name := range c.Resolvers {
		if name != right[i] {
			return fmt.Errorf("router.resolvers: lists %s before %s, which is trusted more; write [%s]",
				name, right[i], strings.Join(right, ", "))
		}
	}
	return nil
}

func (c Config) checkOpen() error {
	for _, name := range c.Open {
		class := classOf(name)
		switch {
		case !slices.Contains(c.Resolvers, name):
			return fmt.Errorf("router.open: has %q, which router.resolvers does not list", name)
		case class == classCredential:
			return fmt.Errorf("router.open: has %s, which is a credential and suffices anyway; leave it out", name)
		case class == classClient && !c.Dev:
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
	case "Host", "Authorization", "Cookie", apiKeyHeader, forwardedHost, forwardedFor, neonHeader, requestIDHeader:
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

// maxProbes keeps a slip of the pen out of the arithmetic of time.
const maxProbes = 1_000_000

func (c Config) checkProbes() error {
	if c.ProbeRate < 0 || c.ProbeRate > maxProbes {
		return fmt.Errorf("router.probe_rate: is %d; it must be between 1 and %d a minute, or 0 for no limit", c.ProbeRate, maxProbes)
	}
	if c.ProbeRate > 0 && (c.ProbeBurst < 1 || c.ProbeBurst > maxProbes) {
		return fmt.Errorf("router.probe_burst: is %d; it must be between 1 and %d (router.probe_rate: 0 turns the limit off)",
			c.ProbeBurst, maxProbes)
	}
	return nil
}

// The classes of resolvers, the most trusted first.
const (
	classCredential = 1 + iota // verified
	classPlace                 // a place that the operator controls
	classClient                // what the client writes
)

// classOf returns 0 for what is no resolver's name.
func classOf(name string) int {
	switch name {
	case byKey, byToken:
		return classCredential
	case byHost, byPath:
		return classPlace
	case byNeon, byHeader:
		return classClient
	default:
		return 0
	}
}

const (
	letterBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	// tokenBytes are those of a header's name, RFC 9110 section 5.6.2.
	tokenBytes = letterBytes + "!#$%&'*+-.^_`|~"
	// prefixBytes are those that a path never has to escape, and the slash.
	prefixBytes = letterBytes + "-._~/"
)
