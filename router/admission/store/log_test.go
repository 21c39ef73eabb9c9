package store_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

func TestAnOutageIsToldOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		s := open(t, "redis://:hush@localhost:1")
		s.Log(slog.New(slog.NewTextHandler(&text, nil)), "admission.redis")
		said := func(at string, warnings, ends int) {
			t.Helper()
			got := text.String()
			if strings.Count(got, "level=WARN") != warnings || strings.Count(got, "answers again") != ends || strings.Contains(got, "hush") {
				t.Errorf("%s: want %d warnings and %d ends:\n%s", at, warnings, ends, got)
			}
		}
		ask(t, s, errBad)
		ask(t, s, errBad)
		ask(t, s, nil)
		said("two in a row are no outage", 0, 0)
		for range 5 {
			for range 4 {
				ask(t, s, errBad)
			}
			time.Sleep(store.Rest)
		}
		said("five seconds of it", 1, 0)
		if got := text.String(); !strings.Contains(got, "for=admission.redis") || !strings.Contains(got, "error=bad") {
			t.Errorf("it does not say what and why: %s", got)
		}
		ask(t, s, redis.Nil)
		ask(t, s, nil)
		said("its end", 1, 1)
	})
}
