package control_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func newKey(tenant string, change ...func(*control.NewKey)) control.NewKey {
	k := control.NewKey{Tenant: id(tenant), Name: "ci", Scope: apikey.ScopeWrite, By: "alice"}
	for _, change := range change {
		change(&k)
	}
	return k
}

// keyOf makes a key and returns its text, too.
func keyOf(t testing.TB, d *control.Database, tenant string, change ...func(*control.NewKey)) (string, apikey.Key) {
	t.Helper()
	text, k, err := d.CreateKey(soon(t), newKey(tenant, change...))
	must(t, err)
	return text.Reveal(), k
}

// verify is Key with an outcome that tests compare: the tenant, or the error.
func verify(t testing.TB, d *control.Database, text string) string {
	t.Helper()
	k, err := d.Key(soon(t), text)
	for _, known := range []error{apikey.ErrMalformed, apikey.ErrUnknown, apikey.ErrExpired, apikey.ErrRevoked, registry.ErrUnavailable} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "another error: " + err.Error()
	}
	return k.Tenant.String()
}

// becomes waits until a text is what it should be.
func becomes(t testing.TB, d *control.Database, text, want string) {
	t.Helper()
	until(t, "a key is "+want, func() bool { return verify(t, d, text) == want })
}

func TestAKeyComesBackAsItWasMade(t *testing.T) {
	t.Parallel()
	d := newWorld(t).serving()
	create(t, d, record("acme"))
	create(t, d, record("globex"))
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	text, made := keyOf(t, d, "acme", func(k *control.NewKey) {
		k.Name, k.Scope, k.Expires = "  CI of\n Söhne & Co ", apikey.ScopeRead, ends
	})
	want := apikey.Key{
		ID: made.ID, Tenant: id("acme"), Name: "CI of Söhne & Co", Scope: apikey.ScopeRead, CreatedAt: made.CreatedAt,
		CreatedBy: "alice", ExpiresAt: ends, Version: made.Version,
	}
	if made != want || time.Since(made.CreatedAt) > time.Minute || made.Version == 0 {
		t.Errorf("made %+v\nwant %+v", made, want)
	}
	if !strings.HasPrefix(text, made.Prefix()+"_") {
		t.Error("the text does not begin with the prefix")
	}
	_, other := keyOf(t, d, "globex")
	keys, err := d.Keys(soon(t), id("acme"), "", 0)
	if err != nil || len(keys) != 1 || keys[0] != made {
		t.Errorf("listed %+v, %v", keys, err)
	}
	all, err := d.Keys(soon(t), registry.ID{}, "", 1)
	must(t, err)
	rest, err := d.Keys(soon(t), registry.ID{}, all[0].ID, 0)
	must(t, err)
	if all = append(all, rest...); len(all) != 2 || all[0].ID >= all[1].ID || all[0] != other && all[1] != other {
		t.Errorf("all, by pages: %+v", all)
	}
	must(t, d.Applied(soon(t), other.Version))
	k, err := d.Key(soon(t), text)
	if err != nil || k.ID != made.ID || k.Tenant != made.Tenant || k.Scope != apikey.ScopeRead || !k.ExpiresAt.Equal(ends) || k.Version != made.Version {
		t.Errorf("verified as %+v, %v", k, err)
	}
	if made, err := d.RevokeKey(soon(t), id("globex"), made.ID); !errors.Is(err, control.ErrNoKey) {
		t.Errorf("revoked as another tenant's: %+v, %v", made, err)
	}
	if _, err := d.ExpireKey(soon(t), id("globex"), made.ID, time.Time{}); !errors.Is(err, control.ErrNoKey) {
		t.Errorf("prolonged as another tenant's: %v", err)
	}
}

