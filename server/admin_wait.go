package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry/control"
)

// How long a request waits for its operation.
const (
	waitDefault = 30 * time.Second
	waitMax     = 300 * time.Second
)

// headerOperation names the operation behind an answer.
const headerOperation = "X-Operation-Id"

// An ending answers for an operation that went well.
type ending func(c *gin.Context, op control.Operation) error

// run begins an operation, waits for it as long as the client wants, and
// answers with what it brought, with why it failed, or with the operation
// itself when it goes on. It goes on when the request has ended, too.
func (a *admin) run(c *gin.Context, after ending, begin func(context.Context) (control.Operation, error)) {
	wait, applied := waitOf(c.Request.Header)
	if applied != "" {
		c.Writer.Header().Set("Preference-Applied", applied)
	}
	op, err := begin(c.Request.Context())
	if err != nil {
		a.fail(c, err)
		return
	}
	op = a.await(c.Request.Context(), op, wait)
	c.Writer.Header().Set(headerOperation, op.ID)
	switch {
	case op.State == control.Running:
		c.Writer.Header().Set("Location", "/v1/operations/"+op.ID)
		writeJSON(c, http.StatusAccepted, operationOf(op))
	case op.State == control.Done || partly(op):
		if err := after(c, op); err != nil {
			a.fail(c, err)
		}
	default:
		a.refuse(c, &failedError{op})
	}
}

// partly reports whether an operation over many tenants has done what it could:
// that is a result, which lists those that failed.
func partly(op control.Operation) bool {
	return op.Tenant.IsZero() && (op.Code == codeMigrations || op.Code == codePartly)
}

// await follows an operation until it ends, and returns what is known of it
// then. When nothing more can be learned in time that is what was known before.
func (a *admin) await(ctx context.Context, op control.Operation, wait time.Duration) control.Operation {
	if wait == 0 || op.State != control.Running {
		return op
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer a.untilStop(cancel)()
	err := a.operator.Follow(ctx, op.ID, func(now control.Operation) error {
		op = now
		return nil
	})
	if err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "an operation cannot be followed; it goes on", "operation", op.ID, "error", err)
	}
	return op
}

// untilStop has cancel called when the admin listener stops, until the
// returned function is called.
func (a *admin) untilStop(cancel func()) (forget func() bool) {
	return context.AfterFunc(a.following, cancel)
}

// waitOf reads the preference for how long to wait (RFC 7240), and what of it
// is applied. What cannot be understood is no preference, as there.
func waitOf(h http.Header) (wait time.Duration, applied string) {
	for line := range strings.SplitSeq(strings.Join(h.Values("Prefer"), ","), ",") {
		name, value, _ := strings.Cut(line, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			return 0, "respond-async"
		case "wait":
			text := strings.Trim(strings.TrimSpace(value), `"`)
			seconds, err := strconv.ParseUint(text, 10, 32)
			if err == nil {
				wait = min(time.Duration(seconds)*time.Second, waitMax)
				return wait, "wait=" + strconv.Itoa(int(wait.Seconds()))
			}
		}
	}
	return waitDefault, ""
}

// newTenant answers for an operation that made a tenant.
func (a *admin) newTenant(c *gin.Context, op control.Operation) error {
	r, err := a.operator.Record(c.Request.Context(), op.Tenant)
	if err == nil {
		c.Writer.Header().Set("Location", "/v1/tenants/"+op.Tenant.String())
		writeRecord(c, http.StatusCreated, r)
	}
	return err
}

// tenantAfter answers with the tenant as it is after the operation.
func (a *admin) tenantAfter(c *gin.Context, op control.Operation) error {
	r, err := a.operator.Record(c.Request.Context(), op.Tenant)
	if err == nil {
		writeRecord(c, http.StatusOK, r)
	}
	return err
}

// resultAfter answers with the operation's result.
func (a *admin) resultAfter(c *gin.Context, op control.Operation) error {
	if len(op.Result) == 0 {
		return errNoResult
	}
	writeJSON(c, http.StatusOK, op.Result)
	return nil
}

// operationAfter answers with the operation itself.
func operationAfter(c *gin.Context, op control.Operation) error {
	writeJSON(c, http.StatusOK, operationOf(op))
	return nil
}
