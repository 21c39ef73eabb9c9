package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

const (
	// applyMax is the largest file of tenants; reading one takes a hundred
	// times its size at worst.
	applyMax = 16 << 20
	// maxFileName bounds what errors call it.
	maxFileName = 1024
	// fileUnnamed is what a file is called that came without a name.
	fileUnnamed = "request"
)

// apply answers POST /v1/apply?dry_run=true&file=NAME. The body is the file.
func (a *admin) apply(c *gin.Context) {
	dry, err := flagOf(c, "dry_run", false)
	var docs []registry.Document
	if err == nil {
		docs, err = a.document(c)
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	if !dry {
		a.run(c, operationAfter, func(ctx context.Context) (control.Operation, error) {
			op, err := a.operator.Apply(ctx, actorOf(c), docs)
			return op, aboutFile(err)
		})
		return
	}
	plan, err := a.operator.PlanApply(c.Request.Context(), docs)
	if err != nil {
		a.fail(c, aboutFile(err))
		return
	}
	writeJSON(c, http.StatusOK, applyPlanOf(plan))
}

// aboutFile marks what is wrong with a file.
func aboutFile(err error) error {
	if problems, ok := errors.AsType[registry.Problems](err); ok {
		return &fileError{problems}
	}
	return err
}

func (a *admin) document(c *gin.Context) ([]registry.Document, error) {
	name := cmp.Or(c.Query("file"), c.Request.Header.Get("File"), fileUnnamed)
	if len(name) > maxFileName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, badRequest("file must be the name of a file, for messages")
	}
	body, err := a.readBody(c, applyMax)
	return []registry.Document{{Path: name, Data: body, Declares: true}}, err
}

// showMigrations answers GET /v1/migrations?verify=true.
func (a *admin) showMigrations(c *gin.Context) {
	verify, err := flagOf(c, "verify", false)
	if err != nil {
		a.refuse(c, err)
		return
	}
	status, err := a.operator.MigrationStatus(c.Request.Context(), verify)
	if err != nil {
		a.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, migrationStatusOf(status))
}

// migrate answers POST /v1/migrations.
func (a *admin) migrate(c *gin.Context) {
	body, err := a.readBody(c, applyMax)
	if err != nil {
		a.refuse(c, err)
		return
	}
	r, dry, err := parseMigrate(body)
	if err != nil {
		a.refuse(c, err)
		return
	}
	if !dry {
		a.run(c, operationAfter, func(ctx context.Context) (control.Operation, error) { return a.operator.Migrate(ctx, actorOf(c), r) })
		return
	}
	plan, err := a.operator.PlanMigrations(c.Request.Context(), r)
	if err != nil {
		a.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, migrationPlanOf(plan))
}
