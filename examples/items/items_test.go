package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/poolkeeper/poolkeeper/config"
)

func TestEachTenantReadsAndWritesItsOwnItems(t *testing.T) {
	t.Parallel()
	p := start(t, "acme", "globex")

	created := p.send(t, "POST", "/items", "acme", `{"id": 2, "name": "anvil", "description": "heavy \"and\" black"}`)
	if created.status != http.StatusCreated || created.header.Get("Location") != "/items/2" {
		t.Fatalf("the answer is %+v", created)
	}
	want := `[{"id":1,"name":"first of acme","description":""},{"id":2,"name":"anvil","description":"heavy \"and\" black"}]`
	if got := p.send(t, "GET", "/items", "acme", ""); got.status != http.StatusOK || got.body != want {
		t.Errorf("acme has %d %s, want %s", got.status, got.body, want)
	}
	if got := p.send(t, "GET", "/items/2", "acme", ""); got.body != `{"id":2,"name":"anvil","description":"heavy \"and\" black"}` {
		t.Errorf("the new item is %d %s", got.status, got.body)
	}
	if got := p.send(t, "GET", "/items?after=1&limit=1", "acme", "").items(t); len(got) != 1 || got[0].ID != 2 {
		t.Errorf("the second page is %v", got)
	}
	if got := p.send(t, "GET", "/items?after=2", "acme", "").body; got != "[]" {
		t.Errorf("the page after the last item is %s, want an empty list", got)
	}
	if got := p.send(t, "GET", "/items", "globex", "").items(t); len(got) != 1 || got[0].Name != "first of globex" {
		t.Errorf("globex has %v", got)
	}
}

func TestTheHostNamesATenantToo(t *testing.T) {
	t.Parallel()
	p := start(t, "acme", "globex")
	for _, name := range []string{"acme", "globex"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", p.url+"/items/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = name + ".localhost:8090"
		if got := do(t, req); !strings.Contains(got.body, "first of "+name) {
			t.Errorf("%s got %d %s", name, got.status, got.body)
		}
	}
}

func TestARequestWithoutATenantIsRefusedAndNothingIsPublic(t *testing.T) {
	t.Parallel()
	p := start(t, "acme", "globex")
	for what, tenant := range map[string]string{
		"none": "", "unknown": "nobody", "malformed": "Acme; --", "public": "public", "long": strings.Repeat("a", 10_000),
	} {
		got := p.send(t, "GET", "/items", tenant, "")
		if !strings.Contains(got.body, `"tenant_refused"`) || strings.Contains(got.body, "first of") {
			t.Errorf("%s: the answer is %d %s, want a refusal", what, got.status, got.body)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", p.url+"/items", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "acme.localhost"
	req.Header.Set("X-Tenant-ID", "globex")
	if got := do(t, req); !strings.Contains(got.body, `"tenant_refused"`) {
		t.Errorf("host and header disagree, and the answer is %d %s", got.status, got.body)
	}
}

func TestBadInputIsTheClientsFaultAndSaysWhatWouldBeRight(t *testing.T) {
	t.Parallel()
	p := start(t, "acme")
	long := strings.Repeat("x", 10_000)
	tests := []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"no such item", "GET", "/items/99", "", 404, "no such item"},
		{"no such page", "GET", "/nothing", "", 404, ""},
		{"an id that is a word", "GET", "/items/one", "", 400, "whole number"},
		{"a huge id", "GET", "/items/" + long, "", 400, "whole number"},
		{"a quote in the id", "GET", "/items/1'--", "", 400, "whole number"},
		{"a page of none", "GET", "/items?limit=0", "", 400, "from 1 to 100"},
		{"a page too long", "GET", "/items?limit=101", "", 400, "from 1 to 100"},
		{"a page after a word", "GET", "/items?after=x", "", 400, "whole number"},
		{"an id that exists", "POST", "/items", `{"id": 1, "name": "again"}`, 409, ""},
		{"no body", "POST", "/items", "", 400, "one JSON object"},
		{"no JSON", "POST", "/items", "id=1", 400, "one JSON object"},
		{"two objects", "POST", "/items", `{"id": 5, "name": "a"}{"id": 6, "name": "b"}`, 400, "one JSON object"},
		{"a list", "POST", "/items", `[]`, 400, "one JSON object"},
		{"an unknown field", "POST", "/items", `{"id": 5, "name": "a", "price": 1}`, 400, "one JSON object"},
		{"a text for the id", "POST", "/items", `{"id": "5", "name": "a"}`, 400, "one JSON object"},
		{"an id beyond 64 bits", "POST", "/items", `{"id": 9223372036854775808, "name": "a"}`, 400, "one JSON object"},
		{"no id", "POST", "/items", `{"name": "a"}`, 400, "id and name are needed"},
		{"no name", "POST", "/items", `{"id": 5}`, 400, "id and name are needed"},
		{"a long name", "POST", "/items", `{"id": 5, "name": "` + long + `"}`, 400, "200 bytes"},
		{"NUL in the name", "POST", "/items", `{"id": 5, "name": "a\u0000b"}`, 400, "U+0000"},
		{"a huge body", "POST", "/items", `{"id": 5, "name": "` + strings.Repeat(long, 7) + `"}`, 413, "64 KiB"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := p.send(t, test.method, test.path, "acme", test.body)
			if got.status != test.status || !strings.Contains(got.body, test.says) {
				t.Errorf("the answer is %d %s, want %d with %q", got.status, got.body, test.status, test.says)
			}
			if strings.Contains(got.body, "xxx") {
				t.Errorf("the answer repeats what was sent: %s", got.body)
			}
		})
	}
}

