package integration_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
)

// Criterion: a client that disconnects in the middle of a long statement frees
// its connection at once, and the server shows no leftover query.
func TestAClientThatDisconnectsFreesItsConnectionAtOnce(t *testing.T) {
	t.Parallel()
	d := newFront(t, frontPlan{
		tenants: map[string]string{"alone": "own"},
		pools:   func(c *pools.Config) { c.MaxConns = 1 },
	})
	for _, protocol := range []string{"http/1.1", "h2"} {
		for accept, body := range map[string]string{
			"application/json":     `{"query":"select pg_sleep(30)"}`,
			"application/x-ndjson": `{"query":"select i, pg_sleep(0.02) from generate_series(1, 100000) i"}`,
		} {
			var took []time.Duration
			for range 5 {
				took = append(took, d.leave(t, protocol, accept, body))
			}
			slices.Sort(took)
			t.Logf("%s, %s: the next request is answered after %v typically, %v at most", protocol, accept, took[2], took[4])
			if took[4] > 10*time.Second { // the statement sleeps for far longer
				t.Errorf("%s, %s: the next request took %v", protocol, accept, took[4])
			}
		}
	}
}

// leave disconnects in the middle of a statement, and returns how long it is
// until the tenant's next request has its answer.
func (d *front) leave(t *testing.T, protocol, accept, body string) time.Duration {
	t.Helper()
	ctx, disconnect := context.WithCancel(t.Context())
	gone := make(chan struct{})
	leaver, next := d.client(t, protocol), d.client(t, protocol)
	go func() {
		defer close(gone)
		if r, err := d.ask(ctx, leaver, "alone", body, "Accept", accept); err == nil {
			t.Errorf("%s: status %d: %s", protocol, r.status, r.body)
		}
	}()
	until(t, "the statement", func() bool { return d.running(t, "pg_sleep") == 1 })
	began := time.Now()
	disconnect()
	leaver.CloseIdleConnections()
	r, err := d.ask(t.Context(), next, "alone", `{"query":"select 1"}`)
	took := time.Since(began)
	if err != nil || r.status != http.StatusOK {
		t.Errorf("%s: the next request: status %d %s, %v", protocol, r.status, r.body, err)
	}
	if n := d.running(t, "pg_sleep"); n != 0 {
		t.Errorf("%s: %d statements are left", protocol, n)
	}
	<-gone
	return took
}
