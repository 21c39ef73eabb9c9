package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Cluster is one PostgreSQL server on which tenants live.
type Cluster struct {
	// DSN reaches the server with the login that tenants without one of
	// their own share.
	DSN Secret
	// Admin reaches the server with the login that provisions tenants; only
	// onboarding uses it.
	Admin Secret

	// Budget is the most sockets to the server at once, over all tenants and
	// databases; 0 derives it from the server's max_connections.
	Budget int
	// Margin is how many of the server's slots a derived budget leaves to
	// others. Default 3.
	Margin int
	// Replicas is how many Poolkeepers share a derived budget. Default 1.
	Replicas int
	// Addresses are other names of the same server: host:port, or the path of
	// a socket.
	Addresses []string
	// Dials is the most dials in flight at once. Default 16.
	Dials int
	// Queue is the most callers, over all tenants, that may wait for the
	// budget. Default 1000.
	Queue int
	// Spares is how many authenticated connections are kept ready for cold
	// tenants. Default 0.
	Spares int
	// SpareDSN reaches the server with a login that may execute
	// set_session_auth of the extension set_user: then spares serve tenants
	// with a login of their own too. Default none.
	SpareDSN Secret
}

// ClusterDefaults are the defaults of a cluster's settings.
func ClusterDefaults() Cluster {
	return Cluster{Margin: 3, Replicas: 1, Dials: 16, Queue: 1000}
}

// target is where a connection string leads.
type target struct {
	addresses []string
	database  string
	login     string
}

// parseTarget reads a connection string as the driver will. The error never
// repeats it: the driver's own text masks passwords on a best-effort basis.
func parseTarget(dsn Secret) (target, error) {
	cfg, err := pgconn.ParseConfig(dsn.Reveal())
	if err != nil {
		return target{}, fmt.Errorf("is no connection string%s; write postgres://login:password@host:port/database, or key=value pairs", reason(err))
	}
	t := target{database: cfg.Database, login: cfg.User}
	if t.database == "" {
		t.database = t.login // as the server does
	}
	t.addresses = append(t.addresses, address(cfg.Host, cfg.Port))
	for _, f := range cfg.Fallbacks {
		t.addresses = append(t.addresses, address(f.Host, f.Port))
	}
	slices.Sort(t.addresses)
	t.addresses = slices.Compact(t.addresses)
	return t, nil
}

// reason picks from the driver's error what cannot contain a password.
func reason(err error) string {
	if file := new(fs.PathError); errors.As(err, &file) {
		return ": " + file.Error()
	}
	for _, known := range []string{"invalid port", "failed to configure TLS", "failed to read service", "invalid connect_timeout"} {
		if strings.Contains(err.Error(), "`: "+known) {
			return ": " + known
		}
	}
	return ""
}

// address names a server so that two spellings of one are equal. The loopback
// has three that everybody uses; to keep them apart would let one server pass
// for two, and a login shared over both for two logins.
func address(host string, port uint16) string {
	network, addr := pgconn.NetworkAddress(host, port)
	if network == "unix" {
		return filepath.Clean(addr)
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if host == "127.0.0.1" || host == "::1" {
		host = "localhost"
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// site is what is known of a cluster once its connection strings are read.
type site struct {
	target
	admin string // the login that provisions, "" when there is none
}

// sites reads the clusters. Those with a problem are missing from the result.
func sites(file string, clusters map[string]Cluster) (map[string]site, Problems) {
	known := make(map[string]site, len(clusters))
	var problems Problems
	owner := map[string]string{} // of an address
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		s, bad := readSite(clusters[name], "clusters."+name)
		for _, addr := range s.addresses {
			if other, taken := owner[addr]; taken {
				bad.add(position{}, "clusters."+name+".dsn",
					"leads to %s, as does clusters.%s.dsn; one server is one cluster, or its connections would be counted twice", addr, other)
				break
			}
			owner[addr] = name
		}
		if len(bad) == 0 {
			known[name] = s
		}
		problems = append(problems, bad...)
	}
	for _, p := range problems {
		p.File = file
	}
	return known, problems
}

func readSite(c Cluster, field string) (site, Problems) {
	var s site
	var problems Problems
	if c.DSN.IsZero() {
		problems.add(position{}, field+".dsn", "is missing; write a connection string, env:NAME or file:PATH")
		return s, problems
	}
	var err error
	if s.target, err = parseTarget(c.DSN); err != nil {
		problems.add(position{}, field+".dsn", "%v", err)
	}
	if !c.Admin.IsZero() {
		admin, err := parseTarget(c.Admin)
		if err != nil {
			problems.add(position{}, field+".admin", "%v", err)
		}
		s.admin = admin.login
	}
	return s, problems
}
