package registry

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The checks of single values. Each returns what is wrong and what would be
// right, or "".

func checkStatus(s Status) string {
	switch s {
	case StatusPending, StatusActive, StatusSuspended, StatusRetired:
		return ""
	default:
		return fmt.Sprintf("is %s; it must be pending, active, suspended or retired", quote(string(s)))
	}
}

func checkIsolation(i Isolation) string {
	switch i {
	case IsolationSchema, IsolationDatabase, IsolationRow:
		return ""
	default:
		return fmt.Sprintf("is %s; it must be schema, database or row", quote(string(i)))
	}
}

// checkName is for anything that PostgreSQL takes as an identifier.
func checkName(name string) string {
	switch {
	case name == "":
		return "is empty; leave the key out, or give a name"
	case len(name) > maxName:
		return fmt.Sprintf("has %d bytes; PostgreSQL keeps only %d of a name", len(name), maxName)
	case strings.ContainsRune(name, 0):
		return "contains a NUL byte, which PostgreSQL cannot take"
	case !utf8.ValidString(name):
		return "is not valid UTF-8"
	default:
		return ""
	}
}

// checkSchema refuses what would pin a tenant to something that is not its
// own. Case is folded: nobody means Public.
func checkSchema(name string) string {
	if wrong := checkName(name); wrong != "" {
		return wrong
	}
	switch lower := strings.ToLower(name); {
	case strings.HasPrefix(lower, "pg_"):
		return fmt.Sprintf("is %s; names that begin with pg_ are PostgreSQL's own", quote(name))
	case lower == "information_schema":
		return fmt.Sprintf("is %s, which is PostgreSQL's own; give the tenant another one", quote(name))
	case lower == "public":
		return fmt.Sprintf("is %s, which everybody can see; give the tenant another one", quote(name))
	case lower == "$user":
		return "is \"$user\", which search_path reads as the name of the login, even in quotes; give another name"
	default:
		return ""
	}
}

func checkDatabase(name string) string {
	if wrong := checkName(name); wrong != "" {
		return wrong
	}
	if name == "template0" || name == "template1" {
		return fmt.Sprintf("is %s, which PostgreSQL copies new databases from; give another one", quote(name))
	}
	return ""
}

func checkLogin(name string) string {
	if wrong := checkName(name); wrong != "" {
		return wrong
	}
	if strings.HasPrefix(name, "pg_") || name == "public" || name == "none" {
		return fmt.Sprintf("is %s, which PostgreSQL keeps for itself; give another role", quote(name))
	}
	return ""
}

// quote shows a text of unknown length and content.
func quote(text string) string {
	const longest = 80
	if len(text) > longest {
		return fmt.Sprintf("%q…", text[:longest])
	}
	return fmt.Sprintf("%q", text)
}

// checkValues checks every single value of a record that came from code. What
// came from YAML was checked where it was read, line by line.
func checkValues(t *Tenant, wrong func(field, message string)) {
	report := func(field, message string) {
		if message != "" {
			wrong(field, message)
		}
	}
	optional := func(field, value string, check func(string) string) {
		if value != "" {
			report(field, check(value))
		}
	}
	report("status", checkStatus(t.Status))
	report("isolation", checkIsolation(t.Isolation))
	optional("schema", t.Schema, checkSchema)
	optional("database", t.Database, checkDatabase)
	optional("login", t.Login, checkLogin)
	optional("read_login", t.ReadLogin, checkLogin)
	t.Limits.check(func(field, message string) { report("limits."+field, message) })
}
