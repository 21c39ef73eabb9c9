package server

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// parameters are what a route takes behind the question mark.
func parameters(method, path string) []string {
	switch method + " " + path {
	case http.MethodGet + " /v1/tenants":
		return []string{"after", "limit", "status", "plan", "cluster", "label", "prefix", "behind", "failed"}
	case http.MethodDelete + " /v1/tenants/:id":
		return []string{"confirm", "export", "forget"}
	case http.MethodGet + " /v1/tenants/:id/api-keys", http.MethodGet + " /v1/api-keys":
		return []string{"after", "limit"}
	case http.MethodPost + " /v1/apply":
		return []string{"dry_run", "file"}
	case http.MethodGet + " /v1/migrations":
		return []string{"verify"}
	case http.MethodGet + " /v1/operations":
		return []string{"tenant", "state", "before", "limit"}
	case http.MethodGet + " /v1/audit":
		return []string{"tenant", "before", "limit"}
	case http.MethodGet + " /v1/pools":
		return []string{"application_name"}
	default:
		return nil
	}
}

// knownQuery refuses a parameter that the route does not take: with dryrun
// instead of dry_run a file would be applied, and with a filter that is
// misspelt everybody would be listed.
func (s *Server) knownQuery(c *gin.Context) {
	given, err := url.ParseQuery(c.Request.URL.RawQuery)
	if err != nil { // what is malformed would be left out
		s.refuse(c, badRequest("what follows the question mark is malformed; write it as NAME=VALUE&NAME=VALUE, percent-encoded"))
		return
	}
	known := parameters(c.Request.Method, c.FullPath())
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(known, name) {
			continue
		}
		can := "nothing"
		if len(known) > 0 {
			can = strings.Join(known, ", ")
		}
		s.refuse(c, badRequest(fmt.Sprintf("%q cannot be given behind the question mark; what can: %s", clip(name, maxNamed), can)))
		return
	}
}
