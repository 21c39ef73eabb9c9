package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A Redis that is not there costs the sharing and nothing else, and the log says
// so, in its own form and not a line for each request.
func TestARedisThatIsNotThereIsInTheLogOnce(t *testing.T) {
	t.Parallel()
	path, _ := controlledConfig(t, 30*time.Second)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(text)+`admission: {redis: "redis://:hush@127.0.0.1:1/0", rate: 1000}`+"\n")
	r := startReplica(t, path)
	id := "lone" + strconv.FormatInt(time.Now().UnixNano(), 36)
	if status, answer := r.call(t, http.MethodPost, "/v1/tenants", `{"id":"`+id+`","cluster":"main"}`); status != http.StatusCreated {
		t.Fatalf("added: %d %v", status, answer)
	}
	defer r.leaves(t, id)
	for range 20 {
		if status, body := r.sql(t, id); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	const told = "the shared store cannot be asked"
	within(t, patience, "the log to say so", func() bool { return strings.Contains(r.stderr.String(), told) })
	log := r.stderr.String()
	if strings.Count(log, told) != 1 || !strings.Contains(log, "for=admission.redis") || strings.Contains(log, "hush") {
		t.Errorf("the log:\n%s", log)
	}
	for line := range strings.Lines(log) {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("not a line of the log: %s", line)
		}
	}
}
