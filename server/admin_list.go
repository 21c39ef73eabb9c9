package server

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// listTenants answers GET /v1/tenants, page by page.
func (a *admin) listTenants(c *gin.Context) {
	f, behind, err := filterOf(c)
	if err != nil {
		a.refuse(c, err)
		return
	}
	var tenants []adminwire.Tenant
	if a.operator != nil {
		tenants, err = a.records(c.Request.Context(), f, behind)
	} else {
		tenants, err = a.declared(c.Request.Context(), f, behind)
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	page := adminwire.TenantPage{Tenants: tenants}
	if limit := f.Limit; len(tenants) > limit {
		page.Tenants, page.Next = tenants[:limit], tenants[limit-1].ID
	}
	writeJSON(c, http.StatusOK, page)
}

// filterOf reads which tenants are wanted. behind is not in the filter: what
// it means depends on the newest migration.
func filterOf(c *gin.Context) (f control.Filter, behind bool, err error) {
	if f.After, f.Limit, err = pageOf(c); err != nil {
		return f, false, err
	}
	switch f.Status = registry.Status(c.Query("status")); f.Status {
	case "", registry.StatusPending, registry.StatusActive, registry.StatusSuspended, registry.StatusRetired:
	default:
		return f, false, badRequest("status must be pending, active, suspended or retired")
	}
	f.Plan, f.Cluster, f.Prefix = c.Query("plan"), c.Query("cluster"), c.Query("prefix")
	for _, text := range c.QueryArray("label") {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return f, false, badRequest("label must be NAME=VALUE; give it once for each label")
		}
		if f.Labels == nil {
			f.Labels = map[string]string{}
		}
		f.Labels[name] = value
	}
	if text := f.Plan + f.Cluster + f.Prefix + strings.Join(c.QueryArray("label"), ""); strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		return f, false, badRequest("plan, cluster, prefix and label must be UTF-8 without a NUL, as what they are compared with is")
	}
	if f.Failed, err = flagOf(c, "failed", false); err != nil {
		return f, false, err
	}
	behind, err = flagOf(c, "behind", false)
	return f, behind, err
}

// flagOf reads a parameter that is true or false.
func flagOf(c *gin.Context, name string, otherwise bool) (bool, error) {
	switch c.Query(name) {
	case "":
		return otherwise, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	default:
		return false, badRequest(name + " must be true or false")
	}
}

// records lists what the control database has, one more than the limit when
// there are more. Who is behind depends on its set of migrations: the filter
// finds all that may be, and those that are not are passed over.
func (a *admin) records(ctx context.Context, f control.Filter, behind bool) ([]adminwire.Tenant, error) {
	newest, err := a.newest(ctx, behind)
	if err != nil {
		return nil, err
	}
	limit := f.Limit + 1
	f.Limit = limit
	f.Behind = max(newest.tenant, newest.shared)
	views := []adminwire.Tenant{} // [] and not null
	for !behind || f.Behind > 0 {
		page, err := a.operator.Records(ctx, f)
		if err != nil {
			return nil, &operatorError{err}
		}
		for _, r := range page {
			if (!behind || r.Migrated < newest.of(r)) && len(views) < limit {
				views = append(views, recordOf(r))
			}
		}
		if len(page) < f.Limit || len(views) == limit {
			break
		}
		f.After = page[len(page)-1].ID
	}
	return views, nil
}

// latest are the newest versions of the two sets of migrations.
type latest struct{ tenant, shared int64 }

func (l latest) of(r *control.Record) int64 {
	if r.Isolation == registry.IsolationRow {
		return l.shared
	}
	return l.tenant
}

// newest asks for the newest versions, if they are needed.
func (a *admin) newest(ctx context.Context, needed bool) (l latest, err error) {
	if !needed {
		return l, nil
	}
	status, err := a.operator.MigrationStatus(ctx, false)
	if err != nil {
		return l, &operatorError{err}
	}
	for _, set := range status.Sets {
		switch set.Set {
		case "tenant":
			l.tenant = set.Latest
		case "shared":
			l.shared = set.Latest
		}
	}
	return l, nil
}

// declared lists what the file has.
func (a *admin) declared(ctx context.Context, f control.Filter, behind bool) ([]adminwire.Tenant, error) {
	if behind || f.Failed || a.deps.Registry == nil {
		return nil, errNoControl
	}
	views, limit := []adminwire.Tenant{}, f.Limit+1
	for {
		page, err := a.deps.Registry.List(ctx, f.After, limit)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			if wanted(t, f) && len(views) < limit {
				views = append(views, viewOf(t))
			}
		}
		if len(page) < limit || len(views) == limit {
			return views, nil
		}
		f.After = page[len(page)-1].ID
	}
}

// wanted is the filter for records that lie in memory.
func wanted(t *registry.Tenant, f control.Filter) bool {
	for name, value := range f.Labels {
		if has, ok := t.Labels[name]; !ok || has != value {
			return false
		}
	}
	return (f.Status == "" || t.Status == f.Status) &&
		(f.Plan == "" || t.Plan == f.Plan) &&
		(f.Cluster == "" || t.Cluster == f.Cluster) &&
		(strings.HasPrefix(t.ID.String(), f.Prefix) || strings.HasPrefix(strings.ToLower(t.Name), strings.ToLower(f.Prefix)))
}
