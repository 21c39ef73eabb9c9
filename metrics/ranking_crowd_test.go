package metrics_test

import (
	"runtime"
	"strings"
	"testing"
)

// TestHundredThousandTenantsDoNotChangeTheScrape compares 100 tenants with
// 100,000, busy over several windows.
func TestHundredThousandTenantsDoNotChangeTheScrape(t *testing.T) {
	t.Parallel()
	size := func(tenants int) int {
		m := withTop(50)
		for range 4 {
			for n := range tenants {
				acquire(m, tenant(n), 1+n%3)
			}
			if entries, former := m.Watched(); entries > 4096 || former > 24*50 {
				t.Errorf("%d tenants: %d watched, %d former", tenants, entries, former)
			}
			m.EndWindow()
		}
		m.EndWindow() // those who left are gone
		return strings.Count(exposition(t, m), "\n")
	}
	few, many := size(100), size(100_000)
	if few != many {
		t.Errorf("%d lines with 100 tenants, %d with 100,000", few, many)
	}
}

// It measures the heap, so it is not parallel.
func TestHundredThousandTenantsTakeLittleMemory(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	m := withTop(50)
	before := heap()
	for range 30 {
		for n := range 100_000 {
			acquire(m, tenant(n), 1)
		}
		m.EndWindow()
	}
	after := heap()
	if after > before && after-before > 4<<20 {
		t.Errorf("grew by %d kB", (after-before)>>10)
	}
	runtime.KeepAlive(m)
}

func TestABusyTenantIsFoundAmongHundredThousand(t *testing.T) {
	t.Parallel()
	m := withTop(50)
	for range 3 {
		for n := range 100_000 {
			acquire(m, tenant(n), 1)
			if n%100 == 0 {
				acquire(m, acme, 1)
			}
		}
		m.EndWindow()
	}
	if !labelled(t, m, acme) {
		t.Error("a tenant with 1,000 times the requests of the others has no series")
	}
}

func TestANewcomerIsSeenAlthoughThereAreMoreTenantsThanAreWatched(t *testing.T) {
	t.Parallel()
	m := withTop(50)
	everybody := func() {
		for n := range 5000 {
			acquire(m, tenant(n), 10)
		}
	}
	everybody()
	m.EndWindow()
	acquire(m, acme, 1000)
	everybody()
	m.EndWindow()
	if !labelled(t, m, acme) {
		t.Error("the candidates of the window before left no room")
	}
}
