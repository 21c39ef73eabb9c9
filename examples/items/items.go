package main

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/router"
)

// pageSize is the most items of one answer.
const pageSize = 100

// item is one row of the tenant's table.
type item struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// newHandler puts the routes behind the middleware that finds the tenant.
func newHandler(rt *router.Router) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.Recovery())
	tenants := engine.Group("/", rt.Gin())
	tenants.GET("/items", handle(list))
	tenants.GET("/items/:id", handle(one))
	tenants.POST("/items", handle(create))
	return engine
}

// handle answers for a handler that returns an error.
func handle(h func(*gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			router.WriteProblem(c.Writer, c.Request, problemOf(err))
		}
	}
}

func list(c *gin.Context) error {
	after, err := number(c.Query("after"), 0)
	if err != nil {
		return badRequest("after must be a whole number")
	}
	limit, err := number(c.Query("limit"), pageSize)
	if err != nil || limit < 1 || limit > pageSize {
		return badRequest("limit must be a number from 1 to 100")
	}
	// The request's context, not Gin's: only this one ends when the client
	// goes away.
	ctx := c.Request.Context()
	lease, err := router.Lease(ctx)
	if err != nil {
		return err
	}
	rows, err := lease.Query(ctx, "SELECT id, name, description FROM items WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
	if err != nil {
		return err
	}
	items, err := pgx.AppendRows(make([]item, 0, min(limit, 16)), rows, scan)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, items)
	return nil
}

func one(c *gin.Context) error {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil {
		return badRequest("the id must be a whole number")
	}
	ctx := c.Request.Context()
	lease, err := router.Lease(ctx)
	if err != nil {
		return err
	}
	found := item{ID: id}
	err = lease.QueryRow(ctx, "SELECT name, description FROM items WHERE id = $1", id).Scan(&found.Name, &found.Description)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, found)
	return nil
}

func create(c *gin.Context) error {
	wanted, err := decode(http.MaxBytesReader(c.Writer, c.Request.Body, maxBody))
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	lease, err := router.Lease(ctx)
	if err != nil {
		return err
	}
	_, err = lease.Exec(ctx, "INSERT INTO items (id, name, description) VALUES ($1, $2, $3)",
		wanted.ID, wanted.Name, wanted.Description)
	if err != nil {
		return err
	}
	c.Header("Location", "/items/"+strconv.FormatInt(wanted.ID, 10))
	c.JSON(http.StatusCreated, wanted)
	return nil
}

func scan(row pgx.CollectableRow) (i item, err error) {
	err = row.Scan(&i.ID, &i.Name, &i.Description)
	return i, err
}

// number parses an optional parameter.
func number(text string, otherwise int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	return strconv.ParseInt(text, 10, 64)
}
