package ways

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/bench/world"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router"
)

// Poolkeeper is the product: the router's middleware, a keeper with the
// world's budget, every other setting the default.
func Poolkeeper(ctx context.Context, w *world.World, sql pools.SQL) (*Way, error) {
	events := new(world.Events)
	keeper, err := w.Keeper(ctx, w.Tenants, events, func(c *pools.Config, _ *registry.Cluster) { c.SQL = sql })
	if err != nil {
		return nil, err
	}
	cfg := router.Defaults()
	cfg.Resolvers, cfg.Dev = []string{"header"}, true
	route, err := router.New(cfg, router.Deps{Tenants: keeper.Registry, Pools: keeper})
	if err != nil {
		return nil, err
	}
	way := &Way{Name: PoolkeeperName(sql), Events: events, close: keeper.Close}
	engine := newEngine()
	engine.Use(route.Gin())
	engine.GET("/item", item)
	return way.serve(ctx, engine)
}

// PoolkeeperName is the Way's name, which names the hygiene mode.
func PoolkeeperName(sql pools.SQL) string { return "Poolkeeper, " + string(sql) + " SQL" }

// item is a handler as an application would have it.
func item(c *gin.Context) {
	name, err := itemName(c)
	if err != nil {
		router.WriteProblem(c.Writer, c.Request, router.ProblemOf(err))
		return
	}
	c.String(http.StatusOK, name)
}

func itemName(c *gin.Context) (name string, err error) {
	row, err := rowOf(c)
	if err != nil {
		return "", err
	}
	lease, err := router.Lease(c.Request.Context())
	if err != nil {
		return "", err
	}
	err = lease.QueryRow(c.Request.Context(), world.SQL, row).Scan(&name)
	return name, err
}
