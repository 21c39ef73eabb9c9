package control_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/apikey"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func staleFor(d time.Duration) option {
	return func(_ *control.Config, o *control.Options) { o.StaleFor = d }
}

// takeAway ends all connections to the database and lets nobody in.
func (w *world) takeAway() {
	w.Helper()
	admin := w.admin()
	_, err := admin.Exec(w.Context(), fmt.Sprintf("alter database %s with allow_connections false", w.name()))
	must(w, err)
	_, err = admin.Exec(w.Context(), "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = $1", w.name())
	must(w, err)
}

func (w *world) giveBack() {
	w.Helper()
	_, err := w.admin().Exec(w.Context(), fmt.Sprintf("alter database %s with allow_connections true", w.name()))
	must(w, err)
}

func TestKeysAreNotBelievedForeverWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving(poll(500*time.Millisecond), ttl(time.Second))
	if _, err := w.database().Key(t.Context(), "pk_abcdefghijkl_"+strings.Repeat("x", 32)); err == nil || !strings.Contains(err.Error(), "not loaded") {
		t.Errorf("before it was loaded: %v", err)
	}
	create(t, d, record("acme"))
	text, made := keyOf(t, d, "acme")
	becomes(t, d, text, "acme")
	w.takeAway()
	becomes(t, d, text, registry.ErrUnavailable.Error())
	other, _ := apikey.Generate()
	for text, want := range map[string]error{other.Reveal(): registry.ErrUnavailable, "nothing": apikey.ErrMalformed} {
		if got := verify(t, d, text); got != want.Error() {
			t.Errorf("it is %s, want %v", got, want)
		}
	}
	w.giveBack()
	becomes(t, d, text, "acme")
	_, err := d.RevokeKey(soon(t), id("acme"), made.ID)
	must(t, err)
	becomes(t, d, text, apikey.ErrRevoked.Error())
}

func TestKnownKeysAreBelievedAsLongAsTenantsAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving(poll(100*time.Millisecond), ttl(time.Second), staleFor(time.Hour))
	create(t, d, record("acme"))
	text, _ := keyOf(t, d, "acme")
	ended, one := keyOf(t, d, "acme")
	becomes(t, d, ended, "acme")
	_, err := d.RevokeKey(soon(t), id("acme"), one.ID)
	must(t, err)
	becomes(t, d, ended, apikey.ErrRevoked.Error())
	w.takeAway()
	other, _ := apikey.Generate()
	becomes(t, d, other.Reveal(), registry.ErrUnavailable.Error()) // from here on it asks
	for text, want := range map[string]string{text: "acme", ended: apikey.ErrRevoked.Error(), other.Reveal(): registry.ErrUnavailable.Error()} {
		if got := verify(t, d, text); got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
	w.giveBack()
	becomes(t, d, other.Reveal(), apikey.ErrUnknown.Error())
}

// Whoever guesses while the database is away, or slow, must not become a flood
// of questions.
func TestAFloodOfUnknownKeysIsAFewQuestions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked atomic.Int64
	g := &gate{}
	d := w.database(poll(100*time.Millisecond), ttl(time.Second))
	d.Through(func(ctx context.Context, network, addr string) (net.Conn, error) {
		asked.Add(1)
		return g.dial(ctx, network, addr)
	})
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	must(t, d.Load(soon(t)))
	g.shut.Store(true)
	other, _ := apikey.Generate()
	for verify(t, d, other.Reveal()) != registry.ErrUnavailable.Error() { // a connection that was on its way through the gate is ended next time
		w.exec("select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
	}
	asked.Store(0)
	began := time.Now()
	const many = 2000
	var guessing sync.WaitGroup
	for range 20 {
		guessing.Go(func() {
			for range many / 20 {
				text, _ := apikey.Generate()
				if got := verify(t, d, text.Reveal()); got != registry.ErrUnavailable.Error() {
					t.Errorf("a guess is %s", got)
				}
			}
		})
	}
	guessing.Wait()
	// The heartbeat, the follower and a question a second, each of which the
	// driver may try a few times; not one for each guess.
	if n, most := asked.Load(), 100+50*int64(time.Since(began)/time.Second); n > most {
		t.Errorf("%d guesses made %d connections, want at most %d", many, n, most)
	}
}

// One question in silence is shared, and ends with whoever asked.
func TestWhoAsksForAKeyInSilenceIsNotKeptLongerThanHeWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	way := &wire{}
	d := w.database(poll(100*time.Millisecond), ttl(time.Second))
	d.Through(way.dial)
	must(t, d.Open(soon(t)))
	t.Cleanup(d.Close)
	must(t, d.Load(soon(t)))
	way.mute.Store(true)
	way.cut()
	text, _ := apikey.Generate()
	until(t, "the keys are too old", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := d.Key(ctx, text.Reveal())
		if waited := time.Since(began); waited > 2*time.Second {
			t.Errorf("it was kept for %s", waited)
		}
		return err != nil && strings.Contains(err.Error(), registry.ErrUnavailable.Error())
	})
}
