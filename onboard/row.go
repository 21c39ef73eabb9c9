package onboard

import (
	"context"
	"slices"
)

// policyName is the policy that Poolkeeper makes on a table without one.
const policyName = "poolkeeper_tenant"

// policies lists what makes row security hold on a table of the shared schema
// that has a column tenant_id. A table with policies of its own keeps them,
// forced; others get one that shows and accepts the tenant's rows only. An
// unset and an empty setting are both no tenant, because a setting that was
// local to a transaction reads as empty afterwards.
func (p *Provisioner) policies(ctx context.Context, a *admin, pl *plan, r relation) ([]string, error) {
	if r.Tenant == "" || (r.Kind != "r" && r.Kind != "p") {
		return nil, nil
	}
	table := quote(pl.schema, r.Name)
	var statements []string
	if !r.Forced {
		statements = append(statements, "ALTER TABLE "+table+" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
	}
	if r.Ours || (r.Policies > 0 && !r.Stale) {
		return statements, nil
	}
	if r.Stale {
		statements = append(statements, "DROP POLICY "+quote(policyName)+" ON "+table)
	}
	setting, err := a.literal(ctx, p.cfg.RowSetting)
	if err != nil {
		return nil, err
	}
	is := "tenant_id = nullif(current_setting(" + setting + ", true), '')" + castTo(r.Tenant)
	return append(statements, "CREATE POLICY "+quote(policyName)+" ON "+table+" USING ("+is+") WITH CHECK ("+is+")"), nil
}

// castTo is the cast from the setting's text to the column's type, which the
// server spelt.
func castTo(columnType string) string {
	if slices.Contains([]string{"text", "character varying"}, columnType) {
		return ""
	}
	return "::" + columnType
}
