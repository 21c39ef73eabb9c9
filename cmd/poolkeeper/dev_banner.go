package main

import (
	"fmt"
	"net"
	"strings"
	"text/tabwriter"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server"
)

// banner is the one screen that dev prints: where everything is, who the
// tenants are, and examples to copy.
func banner(at urls, db *database, tenants []*registry.Tenant) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nPoolkeeper serves %s on %s\n", count(len(tenants), "tenant"), db.what)
	fmt.Fprintf(&b, "  data in %s\n", db.where)
	if db.note != "" {
		fmt.Fprintf(&b, "  note: %s\n", db.note)
	}
	fmt.Fprintf(&b, "\n  data API   %s\n", at.data)
	if at.admin != "" {
		fmt.Fprintf(&b, "  admin API  %s\n", at.admin)
	}
	b.WriteString("\n" + tenantTable(tenants) + "\n")
	for _, e := range examples(at, tenants) {
		fmt.Fprintf(&b, "# %s\n%s\n", e.title, e.command)
	}
	b.WriteString("\nCtrl-C stops everything; the data is kept.\n\n")
	return b.String()
}

// urls are where clients on this machine find both listeners; admin is "" when
// there is none.
type urls struct{ data, admin string }

func urlsOf(at Addresses, cfg server.Config) urls {
	u := urls{data: urlOf(at.Data, cfg.TLS.Cert)}
	if at.Admin != "" {
		u.admin = urlOf(at.Admin, cfg.AdminTLS.Cert)
	}
	return u
}

// urlOf is the URL of a listener that has the certificate, "" for plain HTTP.
func urlOf(address, cert string) string {
	if cert != "" {
		return "https://" + reachable(address)
	}
	return "http://" + reachable(address)
}

// reachable is an address as a client on this machine writes it.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// maxListed keeps the banner on one screen.
const maxListed = 8

func tenantTable(tenants []*registry.Tenant) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for i, t := range tenants {
		if i == maxListed {
			fmt.Fprintf(w, "  and %d more\n", len(tenants)-i)
			break
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", t.ID, t.Isolation, remark(t))
	}
	_ = w.Flush() // into memory
	return b.String()
}

// remark says what a visitor may expect of a tenant.
func remark(t *registry.Tenant) string {
	switch {
	case t.Status == registry.StatusPending:
		return "could not be onboarded; the log says why"
	case !t.Active():
		return string(t.Status) + ": refused like one that does not exist"
	case walled(t):
		return "a login of its own: /sql serves it"
	default:
		return "shares its login: /sql answers 403, use the library"
	}
}

// walled reports whether /sql will serve the tenant.
func walled(t *registry.Tenant) bool {
	return t.Active() && !t.SharedLogin && t.Isolation != registry.IsolationRow
}

// An example is one command to copy.
type example struct{ title, command string }

// demoQuery reads what the demo's migrations put into every tenant.
const demoQuery = "select id, name, tenant from items"

func examples(at urls, tenants []*registry.Tenant) []example {
	var walledIDs []string
	for _, t := range tenants {
		if walled(t) {
			walledIDs = append(walledIDs, t.ID.String())
		}
	}
	var all []example
	if len(walledIDs) > 0 {
		first, last := walledIDs[0], walledIDs[min(1, len(walledIDs)-1)]
		all = append(all, dataExamples(at.data, first, last)...)
	}
	if at.admin == "" {
		return all
	}
	return append(all,
		example{"the live pools, and the metrics", fmt.Sprintf("curl -s %s/v1/pools; curl -s %s/metrics | grep ^poolkeeper_pool", at.admin, at.admin)},
	)
}

// dataExamples name the tenant in each of the four ways.
func dataExamples(url, first, second string) []example {
	scheme, address, _ := strings.Cut(url, "://")
	_, port, _ := net.SplitHostPort(address)
	body := fmt.Sprintf(`-d '{"query":"%s"}'`, demoQuery)
	return []example{
		{"the tenant in a header", fmt.Sprintf("curl -s %s/sql -H 'X-Tenant-ID: %s' %s", url, first, body)},
		{"in the path", fmt.Sprintf("curl -s %s/t/%s/sql %s", url, second, body)},
		{"in the host's name", fmt.Sprintf("curl -s %s://%s.localhost:%s/sql %s", scheme, first, port, body)},
		{"with Neon's client (npm install @neondatabase/serverless)", fmt.Sprintf(
			`node --input-type=module -e "import { neon, neonConfig } from '@neondatabase/serverless';
  neonConfig.fetchEndpoint = '%s/sql';
  console.log(await neon('postgresql://me@%s.localhost/app').query('%s'))"`, url, second, demoQuery)},
	}
}
