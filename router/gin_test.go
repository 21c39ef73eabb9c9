package router_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/router"
)

// engine returns a Gin engine without its debug output.
func engine(middleware ...gin.HandlerFunc) *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(middleware...)
	return e
}

// ginMount mounts a net/http handler behind the Gin middleware, on every path.
func ginMount(r *router.Router, h http.Handler) http.Handler {
	e := engine(r.Gin())
	e.NoRoute(func(c *gin.Context) {
		c.Status(http.StatusOK) // NoRoute presets 404
		h.ServeHTTP(c.Writer, c.Request)
	})
	return e
}

func TestInGinTheVisitIsInTheRequestsContextAlone(t *testing.T) {
	t.Parallel()
	e := engine(newRouter(t, config("header"), &lender{}, nil).Gin())
	e.GET("/", func(c *gin.Context) {
		if _, err := router.From(c.Request.Context()); err != nil {
			t.Error(err)
		}
		if _, err := router.From(c); !errors.Is(err, router.ErrNoVisit) {
			t.Errorf("the Gin context gave %v, want ErrNoVisit", err)
		}
		c.Status(http.StatusNoContent)
	})
	w := httptest.NewRecorder()
	e.ServeHTTP(w, request{header: header(tenantID, "acme")}.build(t))
	if w.Code != http.StatusNoContent {
		t.Errorf("got %d", w.Code)
	}
}

func TestInGinARefusalEndsTheChainAndIsInTheContextsErrors(t *testing.T) {
	t.Parallel()
	var logged []*gin.Error
	r := newRouter(t, config("header"), &lender{}, nil)
	e := engine(func(c *gin.Context) { c.Next(); logged = c.Errors }, r.Gin())
	e.GET("/", func(*gin.Context) { t.Error("the handler was called") })
	w := httptest.NewRecorder()
	e.ServeHTTP(w, request{header: header(tenantID, "nobody")}.build(t))
	if w.Code != http.StatusUnauthorized || len(logged) != 1 {
		t.Errorf("got %d and %d errors", w.Code, len(logged))
	}
}

func TestInGinALaterHandlerOfTheChainHasTheLease(t *testing.T) {
	t.Parallel()
	l := &lender{}
	e := engine(newRouter(t, config("header"), l, nil).Gin(), func(c *gin.Context) {
		c.Next()
		if _, err := router.Lease(c.Request.Context()); err != nil {
			t.Errorf("the visit ended before the chain: %v", err)
		}
	})
	e.GET("/", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	e.ServeHTTP(httptest.NewRecorder(), request{header: header(tenantID, "acme")}.build(t))
	l.expect(t, 1, 1)
}
