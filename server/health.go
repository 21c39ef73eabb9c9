package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// live answers /livez: the process answers. The version is for the admin
// listener alone.
func live(version string) gin.HandlerFunc {
	answer := struct {
		Status  string `json:"status"`
		Version string `json:"version,omitempty"`
	}{"ok", version}
	return func(c *gin.Context) { writeJSON(c, http.StatusOK, answer) }
}

// readyz answers whether new requests should come here. That says nothing of
// any tenant's database: one that is down must not take the others' service
// with it.
func (s *Server) readyz(c *gin.Context) {
	if s.opening.Load() {
		s.refuse(c, errOpening)
		return
	}
	if s.notReady.Load() {
		s.refuse(c, errNotReady)
		return
	}
	writeJSON(c, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ready"})
}