func TestOfAThousandTenantsEachGetsItsOwn(t *testing.T) {
	t.Parallel()
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("tenant-%04d", i)
	}
	p := start(t, names...)
	work := make(chan string)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for name := range work {
				if got := p.send(t, "GET", "/items/1", name, ""); !strings.Contains(got.body, `"first of `+name+`"`) {
					t.Errorf("%s got %d %s", name, got.status, got.body)
				}
			}
		})
	}
	for i := 0; i < len(names); i += 5 {
		work <- names[i]
	}
	close(work)
	workers.Wait()
}

func TestAStopLetsTheRunningRequestFinish(t *testing.T) {
	t.Parallel()
	p := start(t, "acme")
	lock, err := p.admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := lock.Exec(t.Context(), "LOCK TABLE acme.items"); err != nil {
		t.Fatal(err)
	}
	answered := make(chan answer, 1)
	go func() { answered <- p.send(t, "GET", "/items/1", "acme", "") }()
	for waiting := false; !waiting; {
		err := lock.QueryRow(t.Context(), `
			SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'acme.items'::regclass)
			FROM pg_sleep(0.01)`).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	p.stop()
	if err := lock.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got.status != http.StatusOK || !strings.Contains(got.body, "first of acme") {
		t.Errorf("the running request got %d %s", got.status, got.body)
	}
	if err := p.wait(); err != nil {
		t.Errorf("the program ended with %v", err)
	}
}

func TestTheShippedConfigurationIsRight(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load("config.yaml", []string{"ITEMS_DATABASE_URL=postgres://app@localhost/app"})
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Tenants) != 2 || cfg.Server.Listen != "127.0.0.1:8090" {
		t.Errorf("it has %d tenants and listens on %s", len(cfg.Tenants), cfg.Server.Listen)
	}
}

func TestTheCommandLineIsChecked(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--nonsense"}, {"--config", "there/is/none.yaml"}} {
		var log strings.Builder
		if err := run(t.Context(), args, nil, &log); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	for _, help := range []string{"--help", "-h"} {
		var log strings.Builder
		if err := run(t.Context(), []string{help}, nil, &log); err != nil || !strings.Contains(log.String(), "-config file") {
			t.Errorf("%s prints %q and fails with %v", help, log.String(), err)
		}
	}
	var log strings.Builder
	err := run(t.Context(), []string{"--config", "config.yaml", "--listen", "256.0.0.1:1"},
		[]string{"ITEMS_DATABASE_URL=postgres://app@localhost/app"}, &log)
	if err == nil || !strings.Contains(err.Error(), "256.0.0.1") {
		t.Errorf("--listen was ignored: %v", err)
	}
}

// FuzzDecode looks for a body that is accepted and cannot be stored, or whose
// refusal is not the client's.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"id": 1, "name": "anvil", "description": "heavy"}`, `{"id": null, "name": "a"}`, `{}`, `[]`, ``, `{"id": 1e3, "name": "\u0000"}`,
		"{\"id\": 1, \"name\": \"\xff\"}", `{"id": 1, "ID": 2, "name": "a"} x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := decode(strings.NewReader(body))
		if err != nil {
			if p := problemOf(err); p.Status != http.StatusBadRequest {
				t.Errorf("%q is refused with %d", body, p.Status)
			}
			return
		}
		if got.Name == "" || len(got.Name) > maxName || len(got.Description) > maxDescription {
			t.Errorf("%q is accepted as %+v", body, got)
		}
		if text := got.Name + got.Description; strings.ContainsRune(text, 0) || strings.ToValidUTF8(text, "") != text {
			t.Errorf("%q is accepted with text that PostgreSQL refuses", body)
		}
	})
}
