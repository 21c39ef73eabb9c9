package server

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// showTenant answers GET /v1/tenants/{id}, for tenants that are not active too.
func (a *admin) showTenant(c *gin.Context) {
	id, ok := a.idOf(c)
	if !ok {
		return
	}
	if a.operator != nil {
		a.showRecord(c, id)
		return
	}
	if a.deps.Registry == nil {
		a.refuse(c, errNoControl)
		return
	}
	t, err := a.record(c.Request.Context(), id)
	if err != nil {
		a.refuse(c, err)
		return
	}
	writeJSON(c, http.StatusOK, viewOf(t))
}

// showRecord shows what the control database has, unless the client has it.
func (a *admin) showRecord(c *gin.Context, id registry.ID) {
	have, err := parseTags("If-None-Match", c.Request.Header)
	if err != nil {
		a.refuse(c, err)
		return
	}
	r, err := a.operator.Record(c.Request.Context(), id)
	if err != nil {
		a.fail(c, err)
		return
	}
	if have.has(r.Version, true) {
		h := c.Writer.Header()
		h.Set("ETag", etagOf(r.Version))
		h.Set("Cache-Control", "no-store") // as with the record itself
		c.Writer.WriteHeader(http.StatusNotModified)
		c.Writer.WriteHeaderNow()
		return
	}
	writeRecord(c, http.StatusOK, r)
}

func writeRecord(c *gin.Context, status int, r *control.Record) {
	c.Writer.Header().Set("ETag", etagOf(r.Version))
	writeJSON(c, status, recordOf(r))
}

// changeTenant answers PATCH /v1/tenants/{id}.
func (a *admin) changeTenant(c *gin.Context) {
	a.alter(c, func(ctx context.Context, id registry.ID, version uint64, body []byte) (*control.Record, error) {
		p, err := parsePatch(body)
		if err != nil {
			return nil, err
		}
		return a.operator.Set(ctx, actorOf(c), id, version, p)
	})
}

// suspendTenant answers POST /v1/tenants/{id}/suspend.
func (a *admin) suspendTenant(c *gin.Context) {
	a.alter(c, func(ctx context.Context, id registry.ID, version uint64, body []byte) (*control.Record, error) {
		var reason string
		err := optionalBody(body, object{verb: "given", members: []member{{"reason", given(&reason, readText)}}})
		if err != nil {
			return nil, err
		}
		return a.operator.Suspend(ctx, actorOf(c), id, version, reason)
	})
}

// resumeTenant answers POST /v1/tenants/{id}/resume.
func (a *admin) resumeTenant(c *gin.Context) {
	a.alter(c, func(ctx context.Context, id registry.ID, version uint64, body []byte) (*control.Record, error) {
		if err := optionalBody(body, object{verb: "given"}); err != nil {
			return nil, err
		}
		return a.operator.Resume(ctx, actorOf(c), id, version)
	})
}

// alter changes a record at once. What If-Match says is the version that it
// may be changed in.
func (a *admin) alter(c *gin.Context, change func(ctx context.Context, id registry.ID, version uint64, body []byte) (*control.Record, error)) {
	id, body, ok := a.idAndBody(c)
	if !ok {
		return
	}
	ctx := c.Request.Context()
	version, err := a.versionOf(ctx, c.Request, id)
	if err != nil {
		a.refuse(c, err)
		return
	}
	r, err := change(ctx, id, version, body)
	if err != nil {
		a.fail(c, err)
		return
	}
	writeRecord(c, http.StatusOK, r)
}

// idAndBody reads what a request about a tenant has, or refuses.
func (a *admin) idAndBody(c *gin.Context) (registry.ID, []byte, bool) {
	id, ok := a.idOf(c)
	if !ok {
		return id, nil, false
	}
	body, err := a.readBody(c, patchMax)
	if err != nil {
		a.refuse(c, err)
		return id, nil, false
	}
	return id, body, true
}

// addTenant answers POST /v1/tenants.
func (a *admin) addTenant(c *gin.Context) {
	body, err := a.readBody(c, patchMax)
	var s lifecycle.Spec
	if err == nil {
		s, err = parseNewTenant(body)
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	a.run(c, a.newTenant, func(ctx context.Context) (control.Operation, error) { return a.operator.Add(ctx, actorOf(c), s) })
}

// cloneTenant answers POST /v1/tenants/{id}/clone.
func (a *admin) cloneTenant(c *gin.Context) {
	from, body, ok := a.idAndBody(c)
	if !ok {
		return
	}
	s, data, err := parseClone(body)
	if err != nil {
		a.refuse(c, err)
		return
	}
	a.run(c, a.newTenant, func(ctx context.Context) (control.Operation, error) {
		return a.operator.Clone(ctx, actorOf(c), from, s, data)
	})
}

// provisionTenant answers POST /v1/tenants/{id}/provision.
func (a *admin) provisionTenant(c *gin.Context) { a.begin(c, a.tenantAfter, Operator.Provision) }

// rotateTenant answers POST /v1/tenants/{id}/rotate.
func (a *admin) rotateTenant(c *gin.Context) { a.begin(c, a.tenantAfter, Operator.Rotate) }

// exportTenant answers POST /v1/tenants/{id}/export.
func (a *admin) exportTenant(c *gin.Context) { a.begin(c, a.resultAfter, Operator.Export) }

// begin runs an operation that needs nothing but the tenant's id.
func (a *admin) begin(c *gin.Context, after ending, what func(Operator, context.Context, lifecycle.Actor, registry.ID) (control.Operation, error)) {
	id, body, ok := a.idAndBody(c)
	if !ok {
		return
	}
	if err := optionalBody(body, object{verb: "given"}); err != nil {
		a.refuse(c, err)
		return
	}
	a.run(c, after, func(ctx context.Context) (control.Operation, error) { return what(a.operator, ctx, actorOf(c), id) })
}

// retireTenant answers POST /v1/tenants/{id}/retire.
func (a *admin) retireTenant(c *gin.Context) {
	id, body, ok := a.idAndBody(c)
	if !ok {
		return
	}
	ctx, export := c.Request.Context(), true
	err := optionalBody(body, object{verb: "given", members: []member{{"export", given(&export, readFlag)}}})
	var version uint64
	if err == nil {
		version, err = a.versionOf(ctx, c.Request, id)
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	a.run(c, a.tenantAfter, func(ctx context.Context) (control.Operation, error) {
		return a.operator.Retire(ctx, actorOf(c), id, version, export)
	})
}

// deleteTenant answers DELETE /v1/tenants/{id}?confirm=ID&export=true&forget=false.
func (a *admin) deleteTenant(c *gin.Context) {
	id, ok := a.idOf(c)
	if !ok {
		return
	}
	export, err := flagOf(c, "export", true)
	forget := false
	if err == nil {
		forget, err = flagOf(c, "forget", false)
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	a.run(c, operationAfter, func(ctx context.Context) (control.Operation, error) {
		if forget {
			return a.operator.Forget(ctx, actorOf(c), id, c.Query("confirm"))
		}
		return a.operator.Delete(ctx, actorOf(c), id, c.Query("confirm"), export)
	})
}
