package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

func TestAnAPIKeyIsMadeListedExpiredAndRevokedOnARealServer(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, time.Second)
	r := startReplica(t, path)
	id := "keyed" + strconv.FormatInt(time.Now().UnixNano(), 36)
	run := func(want int, args ...string) string {
		t.Helper()
		code, stdout, stderr := execute(t, []string{"POOLKEEPER_SERVER=http://" + r.Admin}, args...)
		if code != want {
			t.Fatalf("%v: exit %d: %s%s", args, code, stdout, stderr)
		}
		return stdout + stderr
	}
	run(exitOK, "tenant", "add", id)
	key, err := apikey.Parse(strings.TrimSpace(run(exitOK, "apikey", "create", id, "--name", "web", "--expires", "30d", "-q")))
	if err != nil {
		t.Fatal(err)
	}
	reader, err := apikey.Parse(strings.TrimSpace(run(exitOK, "apikey", "create", id, "--read-only", "-q")))
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		Keys []struct{ ID, Scope, Status string }
	}
	if err := json.Unmarshal([]byte(run(exitOK, "apikey", "list", id, "--json")), &page); err != nil || len(page.Keys) != 2 {
		t.Fatalf("%v %v", page, err)
	}
	for _, k := range page.Keys {
		if scope := map[string]string{key: "write", reader: "read"}[k.ID]; k.Scope != scope || k.Status != "active" {
			t.Errorf("%+v, want scope %q", k, scope)
		}
	}
	if shown := run(exitOK, "tenant", "show", id); !strings.Contains(shown, "read login") || !strings.Contains(shown, "api keys    2") {
		t.Errorf("shown: %s", shown)
	}
	run(exitOK, "apikey", "expire", id, "pk_"+key, "--at", "0s")
	if listed := run(exitOK, "apikey", "list", id); !strings.Contains(listed, "expired") {
		t.Errorf("listed: %s", listed)
	}
	run(exitOK, "apikey", "expire", id, "pk_"+key, "--never")
	run(exitOK, "apikey", "revoke", id, "pk_"+key)
	run(exitOK, "apikey", "revoke", id, "pk_"+reader)
	if listed := run(exitOK, "apikey", "list"); strings.Count(listed, "revoked") != 2 || strings.Contains(listed, "active") {
		t.Errorf("listed: %s", listed)
	}
	if listed := run(exitOK, "apikey", "list", id, "--direct", "--config", path); strings.Count(listed, "revoked") != 2 {
		t.Errorf("listed without a server: %s", listed)
	}
	if said := run(exitUnknown, "apikey", "revoke", id, "pk_nosuchkey000"); !strings.Contains(said, "has no API key pk_nosuchkey000") {
		t.Error(said)
	}
	run(exitUnknown, "apikey", "create", "nobody")
	run(exitOK, "tenant", "set", id, "--rate", "5", "--cache-for", "10s", "--max-body", "1MiB")
	if shown := run(exitOK, "tenant", "show", id); !strings.Contains(shown, "5/s") || !strings.Contains(shown, "1MiB") {
		t.Errorf("shown: %s", shown)
	}
	r.must(t, http.MethodPost, "/v1/tenants/"+id+"/retire", `{"export":false}`)
	r.must(t, http.MethodDelete, "/v1/tenants/"+id+"?confirm="+id+"&export=false", "")
}
