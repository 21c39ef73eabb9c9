package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/poolkeeper/poolkeeper/server"
)

// contract is the OpenAPI document, to which every answer that a test gets
// from the admin API is held.
type contract struct {
	doc      map[string]any
	paths    []path
	compiler *jsonschema.Compiler
	mu       sync.Mutex // the compiler is not for many at once
	seen     map[string]bool
}

// path is one of the document's, as a pattern.
type path struct {
	template string
	match    *regexp.Regexp
}

var theContract = sync.OnceValues(readContract)

// readDocument reads an OpenAPI document that a test is to hold answers to.
func readDocument(name string) (*contract, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	strict(doc)
	c := &contract{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(), seen: map[string]bool{}}
	c.compiler.AssertFormat()
	return c, c.compiler.AddResource(name, doc)
}

func readContract() (*contract, error) {
	c, err := readDocument("openapi.json")
	if err != nil {
		return nil, err
	}
	parameter := regexp.MustCompile(`\\\{[^}]*\}`)
	for template := range c.doc["paths"].(map[string]any) {
		pattern := parameter.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+")
		c.paths = append(c.paths, path{template, regexp.MustCompile("^" + pattern + "$")})
	}
	return c, nil
}

// strict has objects refuse members that the document does not name. It leaves
// that open for those who read answers, because later releases may say more.
func strict(node any) {
	switch node := node.(type) {
	case map[string]any:
		_, named := node["properties"].(map[string]any)
		if _, said := node["additionalProperties"]; named && !said && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			strict(child)
		}
	case []any:
		for _, child := range node {
			strict(child)
		}
	}
}

// at follows a pointer through the document and its references.
func (c *contract) at(node any, keys ...string) (any, string, bool) {
	pointer := ""
	for _, key := range keys {
		object, ok := node.(map[string]any)
		if !ok {
			return nil, "", false
		}
		if node, ok = object[key]; !ok {
			return nil, "", false
		}
		pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
		if object, ok := node.(map[string]any); ok {
			if ref, ok := object["$ref"].(string); ok {
				pointer = strings.TrimPrefix(ref, "#")
				node, _, _ = c.at(c.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			}
		}
	}
	return node, pointer, true
}

// check holds an answer to the document.
func (c *contract) check(method, url string, r reply) error {
	where, _, _ := strings.Cut(url, "?")
	i := slices.IndexFunc(c.paths, func(p path) bool { return p.match.MatchString(where) })
	if i < 0 {
		return nil // no route of the API
	}
	keys := []string{"paths", c.paths[i].template, strings.ToLower(method)}
	if _, _, ok := c.at(c.doc, keys...); !ok {
		return nil // no method of the route, which another test makes sure of
	}
	keys = append(keys, "responses", strconv.Itoa(r.status))
	if _, _, ok := c.at(c.doc, keys...); !ok {
		if r.status < http.StatusBadRequest {
			return fmt.Errorf("%s %s: status %d is not in the document", method, url, r.status)
		}
		keys[len(keys)-1] = "default"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[method+" "+c.paths[i].template+" "+strconv.Itoa(r.status)] = true
	media, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	content, _, described := c.at(c.doc, append(slices.Clone(keys), "content")...)
	if !described {
		if r.body != "" {
			return fmt.Errorf("%s %s: %d has a body, which the document does not say", method, url, r.status)
		}
		return nil
	}
	if _, ok := content.(map[string]any)[media]; !ok {
		return fmt.Errorf("%s %s: %d comes as %q, which the document does not say", method, url, r.status, media)
	}
	return c.validate(append(keys, "content", media, "schema"), media, r.body)
}

func (c *contract) validate(keys []string, media, body string) error {
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	_, pointer, _ := c.at(c.doc, keys...)
	schema, err := c.compiler.Compile("openapi.json#" + pointer)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%v: %w\n%.2000s", keys, err, body)
	}
	return nil
}

// hold fails the test when an answer is not what the document says.
func hold(t testing.TB, method, url string, r reply) {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(method, url, r); err != nil {
		t.Error(err)
	}
}

func TestTheDocumentHasEveryRouteAndNoOther(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for template, methods := range c.doc["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+template)
		}
	}
	parameter := regexp.MustCompile(`:([a-z]+)`)
	for name, routes := range map[string][]string{"server": newHarness(t).server.AdminRoutes(), "direct": server.DirectRoutes()} {
		var served []string
		for _, route := range routes {
			if strings.Contains(route, "/v1/") {
				served = append(served, parameter.ReplaceAllString(route, "{$1}"))
			}
		}
		slices.Sort(served)
		slices.Sort(documented)
		if !slices.Equal(served, documented) {
			t.Errorf("%s: served but not documented, or the reverse:\n%v\n%v", name, served, documented)
		}
	}
}

func TestTheDocumentIsServedAsItIs(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	r := newHarness(t).admin(t, http.MethodGet, "/v1/openapi.json")
	if r.status != http.StatusOK || r.body != string(want) {
		t.Errorf("status %d, %d bytes instead of %d", r.status, len(r.body), len(want))
	}
}

func TestEverySchemaOfTheDocumentIsOneAndIsUsed(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c.doc)
	if err != nil {
		t.Fatal(err)
	}
	schemas, _, _ := c.at(c.doc, "components", "schemas")
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range schemas.(map[string]any) {
		if _, err := c.compiler.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(string(text), `"#/components/schemas/`+name+`"`) && name != "MigrationResult" {
			t.Errorf("%s is used nowhere", name)
		}
	}
}

func TestTheDocumentNoticesAnAnswerThatIsNotAsItSays(t *testing.T) {
	t.Parallel()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	good := reply{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, `{"plans":[]}`}
	if err := c.check(http.MethodGet, "/v1/plans", good); err != nil {
		t.Errorf("refused: %v", err)
	}
	for name, bad := range map[string]reply{
		"another member":  {http.StatusOK, good.header, `{"plans":[],"more":1}`},
		"a missing one":   {http.StatusOK, good.header, `{}`},
		"another type":    {http.StatusOK, good.header, `{"plans":{}}`},
		"another status":  {http.StatusCreated, good.header, `{"plans":[]}`},
		"another media":   {http.StatusOK, http.Header{"Content-Type": {"text/plain"}}, `{"plans":[]}`},
		"no problem":      {http.StatusConflict, http.Header{"Content-Type": {"application/problem+json"}}, `{"title":"x"}`},
		"problem as JSON": {http.StatusConflict, good.header, `{"type":"about:blank","title":"x","status":409,"code":"x"}`},
	} {
		if c.check(http.MethodGet, "/v1/plans", bad) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
}
