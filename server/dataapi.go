package server

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
)

// dataAPIText describes the data API, as OpenAPI 3.1, with the router's
// defaults. Tests hold the handlers to it.
//
//go:embed dataapi.json
var dataAPIText string

// dataAPI answers GET /openapi.json, with the places where this router looks
// for the tenant.
func (s *Server) dataAPI() gin.HandlerFunc {
	text := strings.NewReplacer(
		`"/t/{tenant}/sql"`, `"`+s.deps.PathPrefix+`{tenant}/sql"`,
		`"name": "X-Tenant-ID"`, `"name": "`+s.deps.Header+`"`,
	).Replace(dataAPIText)
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		c.Writer.WriteHeader(http.StatusOK)
		_, _ = c.Writer.WriteString(text) // nobody can be told of a client that does not read
	}
}
