package registry

import "fmt"

// Cluster is one PostgreSQL server on which tenants live. Where a zero means a
// default, it does in code; a file says so by leaving the key out.
type Cluster struct {
	// DSN reaches the server with the login that tenants without one of
	// their own share.
	DSN Secret
	// Admin reaches the server with the login that provisions tenants; only
	// onboarding uses it. It leads to one of the server's addresses: where
	// DSN leads, or Addresses.
	Admin Secret

	// Budget is the most sockets to the server at once, over all tenants and
	// databases; 0 derives it from the server: its max_connections, less the
	// slots that it reserves, less Margin, divided by Replicas. Default 0.
	Budget int
	// Margin is how many of the server's slots a derived budget leaves to
	// others; 0 leaves none. Default 3.
	Margin int
	// Replicas is how many Poolkeepers share the server, for a derived budget;
	// 0 means the default. Default 1.
	Replicas int
	// Addresses are other names of the same server: host:port, or the path of
	// a socket. A tenant's own DSN leads where DSN leads or to one of these.
	Addresses []string
	// Dials is the most connections to tenants that may be on their way at
	// once; 0 means the default. Default 16.
	Dials int
	// Queue is the most callers, over all tenants, that may wait for the
	// budget; 0 means the default. Default 1000.
	Queue int
	// Spares is how many authenticated connections to DSN's database are kept
	// ready for cold tenants that share DSN's login. They are a part of the
	// budget. Default 0.
	Spares int
	// SpareDSN reaches the server with a login that may execute
	// set_session_auth of the extension set_user: then the spares are for
	// tenants with a login of their own instead, in the database that it leads
	// to. No tenant may use that login: it can become any other's. It leads to
	// one of the server's addresses. Default none.
	SpareDSN Secret
}

// ClusterDefaults are the defaults of a cluster's settings.
func ClusterDefaults() Cluster {
	return Cluster{Margin: 3, Replicas: 1, Dials: 16, Queue: 1000}
}

// Validate names the first number that cannot be used and says what would be
// right. Zero is the default, where there is one.
func (c Cluster) Validate() (err error) {
	c.checkNumbers(func(key, message string) {
		if err == nil {
			err = fmt.Errorf("%s: %s", key, message)
		}
	})
	return err
}

// checkNumbers tells what is wrong with the numbers, and what would be right.
func (c Cluster) checkNumbers(wrong func(key, message string)) {
	for _, n := range []struct {
		key               string
		value, least, top int
		or                string // what may stand instead of a number
	}{
		{"budget", c.Budget, 1, 100_000, ", or auto"},
		{"margin", c.Margin, 0, 10_000, ""},
		{"replicas", c.Replicas, 1, 1000, ""},
		{"dials", c.Dials, 1, 1000, ""},
		{"queue", c.Queue, 1, 1_000_000, ""},
		{"spares", c.Spares, 0, 1000, ""},
	} {
		if n.value < 0 || n.value > n.top {
			wrong(n.key, fmt.Sprintf("is %d; it must be %d to %d%s", n.value, n.least, n.top, n.or))
		}
	}
	if c.Budget > 0 && c.Spares >= c.Budget {
		wrong("spares", fmt.Sprintf("is %d, but the budget is %d, and spares are a part of it; it must be less", c.Spares, c.Budget))
	}
}
