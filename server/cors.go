package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

const (
	corsRequestHeaders = "Authorization, Apikey, Cache-Control, Neon-Connection-String, Neon-Raw-Text-Output, Neon-Array-Mode, Neon-Pool-Opt-In, " +
		"Neon-Batch-Read-Only, Neon-Batch-Isolation-Level, Neon-Batch-Deferrable, " +
		"Content-Type, Traceparent, X-Request-Id, X-Request-Timeout, " // and the router's header
	corsAnswerHeaders = "Neon-Request-Id, Neon-Batch-Read-Only, Neon-Batch-Isolation-Level, Neon-Batch-Deferrable, " +
		"Age, Cache-Status, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, Traceparent, X-Request-Id"
)

// crossOrigin lets web pages of every origin read the answers of the data
// API: what protects them are credentials that a page must hold itself, never
// a cookie. It also sets the protocol's own name of the request id.
func (s *Server) crossOrigin(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", corsAnswerHeaders)
	h.Set("Neon-Request-Id", trailOf(c).id)
}

// preflight answers what a browser asks before it posts.
func (s *Server) preflight(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Allow", "OPTIONS, POST")
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Access-Control-Allow-Headers", corsRequestHeaders+s.deps.Header)
	c.Status(http.StatusOK)
}
