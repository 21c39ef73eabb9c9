package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// maxOperationID bounds what is looked for.
const maxOperationID = 128

// listOperations answers GET /v1/operations, the newest first.
func (a *admin) listOperations(c *gin.Context) {
	tenant, limit, err := journalPage(c)
	state, before := c.Query("state"), c.Query("before")
	switch {
	case err != nil:
	case state != "" && state != control.Running && state != control.Done && state != control.Failed && state != control.Interrupted:
		err = badRequest("state must be running, done, failed or interrupted")
	case before != "" && unfitOperation(before):
		err = badRequest("before must be the id of an operation")
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	operations, err := a.operator.Operations(c.Request.Context(), tenant, state, before, limit+1)
	if err != nil {
		a.fail(c, err)
		return
	}
	page := adminwire.OperationPage{Operations: make([]adminwire.Operation, 0, len(operations))}
	if len(operations) > limit {
		operations = operations[:limit]
		page.Next = operations[limit-1].ID
	}
	for _, op := range operations {
		page.Operations = append(page.Operations, operationOf(op))
	}
	writeJSON(c, http.StatusOK, page)
}

// journalPage reads what the lists that go back in time have in common.
func journalPage(c *gin.Context) (tenant registry.ID, limit int, err error) {
	if text := c.Query("tenant"); text != "" {
		if tenant, err = registry.ParseID(text); err != nil {
			return tenant, 0, badRequest("tenant: " + err.Error())
		}
	}
	limit, err = limitOf(c)
	return tenant, limit, err
}

func unfitOperation(id string) bool {
	return id == "" || len(id) > maxOperationID || strings.ContainsFunc(id, unfitForID)
}

// operation reads the id in the path, or refuses.
func (a *admin) operation(c *gin.Context) (string, bool) {
	id := c.Param("id")
	if unfitOperation(id) {
		a.fail(c, control.ErrNoSuch)
		return "", false
	}
	return id, true
}

// showOperation answers GET /v1/operations/{id}.
func (a *admin) showOperation(c *gin.Context) {
	id, ok := a.operation(c)
	if !ok {
		return
	}
	op, err := a.operator.Operation(c.Request.Context(), id)
	if err != nil {
		a.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, operationOf(op))
}

// cancelOperation answers DELETE /v1/operations/{id}.
func (a *admin) cancelOperation(c *gin.Context) {
	id, ok := a.operation(c)
	if !ok {
		return
	}
	op, err := a.operator.Cancel(c.Request.Context(), actorOf(c), id)
	if err != nil {
		a.fail(c, err)
		return
	}
	writeJSON(c, http.StatusOK, operationOf(op))
}

// listEvents answers GET /v1/audit, the newest first.
func (a *admin) listEvents(c *gin.Context) {
	tenant, limit, err := journalPage(c)
	before := int64(0)
	if text := c.Query("before"); text != "" && err == nil {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			err = badRequest("before must be the id of an event, a number from 1 up")
		}
	}
	if err != nil {
		a.refuse(c, err)
		return
	}
	events, err := a.operator.Events(c.Request.Context(), tenant, before, limit+1)
	if err != nil {
		a.fail(c, err)
		return
	}
	page := adminwire.EventPage{Events: make([]adminwire.Event, 0, len(events))}
	if len(events) > limit {
		events = events[:limit]
		page.Next = events[limit-1].ID
	}
	for _, e := range events {
		page.Events = append(page.Events, eventOf(e))
	}
	writeJSON(c, http.StatusOK, page)
}
