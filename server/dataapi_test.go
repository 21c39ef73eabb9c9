package server_test

import (
	"bytes"
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

	"github.com/poolkeeper/poolkeeper/router"
)

// dataContract is the OpenAPI document of the data API, to which every answer
// that a test gets from it is held.
type dataContract struct {
	*contract
	schemas map[string]*jsonschema.Schema // by pointer; guarded by mu
}

var theDataContract = sync.OnceValues(readDataContract)

func readDataContract() (*dataContract, error) {
	c, err := readDocument("dataapi.json")
	return &dataContract{c, map[string]*jsonschema.Schema{}}, err
}

// template is the document's path for a URL's.
func template(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if regexp.MustCompile(`^/t/[^/]+/sql$`).MatchString(path) {
		return "/t/{tenant}/sql"
	}
	return path
}

func (c *dataContract) schema(pointer string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.schemas[pointer]; ok {
		return s, nil
	}
	s, err := c.compiler.Compile("dataapi.json#" + pointer)
	c.schemas[pointer] = s
	return s, err
}

// check holds an answer to the document. What has no operation in it is not
// looked at.
func (c *dataContract) check(method, path string, r reply) error {
	keys := []string{"paths", template(path), strings.ToLower(method), "responses", strconv.Itoa(r.status)}
	if _, _, ok := c.at(c.doc, keys[:3]...); !ok {
		return nil
	}
	if _, _, ok := c.at(c.doc, keys...); !ok {
		return fmt.Errorf("%s %s: status %d is not in the document", method, path, r.status)
	}
	if err := c.checkHeaders(keys, r); err != nil {
		return fmt.Errorf("%s %s: %d: %w", method, path, r.status, err)
	}
	if err := c.checkBody(keys, r); err != nil {
		return fmt.Errorf("%s %s: %d: %w\n%.1000s", method, path, r.status, err, r.body)
	}
	return nil
}

