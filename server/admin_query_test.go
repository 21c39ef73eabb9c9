package server_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The document says what a path takes, and nothing else is taken: with dryrun
// instead of dry_run a file would be applied.
func TestAParameterThatAPathDoesNotTakeIsRefusedByName(t *testing.T) {
	t.Parallel()
	api, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	h := newHarness(t, withOperator)
	names := regexp.MustCompile(`\{[^}]*\}`)
	for template, item := range api.doc["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" || !strings.HasPrefix(template, "/v1/") {
				continue
			}
			takes := queryOf(api, operation.(map[string]any))
			query := "colour=red"
			for _, name := range takes {
				query += "&" + name + "="
			}
			path := names.ReplaceAllString(template, "acme") + "?" + query
			r := h.admin(t, strings.ToUpper(method), path)
			detail, _ := r.object(t)["detail"].(string)
			list, found := strings.CutPrefix(detail, `"colour" cannot be given behind the question mark; what can: `)
			got := strings.Split(strings.TrimSuffix(list, "nothing"), ", ")
			got = slices.Sorted(slices.Values(slices.DeleteFunc(got, func(s string) bool { return s == "" })))
			if r.status != http.StatusBadRequest || !found || !slices.Equal(got, takes) {
				t.Errorf("%s %s takes %q: %d %s", method, path, takes, r.status, detail)
			}
		}
	}
	if len(h.operator.calls) > 0 {
		t.Errorf("something was done: %q", h.operator.calls)
	}
}

// queryOf are the parameters of the query that the document has, in order.
func queryOf(api *contract, operation map[string]any) (names []string) {
	all, _ := operation["parameters"].([]any)
	for _, p := range all {
		parameter := p.(map[string]any)
		if ref, ok := parameter["$ref"].(string); ok {
			components := api.doc["components"].(map[string]any)["parameters"].(map[string]any)
			parameter = components[strings.TrimPrefix(ref, "#/components/parameters/")].(map[string]any)
		}
		if parameter["in"] == "query" {
			names = append(names, parameter["name"].(string))
		}
	}
	slices.Sort(names)
	return names
}

// What cannot be read would be left out, and the rest done.
func TestAQueryThatIsMalformedIsRefused(t *testing.T) {
	t.Parallel()
	h := newHarness(t, withOperator)
	for _, query := range []string{"dry_run=true;file=a.yaml", "dry_run=%zz", "dry_run=true&%"} {
		r := send(t, h.server.AdminHandler(), http.MethodPost, "/v1/apply?"+query, strings.NewReader("tenants: {}"))
		if r.status != http.StatusBadRequest || !strings.Contains(r.body, "malformed") {
			t.Errorf("%s: %d %s", query, r.status, r.body)
		}
	}
}
