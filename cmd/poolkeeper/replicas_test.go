package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// programEnv has the test binary be poolkeeper.
const programEnv = "POOLKEEPER_TEST_IS_PROGRAM"

// replica is a poolkeeper in a process of its own.
type replica struct {
	Addresses
	stderr output
}

var servingLine = regexp.MustCompile(`msg=serving listen=(\S+) .*admin_listen=(\S+)`)

// startReplica runs serve as a process until the test ends.
func startReplica(t *testing.T, path string) *replica {
	t.Helper()
	r := &replica{}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, os.Args[0], "serve", "--config", path)
	cmd.Env = append(os.Environ(), programEnv+"=1")
	cmd.Stderr = &r.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was told to stop
	})
	within(t, patience, "the replica to serve", func() bool {
		found := servingLine.FindStringSubmatch(r.stderr.String())
		if found != nil {
			r.Data, r.Admin = found[1], found[2]
		}
		return found != nil
	})
	return r
}

// within asks until the answer is yes and returns how long that took.
func within(t *testing.T, limit time.Duration, what string, yes func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
	return time.Since(begun)
}

// controlledConfig is a configuration with a control database on the tests'
// server, and no tenants.
func controlledConfig(t *testing.T, poll time.Duration) (path, controlDSN string) {
	t.Helper()
	srv := pgtest.Shared()
	database, controlName := srv.Database(t), srv.Database(t)
	migrations, err := filepath.Abs("demo/tenant")
	if err != nil {
		t.Fatal(err)
	}
	keyset, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "keyset.json"), keyset.Reveal())
	path = write(t, filepath.Join(dir, "poolkeeper.yaml"), fmt.Sprintf(`
server: {listen: "127.0.0.1:0", admin_listen: "127.0.0.1:0", drain_timeout: 10s}
router: {resolvers: [path], open: [path]}
control: {dsn: %q, keyset: "file:keyset.json", poll: %s}
onboard: {migrations: %q, exports: exports}
clusters:
  main:
    dsn: %q
    admin: %q
    replicas: 2
tenants: {}
`, srv.AdminDSN(controlName), poll, migrations, srv.DSN(database, database+"_app", "swordfish"), srv.AdminDSN(database)))
	return path, srv.AdminDSN(controlName)
}

// call sends JSON to the admin API and returns the status and the answer.
func (r *replica) call(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	status, text := send(t, request{
		method: method, url: "http://" + r.Admin + path, body: body, header: map[string]string{"Content-Type": "application/json"},
	})
	answer := map[string]any{}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return status, answer
}

func (r *replica) sql(t *testing.T, id string) (int, string) {
	t.Helper()
	return send(t, request{url: "http://" + r.Data + "/t/" + id + "/sql", body: `{"query":"select count(*) from items"}`})
}

func TestTwoServersOnOneControlDatabaseFollowEachOther(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	here, there := startReplica(t, path), startReplica(t, path)
	id := "two" + strconv.FormatInt(time.Now().UnixNano(), 36)
	follow(t, here, there, id, 10*time.Second) // ten times what is typical
}

func TestTwoServersFollowWithinThePollWhenNobodyTellsThem(t *testing.T) {
	t.Parallel()
	path, dsn := controlledConfig(t, time.Second)
	here, there := startReplica(t, path), startReplica(t, path)
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "ALTER TABLE poolkeeper.tenants DISABLE TRIGGER tenants_tell"); err != nil {
		t.Fatal(err)
	}
	id := "cut" + strconv.FormatInt(time.Now().UnixNano(), 36)
	follow(t, here, there, id, 10*time.Second)
}

// follow changes a tenant through one server and looks at it through the
// other.
func follow(t *testing.T, here, there *replica, id string, limit time.Duration) {
	t.Helper()
	if status, answer := here.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+id+`","cluster":"main"}`); status != http.StatusCreated {
		t.Fatalf("added: %d %v", status, answer)
	}
	took := within(t, limit, "the new tenant to be served by the other", func() bool {
		status, _ := there.sql(t, id)
		return status == http.StatusOK
	})
	t.Logf("added: %v", took)

	here.must(t, http.MethodPost, "/v1/tenants/"+id+"/suspend", `{"reason":"test"}`)
	took = within(t, limit, "the suspension to hold there", func() bool {
		status, _ := there.sql(t, id)
		return status == http.StatusNotFound
	})
	t.Logf("suspended: %v", took)
	here.must(t, http.MethodPost, "/v1/tenants/"+id+"/resume", "")
	within(t, limit, "the tenant to be served again", func() bool { status, _ := there.sql(t, id); return status == http.StatusOK })

	here.must(t, http.MethodPatch, "/v1/tenants/"+id, `{"limits":{"max_conns":3}}`)
	took = within(t, limit, "the limit to hold there", func() bool {
		_, answer := there.call(t, http.MethodGet, "/v1/pools/"+id, "")
		text, _ := json.Marshal(answer)
		return bytes.Contains(text, []byte(`"max":3`))
	})
	t.Logf("limited: %v", took)

	failed := 0
	here.must(t, http.MethodPost, "/v1/tenants/"+id+"/rotate", "")
	took = within(t, limit, "requests to go on there", func() bool {
		status, body := there.sql(t, id)
		if status != http.StatusOK {
			failed++
			t.Errorf("after the rotation: %d %s", status, body)
		}
		_, answer := there.call(t, http.MethodGet, "/v1/pools/"+id, "")
		text, _ := json.Marshal(answer)
		return failed > 0 || !bytes.Contains(text, []byte(`"draining"`))
	})
	t.Logf("rotated: %v", took)
	if text := here.stderr.String() + there.stderr.String(); strings.Contains(text, "swordfish") {
		t.Error("a password stands in the log")
	}
	here.must(t, http.MethodPost, "/v1/tenants/"+id+"/retire", `{"export":false}`)
	here.must(t, http.MethodDelete, "/v1/tenants/"+id+"?confirm="+id+"&export=false", "")
}

func (r *replica) must(t *testing.T, method, path, body string) {
	t.Helper()
	if status, answer := r.call(t, method, path, body); status != http.StatusOK {
		t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
}