func TestAWrongKeyIsRefusedWithItsField(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	create(t, d, record("acme"))
	for _, test := range []struct {
		says   string
		change func(*control.NewKey)
	}{
		{"name: is longer", func(k *control.NewKey) { k.Name = strings.Repeat("ü", 101) }},
		{"name: has characters", func(k *control.NewKey) { k.Name = "a\x00b" }},
		{"name: has characters", func(k *control.NewKey) { k.Name = "\u202egnp.exe" }},
		{"name: has characters", func(k *control.NewKey) { k.Name = "\xff" }},
		{"scope: is \"all\"", func(k *control.NewKey) { k.Scope = "all" }},
		{"scope: is \"\"", func(k *control.NewKey) { k.Scope = "" }},
		{"expires_at: has passed", func(k *control.NewKey) { k.Expires = time.Now().Add(-time.Second) }},
	} {
		text, _, err := d.CreateKey(soon(t), newKey("acme", test.change))
		if _, ok := errors.AsType[registry.Problems](err); !ok || !strings.HasPrefix(err.Error(), test.says) || !text.IsZero() {
			t.Errorf("%s: %v", test.says, err)
		}
	}
	for name, tenant := range map[string]registry.ID{"nobody": id("nobody"), "zero": {}, "a reader": id("acme").Reader()} {
		_, _, err := d.CreateKey(soon(t), control.NewKey{Tenant: tenant, Scope: apikey.ScopeWrite})
		if !errors.Is(err, control.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	keys, err := d.Keys(soon(t), registry.ID{}, "", 0)
	if err != nil || len(keys) != 0 {
		t.Errorf("made all the same: %+v, %v", keys, err)
	}
}

func TestRevokedIsRevokedForGood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving()
	create(t, d, record("acme"))
	text, made := keyOf(t, d, "acme")
	revoked, err := d.RevokeKey(soon(t), id("acme"), made.ID)
	must(t, err)
	if revoked.RevokedAt.IsZero() || revoked.Version <= made.Version || revoked.Name != made.Name {
		t.Errorf("revoked %+v", revoked)
	}
	again, err := d.RevokeKey(soon(t), id("acme"), made.ID)
	if err != nil || again != revoked {
		t.Errorf("again: %+v, %v", again, err)
	}
	prolonged, err := d.ExpireKey(soon(t), id("acme"), made.ID, time.Now().Add(time.Hour))
	must(t, err)
	w.exec("update poolkeeper.keys set revoked_at = null")
	keys, err := d.Keys(soon(t), id("acme"), "", 0)
	if err != nil || len(keys) != 1 || keys[0] != prolonged || keys[0].RevokedAt != revoked.RevokedAt {
		t.Errorf("after a change by hand: %+v, %v", keys, err)
	}
	must(t, d.Applied(soon(t), keys[0].Version))
	if got := verify(t, d, text); got != apikey.ErrRevoked.Error() {
		t.Errorf("after it was prolonged, and changed by hand: %s", got)
	}
}

func TestAnEndCanBeMovedAndIsKeptToTheMoment(t *testing.T) {
	t.Parallel()
	d := newWorld(t).serving()
	create(t, d, record("acme"))
	text, made := keyOf(t, d, "acme", func(k *control.NewKey) { k.Expires = time.Now().Add(time.Hour) })
	becomes(t, d, text, "acme")
	end := time.Now().Add(300 * time.Millisecond)
	moved, err := d.ExpireKey(soon(t), id("acme"), made.ID, end)
	must(t, err)
	same, err := d.ExpireKey(soon(t), id("acme"), made.ID, moved.ExpiresAt)
	if err != nil || same.Version != moved.Version || moved.Version <= made.Version {
		t.Errorf("an end that stays where it is: version %d after %d and %d, %v", same.Version, moved.Version, made.Version, err)
	}
	becomes(t, d, text, apikey.ErrExpired.Error()) // nobody looks into the database within ten minutes
	if time.Now().Before(moved.ExpiresAt) {
		t.Error("it ended too early")
	}
	never, err := d.ExpireKey(soon(t), id("acme"), made.ID, time.Time{})
	if err != nil || !never.ExpiresAt.IsZero() {
		t.Errorf("without an end: %+v, %v", never, err)
	}
	becomes(t, d, text, "acme")
}

func TestATenantHasABoundedNumberOfActiveKeys(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	create(t, d, record("acme"))
	create(t, d, record("globex"))
	_, ended := keyOf(t, d, "acme", func(k *control.NewKey) { k.Expires = time.Now().Add(50 * time.Millisecond) })
	_, revoked := keyOf(t, d, "acme")
	_, err := d.RevokeKey(soon(t), id("acme"), revoked.ID)
	must(t, err)
	until(t, "one has ended", func() bool { return !time.Now().Before(ended.ExpiresAt) })
	var making sync.WaitGroup
	for range 5 { // at the same time, and one too many each
		making.Go(func() {
			for range control.MaxKeys/5 + 1 {
				_, _, err := d.CreateKey(soon(t), newKey("acme"))
				if err != nil && !errors.Is(err, control.ErrTooManyKeys) {
					t.Error(err)
				}
			}
		})
	}
	making.Wait()
	active := 0
	keys, err := d.Keys(soon(t), id("acme"), "", 1000)
	must(t, err)
	for _, k := range keys {
		if k.Status(time.Now()) == apikey.StatusActive {
			active++
		}
	}
	if active != control.MaxKeys {
		t.Errorf("%d active keys, want %d", active, control.MaxKeys)
	}
	_, _, err = d.CreateKey(soon(t), newKey("acme"))
	if !errors.Is(err, control.ErrTooManyKeys) || !strings.Contains(err.Error(), "acme") || !strings.Contains(err.Error(), fmt.Sprint(control.MaxKeys)) {
		t.Errorf("one more: %v", err)
	}
	if _, err := d.ExpireKey(soon(t), id("acme"), ended.ID, time.Time{}); !errors.Is(err, control.ErrTooManyKeys) {
		t.Errorf("one that had ended comes back: %v", err)
	}
	keyOf(t, d, "globex")
	for _, k := range keys[:3] { // at least one of which is active
		_, err = d.RevokeKey(soon(t), id("acme"), k.ID)
		must(t, err)
	}
	keyOf(t, d, "acme")
}

func TestKeysAreGuardedAgainstChangesByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving()
	create(t, d, record("acme"))
	create(t, d, record("globex"))
	text, made := keyOf(t, d, "acme")
	other, _ := keyOf(t, d, "globex")
	for _, sql := range []string{
		"truncate poolkeeper.keys cascade", "update poolkeeper.keys set tenant = 'acme' where tenant = 'globex'",
		"update poolkeeper.keys set hash = sha256('x')", "update poolkeeper.keys set id = 'aaaaaaaaaaaa' where tenant = 'acme'",
		"insert into poolkeeper.keys (id, tenant, scope, hash) values ('aaaaaaaaaaaa', 'acme', 'admin', sha256('x'))",
		"insert into poolkeeper.keys (id, tenant, scope, hash) values ('aaaaaaaaaaaa', 'acme', 'read', 'x')",
	} {
		if _, err := w.conn().Exec(t.Context(), sql); err == nil {
			t.Errorf("this was taken: %s", sql)
		}
	}
	w.exec("update poolkeeper.keys set version = 1, name = 'by hand' where tenant = 'acme'")
	keys, err := d.Keys(soon(t), id("acme"), "", 0)
	if err != nil || keys[0].Name != "by hand" || keys[0].Version <= made.Version {
		t.Errorf("a change by hand: %+v, %v", keys, err)
	}
	becomes(t, d, text, "acme")
	w.exec("delete from poolkeeper.keys where tenant = 'acme'")
	becomes(t, d, text, apikey.ErrUnknown.Error())
	becomes(t, d, other, "globex")
}
