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

// socketName begins the name of every socket of PostgreSQL; its port follows.
const socketName = ".s.PGSQL."

// parseAddress reads a name of a server that somebody wrote: host:port, or the
// path of a socket. It reports false for anything else.
func parseAddress(text string) (string, bool) {
	host, port, err := net.SplitHostPort(text)
	if filepath.IsAbs(text) {
		host, port, err = filepath.Dir(text), strings.TrimPrefix(filepath.Base(text), socketName), nil
		if host+string(filepath.Separator)+socketName+port != filepath.Clean(text) {
			return "", false
		}
	} else if strings.ContainsAny(host, "/\\@=, \t") {
		return "", false
	}
	n, wrong := strconv.ParseUint(port, 10, 16)
	if err != nil || wrong != nil || n == 0 || host == "" {
		return "", false
	}
	return address(host, uint16(n)), true
}

// site is what is known of a cluster once its connection strings are read.
type site struct {
	target          // of its dsn; the addresses are all the server's
	names  []naming // the same addresses, and which field gave each
	logins []string // of all its connection strings, each once
	spare  string   // of them, the one of spare_dsn, or ""
}

// naming is an address and the field that gives it.
type naming struct{ address, field, verb string }

// sites reads the clusters. Those whose connection strings or addresses have a
// problem are missing from the result.
func sites(file string, clusters map[string]Cluster) (map[string]site, Problems) {
	known := make(map[string]site, len(clusters))
	var problems Problems
	owner := map[string]naming{} // of an address
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		field := "clusters." + name
		s, bad := readSite(clusters[name], field)
		bad = append(bad, s.claim(owner)...)
		if len(bad) == 0 {
			known[name] = s
		}
		clusters[name].checkNumbers(func(key, message string) {
			bad.add(position{}, field+"."+key, "%s", message)
		})
		problems = append(problems, bad...)
	}
	for _, p := range problems {
		p.File = file
	}
	return known, problems
}

// claim takes the server's addresses, and complains about the first that is
// another cluster's.
func (s site) claim(owner map[string]naming) Problems {
	for _, n := range s.names {
		if other, taken := owner[n.address]; taken {
			var problems Problems
			problems.add(position{}, n.field,
				"%s %s, as does %s; one server is one cluster, or its connections would be counted twice", n.verb, n.address, other.field)
			return problems
		}
	}
	for _, n := range s.names {
		owner[n.address] = n
	}
	return nil
}

// ClusterAt returns the cluster to whose server a connection string leads, by
// whatever name of it. It reports false when there is none, or when the string
// is none.
func ClusterAt(clusters map[string]Cluster, dsn Secret) (name string, ok bool) {
	where, err := parseTarget(dsn)
	if err != nil {
		return "", false
	}
	known, _ := sites("", clusters) // those with a problem lead nowhere
	for name, s := range known {
		astray := func(addr string) bool { return !slices.Contains(s.addresses, addr) }
		if !slices.ContainsFunc(where.addresses, astray) {
			return name, true
		}
	}
	return "", false
}

// readSite reads one cluster. Without a dsn nothing else can be said of it.
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
	for _, address := range s.addresses {
		s.names = append(s.names, naming{address, field + ".dsn", "leads to"})
	}
	s.logins = []string{s.login}
	problems = append(problems, s.readAliases(c.Addresses, field+".addresses")...)
	astray := len(problems) > 0 // what is not known, others cannot be held against
	problems = append(problems, s.readOther(c.Admin, field, "admin", astray)...)
	problems = append(problems, s.readOther(c.SpareDSN, field, "spare_dsn", astray)...)
	return s, problems
}

// readAliases adds the other names of the server.
func (s *site) readAliases(aliases []string, field string) Problems {
	var problems Problems
	for i, text := range aliases {
		alias, ok := parseAddress(text)
		switch {
		case !ok:
			// The text is not repeated: it may be a connection string.
			problems.add(position{}, field, "entry %d is no address; write host:port, or the path of a socket, such as /run/postgresql/.s.PGSQL.5432", i+1)
		case !slices.Contains(s.addresses, alias):
			s.addresses = append(s.addresses, alias)
			s.names = append(s.names, naming{alias, field, "contains"})
		}
	}
	return problems
}

// readOther reads a further connection string of the cluster. It must lead to
// the same server, unless it is not known which that is.
func (s *site) readOther(dsn Secret, cluster, key string, astray bool) Problems {
	var problems Problems
	if dsn.IsZero() {
		return nil
	}
	other, err := parseTarget(dsn)
	if err != nil {
		problems.add(position{}, cluster+"."+key, "%v", err)
		return problems
	}
	if key == "spare_dsn" && other.login == s.login {
		// Who shares it could become anybody with set_session_auth.
		problems.add(position{}, cluster+"."+key, "has the login of %s.dsn, which tenants use; give it one of its own", cluster)
	}
	if key == "spare_dsn" {
		s.spare = other.login
	}
	if !slices.Contains(s.logins, other.login) {
		s.logins = append(s.logins, other.login)
	}
	for _, address := range other.addresses {
		if !astray && !slices.Contains(s.addresses, address) {
			problems.add(position{}, cluster+"."+key,
				"leads to %s, and %s.dsn does not; if that is the same server, add it to %s.addresses", address, cluster, cluster)
			break
		}
	}
	return problems
}
