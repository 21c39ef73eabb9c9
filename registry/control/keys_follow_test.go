package control_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Nobody looks by time within ten minutes, so what is seen was told.
func TestAKeyThroughOneIsKnownToTheOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.serving(named("one")), w.serving(named("two"))
	create(t, one, record("acme"))
	text, made := keyOf(t, one, "acme")
	must(t, one.Applied(soon(t), made.Version))
	if got := verify(t, two, text); got != "acme" {
		t.Errorf("everybody applied it, and it is %s", got)
	}
	ended, err := two.ExpireKey(soon(t), id("acme"), made.ID, time.Now().Add(-time.Second))
	must(t, err)
	must(t, two.Applied(soon(t), ended.Version))
	if got := verify(t, one, text); got != apikey.ErrExpired.Error() {
		t.Errorf("after its end it is %s", got)
	}
	revoked, err := one.RevokeKey(soon(t), id("acme"), made.ID)
	must(t, err)
	must(t, one.Applied(soon(t), revoked.Version))
	if got := verify(t, two, text); got != apikey.ErrRevoked.Error() {
		t.Errorf("after everybody applied that it is revoked it is %s", got)
	}
	late := w.serving(named("late"))
	if got := verify(t, late, text); got != apikey.ErrRevoked.Error() {
		t.Errorf("one that starts later says %s", got)
	}
}

func TestAChangeOfAKeyThatNobodyTellsIsFoundByLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, other := w.serving(poll(500*time.Millisecond), ttl(time.Second)), w.open()
	create(t, other, record("acme"))
	w.exec("alter table poolkeeper.keys disable trigger keys_tell")
	text, made := keyOf(t, other, "acme")
	becomes(t, d, text, "acme")
	_, err := other.RevokeKey(soon(t), id("acme"), made.ID)
	must(t, err)
	becomes(t, d, text, apikey.ErrRevoked.Error())
}

func TestKeysOfADeletedTenantAreGoneEverywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.serving(named("one")), w.serving(named("two"))
	create(t, one, record("acme"))
	text, made := keyOf(t, one, "acme")
	becomes(t, two, text, "acme")
	must(t, one.Remove(soon(t), id("acme")))
	becomes(t, one, text, apikey.ErrUnknown.Error())
	becomes(t, two, text, apikey.ErrUnknown.Error())
	keys, err := one.Keys(soon(t), registry.ID{}, "", 0)
	if err != nil || len(keys) != 0 {
		t.Errorf("left: %+v, %v", keys, err)
	}
	again := create(t, one, record("acme"))
	must(t, one.Applied(soon(t), again.Version))
	if again.Version <= made.Version {
		t.Error("the new one's version is not newer")
	}
	for _, d := range []*control.Database{one, two} {
		if got := verify(t, d, text); got != apikey.ErrUnknown.Error() {
			t.Errorf("a key of the one before is %s", got)
		}
	}
}

// A replica that was away sees only the new record: no tombstone is left of
// the old one.
func TestKeysOfADeletedTenantDoNotOpenTheNextOfItsID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away, other := w.serving(), w.open()
	create(t, other, record("acme"))
	create(t, other, record("globex"))
	text, made := keyOf(t, other, "acme")
	must(t, other.Applied(soon(t), made.Version))
	w.exec("alter table poolkeeper.tenants disable trigger tenants_tell")
	w.exec("alter table poolkeeper.keys disable trigger keys_tell")
	must(t, other.Remove(soon(t), id("acme")))
	created := create(t, other, record("acme"))
	fresh, _ := keyOf(t, other, "acme")
	if got := verify(t, away, text); got != "acme" {
		t.Fatalf("the replica is not away: %s", got)
	}
	w.exec("alter table poolkeeper.tenants enable trigger tenants_tell")
	update(t, other, "globex", func(r *control.Record) { r.Name = "anything" })
	must(t, other.Applied(soon(t), created.Version))
	becomes(t, away, fresh, "acme")
	if got := verify(t, away, text); got != apikey.ErrUnknown.Error() {
		t.Errorf("a key of the one before opens the new one: %s", got)
	}
}

// What was issued for an id, and nobody here can take back, is of the tenant that
// had it then.
func TestATenantKnowsThatItsIDWasAnothersBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving()
	first := create(t, d, record("acme"))
	if first.Born == 0 || !first.Since.IsZero() {
		t.Errorf("the first: %d, %v", first.Born, first.Since)
	}
	must(t, d.Remove(soon(t), id("acme")))
	second := create(t, d, record("acme"))
	update(t, d, "acme", func(r *control.Record) { r.Name = "anything" })
	changed := read(t, d, "acme")
	must(t, d.Applied(soon(t), changed.Version))
	served, err := d.Tenant(soon(t), id("acme"))
	must(t, err)
	for _, got := range []*registry.Tenant{&second.Tenant, &changed.Tenant, served} {
		if got.Born == first.Born || got.Born != second.Born || !got.Since.Equal(second.CreatedAt) {
			t.Errorf("the second: %d, %v; made at %v", got.Born, got.Since, second.CreatedAt)
		}
	}
	if other := create(t, d, record("globex")); !other.Since.IsZero() {
		t.Errorf("another id: %v", other.Since)
	}
}

func TestKeysAreReadAgainAfterARestore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving(poll(200*time.Millisecond), ttl(time.Second))
	create(t, d, record("acme"))
	gone, one := keyOf(t, d, "acme")
	back, two := keyOf(t, d, "acme")
	stays, _ := keyOf(t, d, "acme")
	_, err := d.RevokeKey(soon(t), id("acme"), two.ID)
	must(t, err)
	becomes(t, d, back, apikey.ErrRevoked.Error())
	becomes(t, d, gone, "acme")
	// As after a restore of what was before: no tombstone, and the numbers go back.
	w.exec(fmt.Sprintf(`alter table poolkeeper.keys disable trigger user;
		delete from poolkeeper.keys where id = '%s';
		update poolkeeper.keys set revoked_at = null, version = %d where id = '%s';
		alter table poolkeeper.keys enable trigger user`, one.ID, two.Version, two.ID))
	becomes(t, d, back, "acme")
	becomes(t, d, gone, apikey.ErrUnknown.Error())
	becomes(t, d, stays, "acme")
}

func TestWhatEndedLongAgoIsNotLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	create(t, d, record("acme"))
	lately, one := keyOf(t, d, "acme")
	long, two := keyOf(t, d, "acme")
	expired, three := keyOf(t, d, "acme")
	w.exec("update poolkeeper.keys set revoked_at = now() - interval '1 hour' where id = $1", one.ID)
	w.exec("update poolkeeper.keys set revoked_at = now() - interval '2 days' where id = $1", two.ID)
	w.exec("update poolkeeper.keys set expires_at = now() - interval '2 days' where id = $1", three.ID)
	must(t, d.Load(soon(t)))
	for text, want := range map[string]error{lately: apikey.ErrRevoked, long: apikey.ErrUnknown, expired: apikey.ErrUnknown} {
		if got := verify(t, d, text); got != want.Error() {
			t.Errorf("it is %s, want %v", got, want)
		}
	}
	_, err := d.ExpireKey(soon(t), id("acme"), three.ID, time.Time{})
	must(t, err)
	becomes(t, d, expired, "acme")
}
