package adminapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/cmd/poolkeeper/adminapi"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/adminwire"
)

// serve answers with a handler until the test ends.
func serve(t *testing.T, handler http.HandlerFunc) *adminapi.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return client(t, adminapi.Config{Server: server.URL, Token: registry.NewSecret("opensesame"), Transport: server.Client().Transport})
}

func client(t *testing.T, cfg adminapi.Config) *adminapi.Client {
	t.Helper()
	c, err := adminapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(path ...string) adminapi.Call {
	return adminapi.Call{Method: http.MethodGet, Path: path}
}

func TestACallIsSentAsTheServerWantsIt(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode([]string{
			r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Authorization"), r.Header.Get("Content-Type"),
			r.Header.Get("If-Match"), r.Header.Get("Prefer"), string(body),
		})
	})
	answer, err := c.Do(t.Context(), adminapi.Call{
		Method: http.MethodPatch, Path: []string{"tenants", "a/../b", ".."}, Query: map[string][]string{"x": {"1 2"}},
		Body: map[string]any{"name": nil}, Type: "application/merge-patch+json", Version: 42, Wait: 1500 * time.Millisecond,
	})
	const want = `["PATCH","/v1/tenants/a%2F..%2Fb/%2E%2E","x=1+2","Bearer opensesame","application/merge-patch+json","\"42\"","wait=1","{\"name\":null}"]`
	if err != nil || string(answer.Body) != want {
		t.Errorf("%v\n got %s\nwant %s", err, answer.Body, want)
	}
	answer, err = c.Do(t.Context(), adminapi.Call{Method: http.MethodPost, Path: []string{"apply"}, Body: []byte("tenants: {}"), Wait: -1})
	const raw = `["POST","/v1/apply","","Bearer opensesame","application/json","","wait=0","tenants: {}"]`
	if err != nil || string(answer.Body) != raw {
		t.Errorf("%v\n got %s\nwant %s", err, answer.Body, raw)
	}
}

func TestARefusalIsAProblem(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"title":"The file is wrong","status":400,"detail":"One thing is.","code":"invalid_file","request_id":"r1",
			"operation":{"id":"7"},"problems":[{"file":"a.yaml","line":3,"field":"tenants.x","message":"is missing"},{"message":"is empty"}]}`)
	})
	_, err := c.Do(t.Context(), get("tenants"))
	problem, ok := errors.AsType[*adminapi.ProblemError](err)
	if !ok || problem.Status != 400 || problem.Code != "invalid_file" || problem.Operation != "7" || problem.RequestID != "r1" {
		t.Fatalf("%+v, %v", problem, err)
	}
	if got, want := err.Error(), "The file is wrong. One thing is.\na.yaml:3: tenants.x: is missing\nis empty"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnErrorOfTheServerNamesItsRequest(t *testing.T) {
	t.Parallel()
	for want, problem := range map[string]*adminapi.ProblemError{
		"It broke (request r1)":     {Status: 500, Title: "It broke", RequestID: "r1"},
		"Not now: the disk is full": {Status: 409, Title: "Not now", Detail: "the disk is full", RequestID: "r1"},
		"busy":                      {Code: "busy"},
		"refused":                   {},
		"the disk is full":          {Detail: "the disk is full"},
	} {
		if got := problem.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWhatIsNoAnswerOfTheAPIIsForeign(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"a page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"a refusal":  func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "nope", http.StatusBadGateway) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := serve(t, handler).Do(t.Context(), get("tenants")); !errors.Is(err, adminapi.ErrForeign) {
				t.Error(err)
			}
		})
	}
	if err := (adminapi.Answer{Body: []byte(`[]`)}).Into(&adminwire.Tenant{}); !errors.Is(err, adminapi.ErrForeign) {
		t.Error(err)
	}
}

func TestAServerThatDoesNotAnswerIsUnreachable(t *testing.T) {
	t.Parallel()
	c := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := c.Do(t.Context(), get("tenants")); !errors.Is(err, adminapi.ErrUnreachable) || strings.Contains(err.Error(), "/v1/") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Do(ctx, get("tenants")); !errors.Is(err, context.Canceled) || errors.Is(err, adminapi.ErrUnreachable) {
		t.Error(err)
	}
}

func TestAServerIsAURL(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"", "localhost:8081", "ftp://x", "http://", "http://me:secret@x", "http://x:y:z"} {
		if _, err := adminapi.New(adminapi.Config{Server: server}); !errors.Is(err, adminapi.ErrServer) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", server, err)
		}
	}
}
