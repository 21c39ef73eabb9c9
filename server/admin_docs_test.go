package server_test

import (
	"net/http"
	"os"
	"regexp"
	"testing"
)

// example is a call of the admin API as the documentation shows it.
var example = regexp.MustCompile(`(?m)^curl -s (-X PATCH )?'?localhost:8081(/v1/[^' \n]+)'?(?: -d '([^']+)')?$`)

func TestTheCallsInTheDocumentationWork(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/budget.md")
	if err != nil {
		t.Fatal(err)
	}
	calls := example.FindAllStringSubmatch(string(text), -1)
	if len(calls) < 6 {
		t.Errorf("only %d calls are found", len(calls))
	}
	h := newHarness(t, withClusters)
	for _, call := range calls {
		patch, path, body := call[1] != "", call[2], call[3]
		r := reply{}
		if patch {
			r = h.change(t, path, body)
		} else {
			r = h.admin(t, http.MethodGet, path)
		}
		if r.status != http.StatusOK || patch != (body != "") {
			t.Errorf("%s: status %d: %s", call[0], r.status, r.body)
		}
	}
}
