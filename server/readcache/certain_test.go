package readcache_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/router/admission/storetest"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// A server that has just started does not know of a flush. Who asks while it
// finds out, or when it cannot, must not get what was kept before.
func TestNothingIsTakenFromRedisBeforeItIsKnownSinceWhen(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"it was flushed": "$1\r\n7\r\n", "nobody knows": "-ERR no\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d database
			var mu sync.Mutex // guards asked
			var asked []string
			begun, goOn := make(chan struct{}), make(chan struct{})
			wire := storetest.Listen(t, func(command []string) string {
				text := strings.Join(command, " ")
				if strings.HasSuffix(text, ":flushed") {
					close(begun)
					<-goOn
					return answer
				}
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, text)
				return "$-1\r\n"
			})
			c := through(t, wire.URL(), nil)
			ask := func(sql string) {
				if a := get(t, c, readcache.KeyOf(record("acme"), readcache.Read{SQL: sql}), time.Minute, d.load); a.Hit() {
					t.Errorf("%s: %s", sql, a.Outcome)
				}
			}
			var first sync.WaitGroup
			first.Go(func() { ask("first") })
			<-begun
			ask("second")
			close(goOn)
			first.Wait()
			mu.Lock()
			defer mu.Unlock()
			old := func(text string) bool { return strings.Contains(text, "}:read:w:1:0:") }
			if slices.ContainsFunc(asked, old) || (answer[0] == '$') != slices.ContainsFunc(asked, func(text string) bool { return strings.Contains(text, "}:read:w:1:7:") }) {
				t.Errorf("asked %q", asked)
			}
		})
	}
}
