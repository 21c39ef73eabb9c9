package main

import (
	"errors"
	"net/http"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/router"
)

// refusal is an error of this program that the client may read.
type refusal struct {
	status int
	detail string
}

// Error is the text that the client reads.
func (r refusal) Error() string { return r.detail }

func badRequest(detail string) error { return refusal{http.StatusBadRequest, detail} }

// problemOf says what an error is over HTTP. What this program knows itself
// comes first. All the rest is the router's table: no tenant, no connection, a
// database that is down, a deadline, a constraint that says 409.
func problemOf(err error) router.Problem {
	if errors.Is(err, pgx.ErrNoRows) {
		err = refusal{http.StatusNotFound, "there is no such item"}
	}
	if r, ok := errors.AsType[refusal](err); ok {
		title := http.StatusText(r.status)
		return router.Problem{
			Status: r.status, Code: strings.ReplaceAll(strings.ToLower(title), " ", "_"),
			Title: title, Detail: r.detail,
		}
	}
	return router.ProblemOf(err).REST()
}
