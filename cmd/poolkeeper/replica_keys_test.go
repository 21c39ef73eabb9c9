package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// keyed has the configuration let requests in by keys.
func keyed(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, path, strings.Replace(string(text), "resolvers: [path]", "resolvers: [key, path]", 1))
}

// with sends a statement with a key.
func (r *replica) with(t *testing.T, key string) int {
	t.Helper()
	status, _ := send(t, request{url: "http://" + r.Data + "/sql", body: `{"query":"select 1"}`, header: map[string]string{"apikey": key}})
	return status
}

// leaves deletes the tenant.
func (r *replica) leaves(t *testing.T, id string) {
	t.Helper()
	r.must(t, http.MethodPost, "/v1/tenants/"+id+"/retire", `{"export":false}`)
	r.must(t, http.MethodDelete, "/v1/tenants/"+id+"?confirm="+id+"&export=false", "")
}

// Whoever is given a key uses it at once, and not with the server that made it.
func TestAKeyOpensEveryServerWhenItsTextIsShownAndNoneWhenItsEndIs(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	here, there := startReplica(t, keyed(t, path)), startReplica(t, path)
	id := "key" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if status, answer := here.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+id+`","cluster":"main"}`); status != http.StatusCreated {
		t.Fatalf("added: %d %v", status, answer)
	}
	defer here.leaves(t, id)
	for i, scope := range []string{"write", "read", "write", "read", "write"} {
		makes, ends := here, there
		if i%2 == 1 {
			makes, ends = there, here
		}
		status, answer := makes.call(t, http.MethodPost, "/v1/tenants/"+id+"/api-keys", `{"name":"n","scope":"`+scope+`"}`)
		text, _ := answer["text"].(string)
		if status != http.StatusCreated {
			t.Fatalf("%d %v", status, answer)
		}
		for name, r := range map[string]*replica{"its maker": makes, "the other": ends} {
			if status := r.with(t, text); status != http.StatusOK {
				t.Errorf("%s key %d: %s answers %d", scope, i, name, status)
			}
		}
		ends.must(t, http.MethodDelete, "/v1/tenants/"+id+"/api-keys/"+strings.Split(text, "_")[1], "")
		for name, r := range map[string]*replica{"its maker": makes, "the other": ends} {
			if status := r.with(t, text); status != http.StatusUnauthorized {
				t.Errorf("%s key %d is revoked: %s answers %d", scope, i, name, status)
			}
		}
	}
}
