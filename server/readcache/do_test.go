package readcache_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/server/readcache"
)

var errBad = errors.New("bad")

func TestAnAnswerIsServedAgainUntilItIsTooOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		var n noted
		c, k := open(t, nil, &n), reads(record("acme"))
		if a := get(t, c, k, 10*time.Second, d.load); string(a.Body) != "answer 1" || a.Hit() {
			t.Errorf("first %q, %v", a.Body, a.Hit())
		}
		time.Sleep(10 * time.Second)
		if a := get(t, c, k, 10*time.Second, d.load); string(a.Body) != "answer 1" || !a.Hit() || a.Age != 10*time.Second {
			t.Errorf("then %q, %v, %v", a.Body, a.Hit(), a.Age)
		}
		time.Sleep(time.Nanosecond)
		if a := get(t, c, k, time.Minute, d.load); string(a.Body) != "answer 1" {
			t.Error("who takes older answers is not served with one")
		}
		if a := get(t, c, k, 10*time.Second, d.load); string(a.Body) != "answer 2" || a.Hit() {
			t.Errorf("too old, but %q, %v", a.Body, a.Hit())
		}
		if n.count(readcache.Hit) != 2 || n.count(readcache.Miss) != 2 {
			t.Errorf("the observer is told %v", n.reads)
		}
	})
}

func TestTheAgeCountsFromWhenTheReadBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c, k := open(t, nil, nil), reads(record("acme"))
		get(t, c, k, time.Minute, func(ctx context.Context) ([]byte, error) {
			time.Sleep(5 * time.Second)
			return d.load(ctx)
		})
		if a := get(t, c, k, time.Minute, d.load); a.Age != 5*time.Second {
			t.Errorf("it is %v old", a.Age)
		}
	})
}

func TestNoAnswerIsOlderThanTheTenantAllows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c, k := open(t, nil, nil), reads(record("acme"))
		get(t, c, k, time.Hour, d.load)
		time.Sleep(time.Minute + 1)
		if a := get(t, c, k, time.Hour, d.load); a.Hit() {
			t.Errorf("it is %v old", a.Age)
		}
	})
}

func TestOfAThousandWhoAskAtOnceOneAsksTheDatabase(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		var n noted
		c, k := open(t, nil, &n), reads(record("acme"))
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				a := get(t, c, k, time.Second, func(ctx context.Context) ([]byte, error) {
					time.Sleep(3 * time.Second)
					return d.load(ctx)
				})
				if string(a.Body) != "answer 1" {
					t.Errorf("got %q", a.Body)
				}
			})
		}
		all.Wait()
		if got := d.asked.Load(); got != 1 {
			t.Errorf("the database was asked %d times", got)
		}
		if n.count(readcache.Miss) != 1 || n.count(readcache.Collapsed) != 999 {
			t.Errorf("the observer is told %v", n.reads)
		}
	})
}

func TestWhoStopsWaitingEndsOnlyTheOwnWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c, k := open(t, nil, nil), reads(record("acme"))
		go get(t, c, k, time.Second, func(ctx context.Context) ([]byte, error) {
			time.Sleep(time.Second)
			return d.load(ctx)
		})
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := c.Do(short, k, time.Second, d.load); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Millisecond {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
		if a := get(t, c, k, time.Second, d.load); string(a.Body) != "answer 1" || a.Outcome != readcache.Collapsed {
			t.Errorf("got %q, %s", a.Body, a.Outcome)
		}
	})
}

func TestWhenTheOneWhoAsksLeavesAnotherTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c, k := open(t, nil, nil), reads(record("acme"))
		gone, leave := context.WithCancel(t.Context())
		go func() {
			_, err := c.Do(gone, k, time.Second, func(ctx context.Context) ([]byte, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		}()
		synctest.Wait()
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				a := get(t, c, k, time.Second, func(ctx context.Context) ([]byte, error) {
					time.Sleep(time.Millisecond)
					return d.load(ctx)
				})
				if string(a.Body) != "answer 1" {
					t.Errorf("got %q", a.Body)
				}
			})
		}
		synctest.Wait()
		leave()
		all.Wait()
	})
}

func TestAPanicLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c, k := open(t, nil, nil), reads(record("acme"))
		go func() {
			defer func() { _ = recover() }()
			_, _ = c.Do(t.Context(), k, time.Second, func(context.Context) ([]byte, error) {
				time.Sleep(time.Second)
				panic("bad")
			})
		}()
		synctest.Wait()
		if a := get(t, c, k, time.Second, d.load); a.Outcome != readcache.Miss {
			t.Errorf("got %q, %s", a.Body, a.Outcome)
		}
	})
}

func TestAnErrorIsSharedWithWhoeverWaitsAndNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		var failed atomic.Int32
		c, k := open(t, nil, nil), reads(record("acme"))
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				_, err := c.Do(t.Context(), k, time.Second, func(context.Context) ([]byte, error) {
					failed.Add(1)
					time.Sleep(time.Second)
					return nil, errBad
				})
				if !errors.Is(err, errBad) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if failed.Load() != 1 {
			t.Errorf("the database was asked %d times", failed.Load())
		}
		if a := get(t, c, k, time.Second, d.load); string(a.Body) != "answer 1" {
			t.Errorf("got %q", a.Body)
		}
	})
}

func TestAFlushIsThatOfOneTenantAndItsReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		c := open(t, nil, nil)
		acme, globex := record("acme"), record("globex")
		reader := readcache.KeyOf(acme, readcache.Read{SQL: "select 1", Reader: true})
		for _, k := range []readcache.Key{reads(acme), reader, reads(globex)} {
			get(t, c, k, time.Minute, d.load)
		}
		if err := c.Flush(t.Context(), acme.ID); err != nil {
			t.Fatal(err)
		}
		if get(t, c, reads(acme), time.Minute, d.load).Hit() || get(t, c, reader, time.Minute, d.load).Hit() {
			t.Error("what was kept before the flush is served")
		}
		if !get(t, c, reads(globex), time.Minute, d.load).Hit() {
			t.Error("the other tenant lost its answer")
		}
		if err := c.Flush(t.Context(), acme.ID.Reader()); err != nil || get(t, c, reads(acme), time.Minute, d.load).Hit() {
			t.Errorf("the reader's flush is another's: %v", err)
		}
	})
}

func TestAReadThatBeganBeforeAFlushIsNotServedAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d database
		acme := record("acme")
		c, k := open(t, nil, nil), reads(acme)
		go get(t, c, k, time.Minute, func(ctx context.Context) ([]byte, error) {
			time.Sleep(time.Second)
			return d.load(ctx)
		})
		synctest.Wait()
		if err := c.Flush(t.Context(), acme.ID); err != nil {
			t.Fatal(err)
		}
		if a := get(t, c, k, time.Minute, d.load); a.Outcome != readcache.Miss {
			t.Errorf("who came after the flush got %s", a.Outcome)
		}
		time.Sleep(2 * time.Second)
		if a := get(t, c, k, time.Minute, d.load); string(a.Body) != "answer 1" || !a.Hit() {
			t.Errorf("the read from before came in between: %q", a.Body)
		}
	})
}
