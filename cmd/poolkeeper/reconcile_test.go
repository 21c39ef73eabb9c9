package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// declare writes the tenants of a file, and lets the program follow.
func declare(t *testing.T, path, tenants string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), "\nplans:")
	before, _, _ = strings.Cut(before, "\ntenants:")
	write(t, path, before+"\n"+tenants)
}

func (p *program) replica() *replica { return &replica{Addresses: p.Addresses} }

// status is what the admin API says of a tenant, "" when it knows none.
func (r *replica) status(t *testing.T, id string) string {
	t.Helper()
	_, answer := r.call(t, http.MethodGet, "/v1/tenants/"+id, "")
	text, _ := answer["status"].(string)
	return strings.TrimPrefix(text, "404")
}

func TestASavedFileIsReconciledWhileServing(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(text), "onboard: {", "onboard: {at_start: true, ", 1))
	prefix := tenantOf(path[strings.LastIndex(path[:strings.LastIndex(path, "/")], "/")+1:])[:2] + fmt.Sprint(time.Now().UnixNano())
	one, two := prefix+"a", prefix+"b"
	plans := "plans:\n  small: {cluster: main, limits: {max_conns: %d}}\n"
	declare(t, path, fmt.Sprintf(plans, 2)+"tenants:\n  "+one+": {plan: small, isolation: schema}\n")
	p := start(t, "serve", "--config", path)
	r := p.replica()
	within(t, patience, "the first tenant to be active", func() bool { return r.status(t, one) == "active" })

	declare(t, path, fmt.Sprintf(plans, 3)+"tenants:\n  "+one+": {plan: small, isolation: schema}\n  "+two+": {plan: small, isolation: schema}\n")
	within(t, patience, "the second one to be active", func() bool { return r.status(t, two) == "active" })
	within(t, patience, "the plan's limit to hold", func() bool {
		_, answer := r.call(t, http.MethodGet, "/v1/tenants/"+one, "")
		limits, _ := answer["limits"].(map[string]any)
		return limits["max_conns"] == 3.0
	})

	declare(t, path, fmt.Sprintf(plans, 3)+"tenants:\n  "+one+": {plan: nothing, isolation: schema}\n")
	p.eventually(t, "the refusal to be told", func() bool { return strings.Contains(p.stderr.String(), "which is no plan") })
	if got := r.status(t, two); got != "active" {
		t.Errorf("a wrong file has made the other tenant %q", got)
	}

	declare(t, path, fmt.Sprintf(plans, 3)+"tenants:\n  "+one+": {plan: small, isolation: schema}\n")
	within(t, patience, "what has gone from the file to be suspended", func() bool { return r.status(t, two) == "suspended" })
	within(t, patience, "it to be refused", func() bool { status, _ := r.sql(t, two); return status == http.StatusNotFound })
	p.eventually(t, "the log to tell of it", func() bool { return strings.Contains(p.stderr.String(), `tenant=`+two+` action=suspend`) })
	declare(t, path, fmt.Sprintf(plans, 3)+"tenants:\n  "+one+": {plan: small, isolation: schema}\n  "+two+": {plan: small, isolation: schema}\n")
	within(t, patience, "it to come back", func() bool { status, _ := r.sql(t, two); return status == http.StatusOK })
	for _, id := range []string{one, two} {
		r.goodbye(t, path, id)
	}
}

// goodbye takes a tenant's roles off the shared server.
func (r *replica) goodbye(t *testing.T, path, id string) {
	t.Helper()
	declare(t, path, "plans: {small: {cluster: main}}\ntenants: {}\n")
	within(t, patience, "it to be the operators'", func() bool {
		status, _ := r.call(t, http.MethodPost, "/v1/tenants/"+id+"/retire", `{"export":false}`)
		return status == http.StatusOK
	})
	r.must(t, http.MethodDelete, "/v1/tenants/"+id+"?confirm="+id+"&export=false", "")
}

func TestDirectWorksWithoutAServer(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	id := "direct" + fmt.Sprint(time.Now().UnixNano())
	for _, args := range [][]string{
		{"tenant", "add", id, "--cluster", "main"},
		{"tenant", "suspend", id},
		{"tenant", "list", "--status", "suspended"},
		{"audit", "list"},
		{"tenant", "retire", id, "--no-export"},
		{"tenant", "delete", id, "--yes", id, "--no-export"},
	} {
		code, stdout, stderr := execute(t, nil, append(args, "--direct", "--config", path)...)
		if code != exitOK {
			t.Fatalf("%v: %d\n%s%s", args, code, stdout, stderr)
		}
		if args[0] == "audit" && !strings.Contains(stdout, "direct:") {
			t.Errorf("the trail does not say who it was:\n%s", stdout)
		}
		if strings.Contains(stdout+stderr, "swordfish") {
			t.Errorf("%v prints a secret:\n%s%s", args, stdout, stderr)
		}
	}
}
