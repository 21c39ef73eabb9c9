package metrics_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestWhatWasCountedStaysWhereItWasCounted(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	acquire(m, acme, 4)
	acquire(m, globex, 100) // in _other
	m.EndWindow()           // globex enters, acme leaves
	acquire(m, acme, 7)     // in _other
	acquire(m, globex, 1)
	got := requests(t, m)
	for name, want := range map[string]float64{"acme ok": 4, "globex ok": 1, "_other ok": 107} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// TestNoCounterGoesBackwardsWhileTenantsEnterAndLeave drives random load with
// shifting favourites and compares every scrape with all that came before.
func TestNoCounterGoesBackwardsWhileTenantsEnterAndLeave(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 1))
			m := withTop(1+rng.IntN(5), "vip")
			highest, total := map[string]float64{}, 0
			for window := range 20 {
				for range 5 {
					for range rng.IntN(6) {
						times := 1 << rng.IntN(8)
						acquire(m, tenant(rng.IntN(12)), times)
						total += times
					}
					rising(t, window, highest, requests(t, m))
				}
				m.EndWindow()
			}
			sum := 0.0
			for _, n := range highest {
				sum += n
			}
			if sum != float64(total) {
				t.Errorf("the scrapes have seen %v requests of %d", sum, total)
			}
		})
	}
}

// rising fails when a counter is lower than it ever was.
func rising(t *testing.T, window int, highest, now map[string]float64) {
	t.Helper()
	for name, n := range now {
		if n < highest[name] {
			t.Errorf("window %d: %s went from %v back to %v", window, name, highest[name], n)
		}
		highest[name] = n
	}
}

func TestCountsOfWhoLeftLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	m := withTop(1)
	acquire(m, acme, 4)
	acquire(m, globex, 100)
	m.EndWindow()
	for range 23 {
		m.EndWindow()
	}
	if _, former := m.Watched(); former != 1 {
		t.Errorf("%d remembered after 23 windows, want 1", former)
	}
	m.EndWindow()
	if entries, former := m.Watched(); former != 0 || entries != 1 {
		t.Errorf("%d remembered, %d watched after 24 windows, want 0, 1", former, entries)
	}
}

// TestNothingIsLostUnderConcurrency counts from many goroutines while places
// change and scrapes run; every scrape must rise and the end must add up.
func TestNothingIsLostUnderConcurrency(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 4000
	m := withTop(3)
	m.Watch(fakePools{stats: stats}, statuses, "main")
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 2))
			for range each {
				acquire(m, tenant(rng.IntN(10)*rng.IntN(2)), 1)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	highest := map[string]float64{}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		m.EndWindow()
		rising(t, 0, highest, requests(t, m))
	}
	sum := 0.0
	for _, n := range highest {
		sum += n
	}
	if sum > workers*each || sum < workers*each*99/100 {
		t.Errorf("the scrapes have seen %v of %d", sum, workers*each)
	}
}
