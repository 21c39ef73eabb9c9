package integration_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/router"
)

// A credential is tried in every place, together with every way to name a
// tenant. Only those combinations are served in which all agree and one is a
// credential; each other is refused and counted, and no answer names the other.
func TestACredentialOfOneTenantOpensNoOther(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(c *router.Config) { c.ProbeRate = 0 })
	ids := map[string]registry.ID{
		"a": d.add(t, "one", registry.IsolationSchema).ID, "b": d.add(t, "two", registry.IsolationSchema).ID,
	}
	keys, tokens := map[string]string{}, map[string]string{}
	for who, id := range ids {
		keys[who], _ = d.key(id, apikey.ScopeWrite)
		tokens[who] = d.token(id, "write")
	}
	d.heard(keys)
	who := []string{"", "a", "b"}
	served, refused := int64(0), int64(0)
	d.routed.served.Store(0)
	d.routed.refused.Store(0)
	combine(6, who, func(named []string) {
		bearerOf, apikeyOf, neon, host, path, header := named[0], named[1], named[2], named[3], named[4], named[5]
		for _, kind := range []string{"key", "token"} {
			if kind == "token" && bearerOf == "" {
				continue
			}
			want := agreed(named)
			status, body := d.ask(map[bool]string{true: "/t/" + ids[path].String() + "/sql", false: "/sql"}[path != ""], whoAmI, func(r *http.Request) {
				if bearerOf != "" {
					bearer(map[string]string{"key": keys[bearerOf], "token": tokens[bearerOf]}[kind])(r)
				}
				if apikeyOf != "" {
					r.Header.Set("apikey", keys[apikeyOf])
				}
				if neon != "" { // its password is a credential, its host a name
					r.Header.Set("Neon-Connection-String", "postgresql://app:"+keys[neon]+"@"+ids[neon].String()+".db.example.com/app")
				}
				if host != "" {
					r.Host = ids[host].String() + "." + hostDomain
				}
				if header != "" {
					r.Header.Set("X-Tenant-ID", ids[header].String())
				}
			})
			if bearerOf == "" && apikeyOf == "" && neon == "" {
				want = ""
			}
			d.judge(t, named, kind, want, ids, status, body)
			if want != "" {
				served++
			} else {
				refused++
			}
		}
	})
	if got := d.routed.served.Load(); got != served {
		t.Errorf("%d served were counted, of %d", got, served)
	}
	if got := d.routed.refused.Load(); got != refused {
		t.Errorf("%d refused were counted, of %d", got, refused)
	}
	t.Logf("%d combinations served, %d refused", served, refused)
}

// combine calls do with every list of n of the values.
func combine(n int, values []string, do func([]string)) {
	var rest func(list []string)
	rest = func(list []string) {
		if len(list) == n {
			do(list)
			return
		}
		for _, v := range values {
			rest(append(slices.Clip(list), v))
		}
	}
	rest(nil)
}

// agreed is the one that all name who name anybody, "" without one.
func agreed(named []string) string {
	one := ""
	for _, who := range named {
		switch {
		case who == "":
		case one == "":
			one = who
		case one != who:
			return ""
		}
	}
	return one
}

func (d *door) judge(t *testing.T, named []string, kind, want string, ids map[string]registry.ID, status int, body string) {
	t.Helper()
	if want == "" {
		neon := named[2] != ""
		if ok := status == http.StatusUnauthorized || status == http.StatusNotFound || neon && status == http.StatusBadRequest; !ok {
			t.Errorf("%q by %s: status %d %s", named, kind, status, body)
		}
		for _, id := range ids {
			if strings.Contains(body, id.String()) || strings.Contains(body, strings.ReplaceAll(id.String(), "-", "_")) {
				t.Errorf("%q by %s: the refusal names %s: %s", named, kind, id, body)
			}
		}
		return
	}
	if own := strings.ReplaceAll(ids[want].String(), "-", "_"); status != http.StatusOK || !strings.Contains(body, own) {
		t.Errorf("%q by %s: status %d, not as %s: %s", named, kind, status, own, body)
	}
}

