package control_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// lastUsed is what the database says of a key.
func lastUsed(t testing.TB, d *control.Database, k apikey.Key) time.Time {
	t.Helper()
	keys, err := d.Keys(soon(t), k.Tenant, "", 0)
	must(t, err)
	for _, known := range keys {
		if known.ID == k.ID {
			if known.Version != k.Version {
				t.Errorf("a use made version %d of %d", known.Version, k.Version)
			}
			return known.LastUsed
		}
	}
	t.Fatal("the key is gone")
	return time.Time{}
}

func TestUsesAreWrittenAtTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, other := w.serving(), w.open()
	create(t, d, record("acme"))
	text, used := keyOf(t, d, "acme")
	_, idle := keyOf(t, d, "acme")
	before := time.Now().Truncate(time.Second)
	becomes(t, d, text, "acme")
	if got := lastUsed(t, other, used); !got.IsZero() {
		t.Errorf("a use was written at once: %s", got)
	}
	d.Close()
	if got := lastUsed(t, other, used); got.Before(before) || got.After(time.Now()) {
		t.Errorf("used at %s, written %s", before, got)
	}
	if got := lastUsed(t, other, idle); !got.IsZero() {
		t.Errorf("one that was not used was, at %s", got)
	}
}

func TestUsesAreWrittenNowAndThenAndNeverGoBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.database()
	d.NoteUsesEvery(50 * time.Millisecond)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	must(t, d.Load(soon(t)))
	create(t, d, record("acme"))
	text, k := keyOf(t, d, "acme")
	becomes(t, d, text, "acme")
	until(t, "the use is written", func() bool { return !lastUsed(t, d, k).IsZero() })
	var row, again string
	const ask = "select xmin::text || ctid::text from poolkeeper.key_uses"
	must(t, w.conn().QueryRow(t.Context(), ask).Scan(&row))
	future := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	w.exec("update poolkeeper.key_uses set at = $1", future) // by a process whose clock is ahead
	must(t, w.conn().QueryRow(t.Context(), ask).Scan(&row))
	pass := time.Now().Add(1100 * time.Millisecond)
	until(t, "it is used in another second", func() bool {
		return verify(t, d, text) == "acme" && time.Now().After(pass)
	})
	marker, mark := keyOf(t, d, "acme") // what is written later tells that this was
	becomes(t, d, marker, "acme")
	until(t, "the next is written", func() bool { return !lastUsed(t, d, mark).IsZero() })
	if got := lastUsed(t, d, k); !got.Equal(future) {
		t.Errorf("it went back to %s", got)
	}
	must(t, w.conn().QueryRow(t.Context(), ask+" where key = $1", k.ID).Scan(&again))
	if row != again {
		t.Error("a row was written that stays as it is")
	}
}

// Somebody deletes tenants while uses are written: neither waits for the other.
func TestUsesOfKeysThatAreDeletedHoldNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.database()
	d.NoteUsesEvery(2 * time.Millisecond)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	must(t, d.Load(soon(t)))
	for _, name := range names(8) {
		create(t, d, record(name))
		for range 3 {
			text, k := keyOf(t, d, name)
			must(t, d.Applied(soon(t), k.Version))
			if got := verify(t, d, text); got != name {
				t.Errorf("a key of %s is %s", name, got)
			}
		}
		must(t, d.Remove(soon(t), id(name)))
	}
	var left int
	must(t, w.conn().QueryRow(t.Context(), "select count(*) from poolkeeper.key_uses").Scan(&left))
	if left != 0 {
		t.Errorf("%d uses of keys that are gone", left)
	}
}
