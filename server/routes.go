package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// dataRoutes are the routes of the data listener.
func (s *Server) dataRoutes() *gin.Engine {
	e := s.engine()
	s.health(e, "")
	if s.cfg.SQL.Enabled {
		for _, path := range []string{"/sql", s.deps.PathPrefix + ":tenant/sql"} {
			e.POST(path, s.crossOrigin, s.whenOpen, s.sql)
			e.OPTIONS(path, s.crossOrigin, s.preflight)
		}
		e.GET("/openapi.json", s.crossOrigin, s.dataAPI())
	}
	return e
}

// adminRoutes are the routes of the admin listener.
func (s *Server) adminRoutes() *gin.Engine {
	e := s.engine()
	s.health(e, s.deps.Version)
	if s.deps.Metrics != nil {
		e.GET("/metrics", s.scraperOnly, gin.WrapH(s.deps.Metrics))
	}
	s.mount(e, s.serverRoutes(), s.operatorOnly, s.whenOpen)
	(&admin{Server: s, operator: s.deps.Operator}).mountOperator(e, s.operatorOnly, s.whenOpen)
	return e
}

func (s *Server) health(e *gin.Engine, version string) {
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Handle(method, "/livez", live(version))
		e.Handle(method, "/readyz", s.readyz)
	}
}

// engine returns Gin without its habits: no colours and no log of its own, no
// redirects (a client would repeat its request, credentials included, at
// another path), no client addresses believed from headers.
func (s *Server) engine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.RedirectTrailingSlash = false
	e.HandleMethodNotAllowed = true
	e.ForwardedByClientIP = false
	e.Use(s.observe, s.recovery)
	e.NoRoute(s.refusal(errNoRoute))
	e.NoMethod(s.refusal(errNoMethod))
	return e
}

func (s *Server) refusal(err error) gin.HandlerFunc {
	return func(c *gin.Context) { s.refuse(c, err) }
}
