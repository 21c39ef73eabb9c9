package onboard

import (
	"context"
	"slices"
	"strings"
)

// The rights that a login gets.
var (
	readWrite = []string{"DELETE", "INSERT", "SELECT", "UPDATE"} //nolint:gochecknoglobals // a constant list
	readOnly  = []string{"SELECT"}                               //nolint:gochecknoglobals // a constant list
)

// grant gives the login its rights in the schema: exactly those, on what is
// there and, outside of row isolation, on what comes.
func (p *Provisioner) grant(ctx context.Context, a *admin, pl *plan) error {
	if pl.ownsSchema() == pl.login {
		return nil
	}
	relations, err := a.relations(ctx, pl, p.cfg.RowSetting)
	if err != nil {
		return err
	}
	var statements []string
	if pl.row() {
		for _, r := range relations {
			policies, err := p.policies(ctx, a, pl, r)
			if err != nil {
				return err
			}
			statements = append(statements, policies...)
		}
	}
	if statements, err = appendUsage(ctx, a, pl, statements); err != nil {
		return err
	}
	for _, r := range relations {
		statements = append(statements, r.changes(pl)...)
	}
	if !pl.row() {
		if statements, err = appendDefaults(ctx, a, pl, statements); err != nil {
			return err
		}
	}
	if len(statements) == 0 {
		return nil
	}
	return again(ctx, func() error { return a.exec(ctx, pl.owner, statements...) })
}

// rights are what the login may do with the relation.
func (r relation) rights(row bool) []string {
	switch {
	case r.Name == versionTable || r.Name == versionTable+"_id_seq":
		return nil // who is at which version is nobody's but ours
	case r.Kind == "S" && row:
		return []string{"USAGE"} // its value says how many rows others have
	case r.Kind == "S":
		return []string{"SELECT", "USAGE"}
	case r.Kind == "m" && row, r.Partition && row:
		return nil // no policy holds there
	case r.Kind == "m":
		return readOnly
	case row && (r.Tenant == "" || r.Kind == "v" || r.Kind == "f"):
		return readOnly
	}
	return readWrite
}

// changes are the statements that make the login's rights those.
func (r relation) changes(pl *plan) []string {
	want := r.rights(pl.row())
	missing := slices.DeleteFunc(slices.Clone(want), func(right string) bool { return slices.Contains(r.Rights, right) })
	tooMany := slices.DeleteFunc(slices.Clone(r.Rights), func(right string) bool { return slices.Contains(want, right) })
	on := " ON TABLE "
	if r.Kind == "S" {
		on = " ON SEQUENCE "
	}
	on += quote(pl.schema, r.Name)
	var changes []string
	if len(missing) > 0 {
		changes = append(changes, "GRANT "+strings.Join(missing, ", ")+on+" TO "+quote(pl.login))
	}
	if len(tooMany) > 0 {
		changes = append(changes, "REVOKE "+strings.Join(tooMany, ", ")+on+" FROM "+quote(pl.login))
	}
	return changes
}

// appendUsage adds the right to use the schema, when it is missing.
func appendUsage(ctx context.Context, a *admin, pl *plan, statements []string) ([]string, error) {
	const query = `select true from pg_namespace n, aclexplode(n.nspacl) x join pg_roles r on r.oid = x.grantee
		where n.nspname = $1 and r.rolname = $2 and x.privilege_type = 'USAGE'`
	has, err := a.yes(ctx, query, pl.schema, pl.login)
	if err != nil || has {
		return statements, err
	}
	return append(statements, "GRANT USAGE ON SCHEMA "+quote(pl.schema)+" TO "+quote(pl.login)), nil
}

// appendDefaults adds the rights on what the owner will make later, when they
// are missing.
func appendDefaults(ctx context.Context, a *admin, pl *plan, statements []string) ([]string, error) {
	const query = `select count(*) >= $4 from pg_default_acl d, aclexplode(d.defaclacl) x
		where d.defaclrole = (select oid from pg_roles where rolname = $1)
		and d.defaclnamespace = (select oid from pg_namespace where nspname = $2)
		and x.grantee = (select oid from pg_roles where rolname = $3) and d.defaclobjtype::text = $5`
	for _, kind := range []struct {
		code, name string
		rights     []string
	}{{"r", "TABLES", readWrite}, {"S", "SEQUENCES", []string{"SELECT", "USAGE"}}} {
		has, err := a.yes(ctx, query, pl.owner, pl.schema, pl.login, len(kind.rights), kind.code)
		if err != nil {
			return nil, err
		}
		if !has {
			statements = append(statements, "ALTER DEFAULT PRIVILEGES FOR ROLE "+quote(pl.owner)+" IN SCHEMA "+quote(pl.schema)+
				" GRANT "+strings.Join(kind.rights, ", ")+" ON "+kind.name+" TO "+quote(pl.login))
		}
	}
	return statements, nil
}