func (c *dataContract) checkHeaders(keys []string, r reply) error {
	found, _, ok := c.at(c.doc, append(slices.Clone(keys), "headers")...)
	if !ok {
		return nil // said by net/http
	}
	documented := map[string]bool{}
	for name := range found.(map[string]any) {
		header, _, _ := c.at(found, name)
		documented[http.CanonicalHeaderKey(name)] = true
		required, _ := header.(map[string]any)["required"].(bool)
		if required && r.header.Get(name) == "" {
			return fmt.Errorf("%s is missing", name)
		}
		if _, pointer, _ := c.at(c.doc, append(slices.Clone(keys), "headers", name, "schema")...); r.header.Get(name) != "" {
			s, err := c.schema(pointer)
			if err != nil {
				return err
			}
			if err := s.Validate(r.header.Get(name)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for name := range r.header {
		if !documented[name] && !slices.Contains([]string{"Content-Type", "Content-Length", "Date", "Connection", "Allow"}, name) {
			return fmt.Errorf("%s is not in the document", name)
		}
	}
	return nil
}

func (c *dataContract) checkBody(keys []string, r reply) error {
	content, _, described := c.at(c.doc, append(slices.Clone(keys), "content")...)
	if !described {
		if r.body != "" {
			return fmt.Errorf("it has a body, which the document does not say")
		}
		return nil
	}
	media, _, _ := strings.Cut(r.header.Get("Content-Type"), ";")
	if _, ok := content.(map[string]any)[media]; !ok {
		return fmt.Errorf("it comes as %q, which the document does not say", media)
	}
	_, pointer, _ := c.at(c.doc, append(slices.Clone(keys), "content", media, "schema")...)
	s, err := c.schema(pointer)
	if err != nil {
		return err
	}
	texts := []string{r.body}
	if media == "application/x-ndjson" {
		texts = strings.Split(strings.TrimSuffix(r.body, "\n"), "\n")
	} else if strings.HasPrefix(media, "text/") {
		return s.Validate(r.body)
	}
	for _, text := range texts {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		if err := s.Validate(value); err != nil {
			return err
		}
	}
	return nil
}

// holdData fails the test when an answer is not what the document says.
func holdData(t testing.TB, method, path string, r reply) reply {
	t.Helper()
	c, err := theDataContract()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.check(method, path, r); err != nil {
		t.Error(err)
	}
	return r
}

func TestTheDocumentOfTheDataAPIHasEveryRouteAndNoOther(t *testing.T) {
	t.Parallel()
	c, err := theDataContract()
	if err != nil {
		t.Fatal(err)
	}
	var documented, served []string
	for path, methods := range c.doc["paths"].(map[string]any) {
		for method := range methods.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	parameter := regexp.MustCompile(`:([a-z]+)`)
	for _, route := range newHarness(t).server.DataRoutes() {
		if !strings.HasPrefix(route, "HEAD ") {
			served = append(served, parameter.ReplaceAllString(route, "{$1}"))
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if !slices.Equal(served, documented) {
		t.Errorf("served but not documented, or the reverse:\n%v\n%v", served, documented)
	}
}

func TestTheDocumentOfTheDataAPIIsServedWithTheRoutersPlaces(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("dataapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if r := newHarness(t).get(t, "/openapi.json"); r.status != http.StatusOK || r.body != string(want) {
		t.Errorf("status %d, %d bytes instead of %d", r.status, len(r.body), len(want))
	}
	h := newHarness(t, func(h *harness) {
		h.routes = func(c *router.Config, _ *router.Deps) { c.PathPrefix, c.Header = "/for/", "X-Customer" }
	})
	r := h.get(t, "/openapi.json")
	paths, _ := r.object(t)["paths"].(map[string]any)
	if paths["/for/{tenant}/sql"] == nil || strings.Contains(r.body, "/t/{") || !strings.Contains(r.body, `"X-Customer"`) {
		t.Errorf("the places are not the router's: %v", paths)
	}
	h = newHarness(t, func(h *harness) { h.cfg.SQL.Enabled = false })
	if r := h.get(t, "/openapi.json"); r.status != http.StatusNotFound {
		t.Errorf("without the data API: status %d", r.status)
	}
}

func TestEverySchemaOfTheDataAPICompilesAndEverythingIsUsed(t *testing.T) {
	t.Parallel()
	c, err := theDataContract()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("dataapi.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"schemas", "headers", "responses", "parameters"} {
		all, _, _ := c.at(c.doc, "components", kind)
		for name := range all.(map[string]any) {
			if !bytes.Contains(text, []byte(`"#/components/`+kind+`/`+name+`"`)) {
				t.Errorf("%s %s is used nowhere", kind, name)
			}
			if _, err := c.schema("/components/schemas/" + name); kind == "schemas" && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestTheDocumentOfTheDataAPINoticesAnAnswerThatIsNotAsItSays(t *testing.T) {
	t.Parallel()
	c, err := theDataContract()
	if err != nil {
		t.Fatal(err)
	}
	good := newHarness(t).post(t, "/t/acme/sql", `{"query":"one"}`)
	stream := newHarness(t).post(t, "/t/acme/sql", `{"query":"rows 2"}`, "Accept", "application/x-ndjson")
	bad := newHarness(t).post(t, "/t/nobody/sql", `{"query":"one"}`)
	for name, change := range map[string]func() reply{
		"another member":  func() reply { return good.with(good.status, strings.Replace(good.body, "{", `{"more":1,`, 1)) },
		"another status":  func() reply { return good.with(http.StatusCreated, good.body) },
		"a missing one":   func() reply { return good.with(good.status, `{"rows":[]}`) },
		"another header":  func() reply { return good.with(good.status, good.body, "X-More", "1") },
		"a cached answer": func() reply { return good.with(good.status, good.body, "Cache-Control", "public") },
		"no id":           func() reply { return good.with(good.status, good.body, "X-Request-Id", "") },
		"another media":   func() reply { return good.with(good.status, good.body, "Content-Type", "text/plain") },
		"a strange line":  func() reply { return stream.with(stream.status, stream.body+`{"rows":1}`+"\n") },
		"a strange code": func() reply {
			return bad.with(bad.status, strings.Replace(bad.body, "tenant_refused", "tenant_hidden", 1))
		},
		"a timing": func() reply { return bad.with(bad.status, bad.body, "Server-Timing", "db;dur=1") },
	} {
		if c.check(http.MethodPost, "/t/acme/sql", change()) == nil {
			t.Errorf("%s is not noticed", name)
		}
	}
}

// with returns a copy with another status and body, and headers set.
func (r reply) with(status int, body string, headers ...string) reply {
	r.status, r.body, r.header = status, body, r.header.Clone()
	for i := 0; i+1 < len(headers); i += 2 {
		r.header.Set(headers[i], headers[i+1])
	}
	return r
}
