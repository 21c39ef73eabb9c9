package readcache_test

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/poolkeeper/poolkeeper/server/readcache"
)

func number(i int) string { return strconv.Itoa(i) }

func TestTwoTenantsNeverMeet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		// Each body says whose it is; few different questions, so that they
		// would meet if they could.
		cache, err := readcache.New(readcache.Defaults(), nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer cache.Close()
		few := rapid.IntRange(0, 2)
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			tenant := record("t" + number(few.Draw(rt, "tenant")))
			tenant.Version = uint64(few.Draw(rt, "version"))
			read := readcache.Read{
				Reader: rapid.Bool().Draw(rt, "reader"),
				SQL:    rapid.SampledFrom([]string{"", "a", "ab"}).Draw(rt, "sql"),
				Form:   rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "form"),
				Params: rapid.SampledFrom([][][]byte{nil, {nil}, {{}}, {[]byte("a")}, {[]byte("a"), nil}, {[]byte("text")}}).Draw(rt, "params"),
			}
			if few.Draw(rt, "flush") == 0 {
				if err := cache.Flush(t.Context(), tenant.ID); err != nil {
					rt.Fatal(err)
				}
			}
			whose := tenant.ID.String() + number(int(tenant.Version)) + strconv.FormatBool(read.Reader) + "|" + read.SQL + "|" + read.Form + "|" + spell(read.Params)
			a, err := cache.Do(t.Context(), readcache.KeyOf(tenant, read), time.Minute,
				func(context.Context) ([]byte, error) { return []byte(whose), nil })
			if err != nil || string(a.Body) != whose {
				rt.Fatalf("%s got %s, %v", whose, a.Body, err)
			}
		}
	})
}

// spell writes parameters so that no two are alike.
func spell(params [][]byte) string {
	text := "params"
	for _, p := range params {
		if p == nil {
			text += ",NULL"
			continue
		}
		text += "," + strconv.Quote(string(p))
	}
	return text
}

func TestKeysDifferInWhateverIsAsked(t *testing.T) {
	t.Parallel()
	base := readcache.Read{SQL: "select $1", Params: [][]byte{[]byte("a")}, Form: "raw"}
	acme := record("acme")
	moved := record("acme")
	moved.Database = "elsewhere"
	newer := record("acme")
	newer.Version = 2
	reader, sql, form, null, empty, more := base, base, base, base, base, base
	reader.Reader = true
	sql.SQL += ";"
	form.Form = "typed"
	null.Params = [][]byte{nil}
	empty.Params = [][]byte{{}}
	more.Params = [][]byte{[]byte("a"), []byte("")}
	keys := []readcache.Key{
		readcache.KeyOf(acme, base), readcache.KeyOf(record("globex"), base), readcache.KeyOf(moved, base), readcache.KeyOf(newer, base),
		readcache.KeyOf(acme, reader), readcache.KeyOf(acme, sql), readcache.KeyOf(acme, form), readcache.KeyOf(acme, null),
		readcache.KeyOf(acme, empty), readcache.KeyOf(acme, more), readcache.KeyOf(acme, readcache.Read{SQL: "select $1raw", Params: base.Params}),
	}
	for i, k := range keys {
		if slices.Index(keys, k) != i {
			t.Errorf("key %d is that of %d", i, slices.Index(keys, k))
		}
	}
	same := readcache.Read{SQL: "select $1", Params: [][]byte{bytes.Clone(base.Params[0])}, Form: "raw"}
	if readcache.KeyOf(record("acme"), same) != keys[0] {
		t.Error("the same question has another key")
	}
}

func TestAnAnswerIsNotServedUnderAnotherVersion(t *testing.T) {
	t.Parallel()
	var d database
	c, acme := open(t, nil, nil), record("acme")
	get(t, c, reads(acme), time.Minute, d.load)
	newer := *acme
	newer.Version++
	if get(t, c, reads(&newer), time.Minute, d.load).Hit() {
		t.Error("the record has changed, the answer has not")
	}
	none := *acme
	none.Limits.CacheFor = 0
	if a := get(t, c, reads(&none), time.Minute, d.load); a.Hit() {
		t.Error("the tenant does not allow it")
	}
}
