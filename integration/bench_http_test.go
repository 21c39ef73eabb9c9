package integration_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/router"
)

// The HTTP path: the baseline is a Gin handler on one shared pgxpool with
// schema-qualified SQL, which knows no tenants at all.

func BenchmarkHTTPBareHandler(b *testing.B) {
	f := newFleet(b, nil, "own")
	pool := barePool(b, f)
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	admin(b, f.server, f.database, "GRANT USAGE ON SCHEMA own_0 TO PUBLIC; GRANT SELECT ON own_0.items TO PUBLIC")
	engine.GET("/item", func(c *gin.Context) {
		var name string
		if err := pool.QueryRow(c.Request.Context(), "SELECT tenant FROM own_0.items WHERE id = 1").Scan(&name); err != nil {
			c.Status(http.StatusInternalServerError)
			return
		}
		c.String(http.StatusOK, name)
	})
	askInParallel(b, engine, http.MethodGet, "/item", "")
}

func BenchmarkHTTPMiddleware(b *testing.B) {
	f := newFleet(b, nil, "own")
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(newRouter(b, f).Gin())
	engine.GET("/item", func(c *gin.Context) {
		lease, err := router.Lease(c.Request.Context())
		if err != nil {
			c.Status(http.StatusInternalServerError)
			return
		}
		var name string
		if err := lease.QueryRow(c.Request.Context(), one).Scan(&name); err != nil {
			c.Status(http.StatusInternalServerError)
			return
		}
		c.String(http.StatusOK, name)
	})
	askInParallel(b, engine, http.MethodGet, "/item", "")
}

func BenchmarkHTTPGateway(b *testing.B) {
	f := newFleet(b, nil, "own")
	askInParallel(b, newServer(b, f).Handler(), http.MethodPost, "/sql", `{"query":"`+one+`"}`)
}

// askInParallel asks with as many clients as there are processors, times four.
func askInParallel(b *testing.B, handler http.Handler, method, path, body string) {
	b.Helper()
	ts := httptest.NewServer(handler)
	b.Cleanup(ts.Close)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	b.Cleanup(transport.CloseIdleConnections)
	c := &http.Client{Transport: transport}
	b.SetParallelism(4)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), method, ts.URL+path, strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("X-Tenant-ID", "own-0")
			res, err := c.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			text, err := io.ReadAll(res.Body)
			if res.Body.Close(); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), "own-0") {
				b.Errorf("%d %s, %v", res.StatusCode, text, err)
				return
			}
		}
	})
}
