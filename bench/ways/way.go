package ways

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/bench/world"
)

// Header names the tenant of a request, in its canonical form.
const Header = "X-Tenant-Id"

// Way is one way to serve tenants, as a running server.
type Way struct {
	// Name says which; the figures' rows carry it.
	Name string
	// URL of the one page it has.
	URL string
	// Events are what its keeper did; nil when it has none.
	Events *world.Events

	warm  func(ctx context.Context) error
	close func() error
	http  *http.Server
	ended chan error
}

// askFunc reads the tenant's name from one of the tenant's rows.
type askFunc func(ctx context.Context, t *world.Tenant, row int) (string, error)

// Warm does what the way would have done after serving for long. Clients have
// to do the rest.
func (w *Way) Warm(ctx context.Context) error {
	if w.warm == nil {
		return nil
	}
	return w.warm(ctx)
}

// Close stops the server and closes its pools.
func (w *Way) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := w.http.Shutdown(ctx)
	if ended := <-w.ended; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return errors.Join(err, w.close())
}

// serve has the engine listen on a port of its own.
func (w *Way) serve(ctx context.Context, engine http.Handler) (*Way, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.URL = "http://" + listener.Addr().String() + "/item"
	w.http = &http.Server{Handler: engine, ReadHeaderTimeout: 10 * time.Second}
	w.ended = make(chan error, 1)
	go func() { w.ended <- w.http.Serve(listener) }() // inherits the profiler's labels of the caller
	return w, nil
}

// plain is an engine that finds the tenant in a map and asks.
func plain(tenants []world.Tenant, ask askFunc) *gin.Engine {
	known := make(map[string]*world.Tenant, len(tenants))
	for i := range tenants {
		known[tenants[i].Name] = &tenants[i]
	}
	engine := newEngine()
	engine.GET("/item", func(c *gin.Context) {
		t, ok := known[c.GetHeader(Header)]
		if !ok {
			c.String(http.StatusNotFound, "no such tenant")
			return
		}
		row, err := rowOf(c)
		if err != nil {
			c.String(http.StatusBadRequest, err.Error())
			return
		}
		name, err := ask(c.Request.Context(), t, row)
		if err != nil {
			c.String(http.StatusServiceUnavailable, err.Error())
			return
		}
		c.String(http.StatusOK, name)
	})
	return engine
}

func newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	return gin.New()
}

func rowOf(c *gin.Context) (int, error) {
	row, err := strconv.Atoi(c.Query("row"))
	if err != nil {
		return 0, fmt.Errorf("row: %w", err)
	}
	return row, nil
}
