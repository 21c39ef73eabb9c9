package control_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// While keys are believed that may be old, records are no newer: else a key of
// somebody who is gone would open what another has got under the same id.
func TestAKeyFromBeforeAnOutageDoesNotOpenATenantThatCameMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := &gate{}
	d := w.database(poll(100*time.Millisecond), ttl(time.Second), staleFor(time.Hour))
	d.Through(g.dial)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	must(t, d.Load(soon(t)))
	create(t, d, record("acme"))
	text, _ := keyOf(t, d, "acme")
	becomes(t, d, text, "acme")
	g.shut.Store(true)
	w.exec("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	guess, _ := apikey.Generate()
	becomes(t, d, guess.Reveal(), registry.ErrUnavailable.Error())

	other := w.open(ttl(time.Minute))
	update(t, other, "acme", func(r *control.Record) { r.State, r.Deleting = registry.StatusRetired, true })
	must(t, other.Remove(soon(t), id("acme")))
	anew := registry.NewSecret("of another customer")
	create(t, other, with("acme", func(r *control.Record) { r.Password = anew }))

	if got := verify(t, d, text); got != "acme" {
		t.Fatalf("in the outage it is %s", got)
	}
	g.shut.Store(false)
	until(t, "the new record is served", func() bool {
		r, err := d.Tenant(soon(t), id("acme"))
		if err != nil || r.Password != anew {
			return false
		}
		if got := verify(t, d, text); got != apikey.ErrUnknown.Error() {
			t.Errorf("the key of the tenant before is %s", got)
		}
		return true
	})
}
