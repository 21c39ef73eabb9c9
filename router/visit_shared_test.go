package router_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/router"
)

func TestConcurrentCallsLeaseOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		l := &lender{answer: func(context.Context, int) error { <-open; return nil }}
		v := visitOf(t, l)
		leases := make([]*pools.Lease, 50)
		var wg sync.WaitGroup
		for i := range leases {
			wg.Go(func() {
				var err error
				if leases[i], err = v.Lease(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(open)
		wg.Wait()
		for _, lease := range leases {
			if lease == nil || lease != leases[0] {
				t.Fatalf("got %p and %p", lease, leases[0])
			}
		}
		v.Close()
		l.expect(t, 1, 1)
	})
}

func TestAFailureIsSharedByThoseWhoWaitedForIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		l := &lender{answer: func(context.Context, int) error { <-open; return pools.ErrPoolLimit }}
		v := visitOf(t, l)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := v.Lease(t.Context()); !errors.Is(err, pools.ErrPoolLimit) {
					t.Errorf("got %v, want ErrPoolLimit", err)
				}
			})
		}
		synctest.Wait()
		close(open)
		wg.Wait()
		l.expect(t, 1, 0)
	})
}

func TestACallThatIsCanceledDoesNotFailTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lender{answer: func(ctx context.Context, n int) error {
			if n == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		v := visitOf(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := v.Lease(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("the canceled call got %v", err)
			}
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				if _, err := v.Lease(t.Context()); err != nil {
					t.Errorf("another call got %v", err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		v.Close()
		l.expect(t, 2, 1)
	})
}

func TestWhoWaitsGivesUpOnItsOwnContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		l := &lender{answer: func(context.Context, int) error { <-open; return nil }}
		v := visitOf(t, l)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := v.Lease(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.Lease(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		close(open)
		wg.Wait()
		v.Close()
		l.expect(t, 1, 1)
	})
}

func TestCloseDuringLeaseGivesTheLeaseBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		l := &lender{answer: func(context.Context, int) error { <-open; return nil }}
		v := visitOf(t, l)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if lease, err := v.Lease(t.Context()); lease != nil || !errors.Is(err, router.ErrVisitClosed) {
					t.Errorf("got %v, %v; want ErrVisitClosed", lease, err)
				}
			})
		}
		synctest.Wait()
		v.Close() // does not wait
		close(open)
		wg.Wait()
		l.expect(t, 1, 1)
	})
}

func TestAPanicInTheKeeperLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		l := &lender{answer: func(_ context.Context, n int) error {
			if n == 1 {
				<-open
				panic("broken")
			}
			return nil
		}}
		v := visitOf(t, l)
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was lost")
				}
			}()
			_, _ = v.Lease(t.Context())
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := v.Lease(t.Context()); err == nil {
				t.Error("who waited for the panic got a lease")
			}
		})
		synctest.Wait()
		close(open)
		wg.Wait()
		if _, err := v.Lease(t.Context()); err != nil {
			t.Error(err)
		}
		v.Close()
		l.expect(t, 2, 1)
	})
}

// Whatever is mixed with what: at the end no lease is out and none came back
// twice.
func TestEveryLeaseComesBackWhateverHappensAtOnce(t *testing.T) {
	t.Parallel()
	for round := range 300 {
		l := &lender{answer: func(_ context.Context, n int) error {
			if (n+round)%3 == 0 {
				return pools.ErrPoolLimit
			}
			return nil
		}}
		v := visitOf(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				switch (i + round) % 8 {
				case 6:
					cancel()
				case 7:
					v.Close()
				default:
					_, _ = v.Lease(ctx)
				}
			})
		}
		wg.Wait()
		v.Close()
		cancel()
		l.mu.Lock()
		if len(l.lent) != 0 || l.twice != 0 {
			t.Fatalf("round %d: %d leases still out, %d released twice", round, len(l.lent), l.twice)
		}
		l.mu.Unlock()
	}
}
