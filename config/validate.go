package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// validate asks every owner, then checks what only the whole can tell.
func (l *loading) validate(data []byte) {
	for _, sec := range l.config.sections() {
		for _, err := range flatten(sec.config.Validate()) {
			l.refused(sec.name, err)
		}
	}
	l.crossChecks()
	l.tenants(data)
}

// refused turns an owner's error, which begins with the field's path as the
// owner knows it, into a problem with the whole path and its line.
func (l *loading) refused(sec string, err error) {
	text := strings.TrimPrefix(err.Error(), sec+": ")
	text = strings.TrimPrefix(text, sec+".")
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && r != '.' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	field := sec
	if strings.HasPrefix(text, "clusters") && end > 0 {
		field, text = text[:end], strings.TrimLeft(text[end:], ": ") // pools speaks of the top-level key
	} else if end > 0 {
		if _, known := l.schema.byPath[sec+"."+text[:end]]; known {
			if index := strings.Index(text, "]: "); index > 0 && text[end] == '[' {
				end = index + 1
			}
			field, text = sec+"."+text[:end], strings.TrimLeft(text[end:], ": ")
		}
	}
	if !l.said(field) {
		l.at(field, text)
	}
}

// at reports a problem where the value of the field came from. The field may
// end in an index: metrics.tenants[3].
func (l *loading) at(path, message string) {
	field, _, _ := strings.Cut(path, "[")
	if variable, ok := strings.CutPrefix(string(l.config.Origin(field)), string(FromEnv)+" "); ok {
		l.problems = append(l.problems, &Problem{File: "environment", Field: variable, Message: message})
		return
	}
	line, parent := l.lines[field], field
	for line == 0 && strings.Contains(parent, ".") {
		parent = parent[:strings.LastIndex(parent, ".")]
		line = l.lines[parent] // of the section, when the setting is not there
	}
	l.problem(line, path, "%s", message)
}

// flatten lists the errors that errors.Join joined.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, part := range joined.Unwrap() {
		all = append(all, flatten(part)...)
	}
	return all
}

// crossChecks compares sections with each other.
func (l *loading) crossChecks() {
	c := l.config
	if c.Server.SQL.Enabled && c.Pools.SQL != pools.Untrusted && !l.said("pools.sql") {
		l.at("pools.sql", `is "`+string(c.Pools.SQL)+`" while server.sql.enabled lets clients write SQL; make it "untrusted", or switch server.sql off`)
	}
	if c.Pools.GuaranteedConns > c.Pools.MaxConns && !l.said("pools.guaranteed_conns") && !l.said("pools.max_conns") {
		l.at("pools.guaranteed_conns", fmt.Sprintf("is %d, but pools.max_conns is %d; no more can be guaranteed than are allowed", c.Pools.GuaranteedConns, c.Pools.MaxConns))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Clusters)) {
		if field := "clusters." + name + ".spares"; c.Clusters[name].Spares > 0 && !c.Pools.Handoff && !l.said(field) {
			l.at(field, fmt.Sprintf("is %d while pools.handoff is off, without which no spare reaches a tenant; make it 0, or switch pools.handoff on", c.Clusters[name].Spares))
		}
	}
	if c.Origin("onboard.row_setting") == FromDefault {
		c.Onboard.RowSetting = c.Pools.RowSetting
	}
	if c.Onboard.RowSetting != c.Pools.RowSetting {
		l.at("onboard.row_setting", `is "`+c.Onboard.RowSetting+`", but pools.row_setting is "`+c.Pools.RowSetting+`"; leave it out, or make them equal`)
	}
	c.Onboard.MaxConns = c.Pools.MaxConns
	l.credentials()
	if c.Onboard.Exports != "" {
		c.Onboard.Exports = resolve(l.reader.dir, c.Onboard.Exports)
	}
	l.folder("onboard.migrations", &c.Onboard.Migrations)
	l.folder("onboard.shared", &c.Onboard.Shared)
	l.folder("tenants_dir", &c.TenantsDir)
}

// credentials holds the resolvers that verify to what they verify with.
func (l *loading) credentials() {
	c := l.config
	if slices.Contains(c.Router.Resolvers, "key") && c.Control.DSN.IsZero() && !l.said("router.resolvers") {
		l.at("router.resolvers", "lists key, but control.dsn is missing: keys are kept in the control database; set one up, or take key out")
	}
	listed := slices.Contains(c.Router.Resolvers, "jwt")
	switch {
	case listed && !c.JWT.Wanted() && !l.said("router.resolvers"):
		l.at("router.resolvers", "lists jwt, but neither jwt.jwks nor jwt.secret is there to verify tokens with; give one, or take jwt out")
	case !listed && c.JWT.Wanted() && !l.said("jwt.jwks"):
		l.at("jwt.jwks", "or jwt.secret is there, but router.resolvers does not list jwt, so no token would be looked at; list it first, or remove the section")
	}
	if !strings.Contains(c.JWT.JWKS, "://") {
		l.relative(&c.JWT.JWKS)
	}
	l.relative(&c.Server.TLS.Cert, &c.Server.TLS.Key)
	l.relative(&c.Server.AdminTLS.Cert, &c.Server.AdminTLS.Key, &c.Server.AdminTLS.ClientCA)
}

// relative makes paths relative to the configuration file's own folder.
func (l *loading) relative(paths ...*string) {
	for _, path := range paths {
		if *path != "" {
			*path = resolve(l.reader.dir, *path)
		}
	}
}

// folder makes the path of a setting relative to the configuration file's
// own folder, and wants it to exist.
func (l *loading) folder(field string, path *string) {
	if *path == "" || l.said(field) {
		return
	}
	full := resolve(l.reader.dir, *path)
	if info, err := os.Stat(full); err != nil || !info.IsDir() {
		l.at(field, "is "+*path+", which is no folder here; paths are relative to the folder of the configuration file")
		return
	}
	*path = full
}

// resolve makes a path in the file relative to the file's folder.
func resolve(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// tenants has registry read the records.
func (l *loading) tenants(data []byte) {
	documents := []registry.Document{{Path: l.config.path, Data: data}}
	if dir := l.config.TenantsDir; dir != "" && !l.said("tenants_dir") {
		more, err := registry.ReadDir(dir)
		l.tenantProblems(err)
		documents = append(documents, more...)
	}
	declared, plans, err := registry.ParseDeclared(documents, l.config.Clusters)
	l.tenantProblems(err)
	l.config.Plans, l.config.Documents = plans, documents
	for _, d := range declared {
		l.config.Tenants = append(l.config.Tenants, d.Tenant)
	}
	l.sparePlan()
}

// sparePlan checks what only the file's plans can tell.
func (l *loading) sparePlan() {
	c := l.config
	for _, needs := range []struct {
		field string
		set   bool
	}{{"onboard.spares", c.Onboard.Spares > 0}, {"onboard.lazy", c.Onboard.Lazy}, {"onboard.template", c.Onboard.Template != ""}} {
		if needs.set && c.Control.DSN.IsZero() && !l.said(needs.field) {
			l.at(needs.field, "needs the control database; set control.dsn, or leave it out")
		}
	}
	if _, ok := c.Plans[c.Onboard.SparePlan]; c.Onboard.SparePlan != "" && !ok && !l.said("onboard.spare_plan") {
		l.at("onboard.spare_plan", `is "`+c.Onboard.SparePlan+`", which is no plan; name one of plans`)
	}
}
