package readcache_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func TestManyFlushesCostBoundedMemoryAndLoseNone(t *testing.T) {
	t.Parallel()
	var d database
	c, acme := open(t, nil, nil), record("acme")
	k := reads(acme)
	get(t, c, k, time.Minute, d.load)
	if err := c.Flush(t.Context(), acme.ID); err != nil {
		t.Fatal(err)
	}
	for i := range 150_000 {
		if err := c.Flush(t.Context(), registry.MustParseID("t"+number(i))); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Generations(); got > 1<<16 {
		t.Errorf("%d are remembered", got)
	}
	if get(t, c, k, time.Minute, d.load).Hit() {
		t.Error("a flush was forgotten")
	}
}

func TestTheBytesAreBounded(t *testing.T) {
	t.Parallel()
	const most = 4 << 20
	c := open(t, func(cfg *readcache.Config) { cfg.MaxBytes = most }, nil)
	acme := record("acme")
	load := func(n int) readcache.LoadFunc {
		return func(context.Context) ([]byte, error) { return make([]byte, n), nil }
	}
	for i := range 20_000 {
		get(t, c, readcache.KeyOf(acme, readcache.Read{SQL: number(i)}), time.Minute, load(i%10_000))
		if got := c.Bytes(); got > most {
			t.Fatalf("%d bytes after %d", got, i)
		}
	}
	if got := c.Bytes(); got < most/2 {
		t.Errorf("only %d bytes are kept", got)
	}
	before := c.Bytes()
	a := get(t, c, readcache.KeyOf(acme, readcache.Read{SQL: "huge"}), time.Minute, load(most/4))
	if c.Bytes() != before || len(a.Body) != most/4 {
		t.Errorf("a huge answer takes the place of others: %d bytes", c.Bytes())
	}
	h := http.Header{}
	if a.Header(h); h.Get("Cache-Status") != "poolkeeper; fwd=miss" {
		t.Error(h)
	}
	for i := range 30_000 { // answers of nothing cost something too
		get(t, c, readcache.KeyOf(acme, readcache.Read{SQL: "empty" + number(i)}), time.Minute, load(0))
	}
	if n := c.Entries(); n > most/300 {
		t.Errorf("%d entries", n)
	}
}
