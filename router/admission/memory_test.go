package admission_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission"
)

// many is how many tenants ask once.
const many = 100_000

// heap is what is in use, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestTenantsThatAskedLongAgoCostNothing(t *testing.T) {
	// Not parallel: it measures the heap.
	records := make([]registry.Tenant, many)
	for i := range records {
		records[i] = registry.Tenant{ID: registry.MustParseID(fmt.Sprintf("t%07d", i)), Limits: registry.Limits{Rate: 0.01}}
	}
	synctest.Test(t, func(t *testing.T) {
		c := control(t, nil, nil)
		before := heap()
		for i := range records {
			admitted(t, c, &records[i])
		}
		during := heap()
		if got := c.States(); got != many {
			t.Errorf("%d have a state", got)
		}
		each := (during - before) / many
		t.Logf("%d bytes for each tenant that is not at rest", each)
		if each > 1000 {
			t.Errorf("a tenant costs %d bytes", each)
		}
		time.Sleep(99 * time.Second)
		if got := c.States(); got != many {
			t.Errorf("%d have a state before their buckets are full", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := c.States(); got != 0 {
			t.Errorf("%d still have a state", got)
		}
		left := heap() - before
		t.Logf("%d bytes are left of %d", left, during-before)
		if left > 1<<20 {
			t.Errorf("%d bytes are left", left)
		}
	})
	runtime.KeepAlive(records)
}

func TestWhoIsNotAtRestIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := control(t, nil, nil)
		slow := tenant("slow", registry.Limits{Rate: 0.001})
		admitted(t, c, slow)
		busy := tenant("busy", registry.Limits{InFlight: 1})
		p, err := c.Admit(t.Context(), busy)
		if err != nil {
			t.Fatal(err)
		}
		admitted(t, c, five())
		time.Sleep(990 * time.Second)
		synctest.Wait()
		if got := c.States(); got != 2 {
			t.Errorf("%d have a state", got)
		}
		refused(t, c, slow, admission.ErrRate)
		refused(t, c, busy, admission.ErrInFlight)
		p.Release()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := c.States(); got != 0 {
			t.Errorf("%d have a state", got)
		}
		admitted(t, c, slow)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := c.States(); got != 0 {
			t.Errorf("who came after all had gone is still there: %d", got)
		}
	})
}

func TestTenantsWithoutLimitsHaveNoState(t *testing.T) {
	t.Parallel()
	c := control(t, nil, nil)
	p, err := c.Admit(t.Context(), tenant("acme", registry.Limits{}))
	if err != nil || c.States() != 0 {
		t.Errorf("%v, %d states", err, c.States())
	}
	p.Release()
}