func TestAKeyThatIsRevokedOrExpiredOpensNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t, nil)
	id := d.add(t, "one", registry.IsolationSchema).ID
	first, key := d.key(id, apikey.ScopeWrite)
	second, expiring := d.key(id, apikey.ScopeWrite)
	d.heard(map[string]string{"first": first, "second": second})
	for _, text := range []string{first, second} {
		if status, body := d.ask("/sql", whoAmI, bearer(text)); status != http.StatusOK {
			t.Fatal(status, body)
		}
	}
	if _, err := d.operator.RevokeKey(t.Context(), "test", id, key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.operator.ExpireKey(t.Context(), "test", id, expiring.ID, time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	var answers []string
	for _, text := range []string{first, second, first + "x", "pk_000000000000_" + strings.Repeat("0", 32)} {
		eventually(t, "the key is refused", func() bool {
			status, _ := d.ask("/sql", whoAmI, bearer(text))
			return status == http.StatusUnauthorized
		})
		_, body := d.ask("/sql", whoAmI, bearer(text))
		body, _, _ = strings.Cut(body, `"request_id"`)
		answers = append(answers, body)
	}
	for _, body := range answers {
		if body != answers[0] {
			t.Errorf("%s\nand\n%s", body, answers[0])
		}
	}
}

func TestASuspendedTenantsKeyIsRefusedLikeAnUnknownOne(t *testing.T) {
	t.Parallel()
	d := newDoor(t, nil)
	id := d.add(t, "one", registry.IsolationSchema).ID
	text, _ := d.key(id, apikey.ScopeWrite)
	d.heard(map[string]string{"one": text})
	if status, body := d.ask("/sql", whoAmI, bearer(text)); status != http.StatusOK {
		t.Fatal(status, body)
	}
	if _, err := d.operator.Suspend(t.Context(), "test", id, 0, "unpaid"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the key is refused", func() bool {
		status, _ := d.ask("/sql", whoAmI, bearer(text))
		return status == http.StatusUnauthorized
	})
	_, suspended := d.ask("/sql", whoAmI, bearer(text))
	_, unknown := d.ask("/sql", whoAmI, bearer("pk_000000000000_"+strings.Repeat("0", 32)))
	suspended, _, _ = strings.Cut(suspended, `"request_id"`)
	unknown, _, _ = strings.Cut(unknown, `"request_id"`)
	if suspended != unknown {
		t.Errorf("%s\nand\n%s", suspended, unknown)
	}
}

func TestAReadOnlyCredentialCannotWriteWhateverItsSQLSays(t *testing.T) {
	t.Parallel()
	d := newDoor(t, nil)
	id := d.add(t, "one", registry.IsolationSchema).ID
	text, _ := d.key(id, apikey.ScopeRead)
	d.heard(map[string]string{"one": text})
	for name, credential := range map[string]string{"key": text, "token": d.token(id, "read")} {
		if status, body := d.ask("/sql", "select owner from items", bearer(credential)); status != http.StatusOK || !strings.Contains(body, strings.ReplaceAll(id.String(), "-", "_")) {
			t.Errorf("%s: %d %s", name, status, body)
		}
		for _, sql := range []string{
			"insert into items (id) values (2)", "update items set id = 3", "delete from items", "truncate items", "drop table items",
			"create table mine (id int)", "select * from items for update", "alter table items add column x int",
		} {
			if status, body := d.ask("/sql", sql, bearer(credential)); status != http.StatusBadRequest || !strings.Contains(body, `"42501"`) {
				t.Errorf("%s, %s: %d %s", name, sql, status, body)
			}
		}
	}
	d.has(t, d.record(t, id), 1)
}

// Whoever tries names costs neither memory nor questions, whether he comes from
// one address or from many.
// It measures the heap, so it is not parallel.
func TestAFloodOfUnknownTenantsCostsNothing(t *testing.T) {
	d := newDoor(t, func(c *router.Config) {
		c.Resolvers, c.Open, c.Proxies = []string{"key", "path"}, []string{"path"}, []string{"192.0.2.1"}
	})
	id := d.add(t, "one", registry.IsolationSchema).ID
	text, _ := d.key(id, apikey.ScopeWrite)
	d.heard(map[string]string{"one": text})
	const many = 100_000
	before, lookups := heap(), d.asked.lookups.Load()
	statuses := d.flood(many, func(n int) string { return fmt.Sprintf("10.%d.%d.%d", n>>16&0xff, n>>8&0xff, n&0xff) })
	if statuses[http.StatusNotFound] != many {
		t.Errorf("answers by status: %v", statuses)
	}
	grown := int64(heap()) - int64(before)
	t.Logf("%d unknown tenants from as many addresses: the heap grew by %d kB, the source was asked %d times", many, grown>>10, d.asked.lookups.Load()-lookups)
	if grown > 10<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}

	lookups, began := d.asked.lookups.Load(), time.Now()
	statuses = d.flood(many, func(int) string { return "127.0.0.1" })
	got := d.asked.lookups.Load() - lookups
	t.Logf("%d from one address: the source was asked %d times", many, got)
	// The burst, and one a second from then on.
	if most := 200 + int(time.Since(began)/time.Second); int(got) > most || statuses[http.StatusTooManyRequests] < many-most {
		t.Errorf("the source was asked %d times; answers by status: %v", got, statuses)
	}
	if status, body := d.ask("/sql", whoAmI, bearer(text)); status != http.StatusOK {
		t.Errorf("a tenant at the same address: %d %s", status, body)
	}
}

// flood sends n requests for tenants that do not exist, and counts the statuses.
func (d *door) flood(n int, from func(int) string) map[int]int {
	d.Helper()
	statuses := map[int]int{}
	for i := range n {
		req := httptest.NewRequestWithContext(d.Context(), http.MethodPost, fmt.Sprintf("/t/nobody-%d/sql", i), strings.NewReader(`{"query":"select 1"}`))
		req.RemoteAddr = from(i) + ":4711"
		res := httptest.NewRecorder()
		d.handler.ServeHTTP(res, req)
		statuses[res.Code]++
	}
	return statuses
}

// heap is what is in use after the garbage is gone.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
