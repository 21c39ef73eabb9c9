package onboard

import (
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// libpq's variables for what a connection string says of TLS and of waiting.
// The rest of a connection is in the driver's configuration.
var connectionVariables = map[string]string{ //nolint:gochecknoglobals // a constant table
	"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY", "sslsni": "PGSSLSNI",
	"sslnegotiation": "PGSSLNEGOTIATION", "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
	"ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION", "require_auth": "PGREQUIREAUTH", "channel_binding": "PGCHANNELBINDING",
	"krbsrvname": "PGKRBSRVNAME", "target_session_attrs": "PGTARGETSESSIONATTRS", "connect_timeout": "PGCONNECT_TIMEOUT",
}

// environment is the program's: where to connect and as whom. Of ours it gets
// the variables that the driver has followed as well, and what programs need.
// Only this user can read it, so the password may be there.
func (d *dumping) environment() []string {
	kept := []string{"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH"}
	for _, name := range connectionVariables {
		kept = append(kept, name)
	}
	var env []string
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); slices.Contains(kept, name) {
			env = append(env, variable)
		}
	}
	for key, value := range parameters(d.dsn.Reveal()) {
		if name, ok := connectionVariables[key]; ok {
			env = append(env, name+"="+value)
		}
	}
	hosts, ports := d.addresses()
	return append(env, "LC_ALL=C", "PGAPPNAME=poolkeeper export", "PGCLIENTENCODING=UTF8",
		"PGHOST="+hosts, "PGPORT="+ports, "PGUSER="+d.as.User, "PGDATABASE="+d.as.Database, "PGPASSWORD="+d.as.Password)
}

// addresses are the hosts and their ports, as libpq wants them. The driver
// lists one with and without TLS.
func (d *dumping) addresses() (hosts, ports string) {
	seen := map[string]bool{}
	var host, port []string
	add := func(h string, p uint16) {
		number := strconv.Itoa(int(p))
		if !seen[h+" "+number] {
			seen[h+" "+number] = true
			host, port = append(host, h), append(port, number)
		}
	}
	add(d.as.Host, d.as.Port)
	for _, f := range d.as.Fallbacks {
		add(f.Host, f.Port)
	}
	return strings.Join(host, ","), strings.Join(port, ",")
}

// parameters reads a connection string of either kind, which the driver has
// accepted.
func parameters(dsn string) map[string]string {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		values := map[string]string{}
		if u, err := url.Parse(dsn); err == nil {
			for key, value := range u.Query() {
				values[key] = value[0]
			}
		}
		return values
	}
	return keywords(dsn)
}

// keywords reads "key = value" pairs; a value may be in single quotes, and a
// backslash makes the next character an ordinary one.
func keywords(dsn string) map[string]string {
	values := map[string]string{}
	for {
		key, rest, ok := strings.Cut(dsn, "=")
		if !ok {
			return values
		}
		rest = strings.TrimLeft(rest, " \t\r\n")
		var value string
		value, dsn = keywordValue(rest)
		values[strings.TrimSpace(key)] = value
	}
}

// keywordValue returns the first value and what comes after it.
func keywordValue(text string) (value, rest string) {
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		text = text[1:]
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		case quoted && c == '\'', !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), text[i+1:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
