package admission_test

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

// tenant is a record with limits of its own.
func tenant(id string, l registry.Limits) *registry.Tenant {
	return &registry.Tenant{ID: registry.MustParseID(id), Status: registry.StatusActive, Limits: l}
}

// five may make five requests a second.
func five() *registry.Tenant { return tenant("acme", registry.Limits{Rate: 5}) }

// control makes one that ends with the test. It has the limits that change
// sets, and no others.
func control(t testing.TB, change func(*admission.Config), obs admission.Observer) *admission.Control {
	t.Helper()
	cfg := admission.Defaults()
	cfg.InFlight = 0
	if change != nil {
		change(&cfg)
	}
	c, err := admission.New(cfg, obs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// admitted lets a request in and out.
func admitted(t *testing.T, c *admission.Control, who *registry.Tenant) {
	t.Helper()
	p, err := c.Admit(t.Context(), who)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	p.Release()
}

// refused wants the reason.
func refused(t *testing.T, c *admission.Control, who *registry.Tenant, reason error) {
	t.Helper()
	_ = refusal(t, c, who, reason)
}

// refusal wants the reason and returns the refusal.
func refusal(t *testing.T, c *admission.Control, who *registry.Tenant, reason error) *admission.Refusal {
	t.Helper()
	_, err := c.Admit(t.Context(), who)
	var r *admission.Refusal
	if !errors.As(err, &r) || !errors.Is(err, reason) {
		t.Fatalf("got %v, not a refusal that is %v", err, reason)
	}
	if r.Tenant != who.ID.Tenant() {
		t.Errorf("it names %s", r.Tenant)
	}
	return r
}

// passes counts how many of n requests in a row are admitted.
func passes(t *testing.T, c *admission.Control, who *registry.Tenant, n int) int {
	t.Helper()
	count := 0
	for range n {
		p, err := c.Admit(t.Context(), who)
		if err == nil {
			p.Release()
			count++
		}
	}
	return count
}

// fields are the two fields that a pass or a refusal sets.
func fields(of interface{ Header(http.Header) }) (policy, limit string) {
	h := http.Header{}
	of.Header(h)
	return h.Get("RateLimit-Policy"), h.Get("RateLimit")
}

// noted is an Observer that keeps what it is told.
type noted struct {
	mu       sync.Mutex // guards all
	admitted []error
	asked    []error
}

func (n *noted) Admitted(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.admitted = append(n.admitted, err)
}

func (n *noted) StoreAsked(_ time.Duration, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, err)
}

func (n *noted) askings() []error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]error(nil), n.asked...)
}
