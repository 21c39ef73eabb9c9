package server

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"
)

// admin is the part of the admin API that an Operator stands behind.
type admin struct {
	*Server
	operator Operator // nil without a control database
}

// route is a line of the admin API.
type route struct {
	method, path string
	handle       gin.HandlerFunc
}

// routeExport is the one route that reads and is not for readers: a dump is
// all of a tenant's data.
const routeExport = "/v1/exports/:file"

// serverRoutes are about what a running server holds.
func (s *Server) serverRoutes() []route {
	return []route{
		{http.MethodGet, "/v1/clusters", s.listClusters},
		{http.MethodGet, "/v1/clusters/:name", s.showCluster},
		{http.MethodPatch, "/v1/clusters/:name", s.changeCluster},
		{http.MethodGet, "/v1/pools", s.listPools},
		{http.MethodGet, "/v1/pools/:id", s.showPool},
		{http.MethodPatch, "/v1/pools/:id", s.changeLimits},
		{http.MethodPost, "/v1/pools/:id/evict", s.evictPool},
		{http.MethodPost, "/v1/pools/:id/warm", s.warmPool},
		{http.MethodPost, "/v1/drain", s.drain},
		{http.MethodPost, "/v1/tenants/:id/flush", s.flushTenant},
	}
}

// plainRoutes need no control database.
func (a *admin) plainRoutes() []route {
	return []route{
		{http.MethodGet, "/v1/tenants", a.listTenants},
		{http.MethodGet, "/v1/tenants/:id", a.showTenant},
		{http.MethodPost, "/v1/doctor", a.examine},
		{http.MethodGet, "/v1/openapi.json", a.openAPI},
	}
}

// controlRoutes need a control database.
func (a *admin) controlRoutes() []route {
	return []route{
		{http.MethodPost, "/v1/tenants", a.addTenant},
		{http.MethodPatch, "/v1/tenants/:id", a.changeTenant},
		{http.MethodDelete, "/v1/tenants/:id", a.deleteTenant},
		{http.MethodPost, "/v1/tenants/:id/suspend", a.suspendTenant},
		{http.MethodPost, "/v1/tenants/:id/resume", a.resumeTenant},
		{http.MethodPost, "/v1/tenants/:id/retire", a.retireTenant},
		{http.MethodPost, "/v1/tenants/:id/provision", a.provisionTenant},
		{http.MethodPost, "/v1/tenants/:id/rotate", a.rotateTenant},
		{http.MethodPost, "/v1/tenants/:id/clone", a.cloneTenant},
		{http.MethodPost, "/v1/tenants/:id/export", a.exportTenant},
		{http.MethodGet, routeExport, a.download},
		{http.MethodPost, "/v1/apply", a.apply},
		{http.MethodGet, "/v1/migrations", a.showMigrations},
		{http.MethodPost, "/v1/migrations", a.migrate},
		{http.MethodGet, "/v1/operations", a.listOperations},
		{http.MethodGet, "/v1/operations/:id", a.showOperation},
		{http.MethodDelete, "/v1/operations/:id", a.cancelOperation},
		{http.MethodGet, "/v1/operations/:id/events", a.followOperation},
		{http.MethodGet, "/v1/audit", a.listEvents},
		{http.MethodGet, "/v1/plans", a.listPlans},
		{http.MethodPost, "/v1/keys/reseal", a.reseal},
	}
}

// keyRoutes need a control database for what no file can hold.
func (a *admin) keyRoutes() []route {
	return []route{
		{http.MethodGet, "/v1/api-keys", a.listAllKeys},
		{http.MethodGet, "/v1/tenants/:id/api-keys", a.listKeys},
		{http.MethodPost, "/v1/tenants/:id/api-keys", a.createKey},
		{http.MethodPatch, "/v1/tenants/:id/api-keys/:key", a.expireKey},
		{http.MethodDelete, "/v1/tenants/:id/api-keys/:key", a.revokeKey},
		{http.MethodPost, "/v1/tenants/:id/reader", a.makeReader},
	}
}

// mount puts the routes behind guards, which say who asks, or refuse.
func (s *Server) mount(e *gin.Engine, routes []route, guards ...gin.HandlerFunc) {
	for _, r := range routes {
		e.Handle(r.method, r.path, append(slices.Clip(guards), s.knownQuery, r.handle)...)
	}
}

// mountOperator puts the routes of a behind guards.
func (a *admin) mountOperator(e *gin.Engine, guards ...gin.HandlerFunc) {
	a.mount(e, a.plainRoutes(), guards...)
	a.mount(e, a.controlRoutes(), append(slices.Clip(guards), a.controlOnly(errNoControl))...)
	a.mount(e, a.keyRoutes(), append(slices.Clip(guards), a.controlOnly(errNoKeys))...)
}

// controlOnly refuses with err where there is no control database.
func (a *admin) controlOnly(err error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if a.operator == nil {
			a.refuse(c, err)
		}
	}
}
