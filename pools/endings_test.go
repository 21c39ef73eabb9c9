package pools_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Servers that do not let go of sessions, or do not answer, and what ends while
// something else begins.

// clings has the server keep its side of the first sessions that end.
func (w *world) clings(first int) {
	var mu sync.Mutex
	w.server.OnEnd(func(*poolstest.Session) {
		mu.Lock()
		first--
		clings := first >= 0
		mu.Unlock()
		if clings {
			time.Sleep(time.Hour)
		}
	})
}

// letGo waits until the server has.
func letGo() {
	time.Sleep(2 * time.Hour)
	synctest.Wait()
}

func TestAConnectionThatIsCutAsItChangesHandsIsEndedOnce(t *testing.T) {
	t.Parallel()
	for round := range 200 {
		synctest.Test(t, func(t *testing.T) {
			w := newTightWorld(t, 2, func(c *pools.Config) { c.DrainTimeout = time.Second })
			outlives := w.lease(t, "t00")
			for _, c := range take(t, outlives, 2) {
				c.Release()
			}
			synctest.Wait()
			w.Evict(id("t00")) // what rests there is cut in a second
			var others sync.WaitGroup
			for i, name := range []string{"t01", "t02"} {
				others.Go(func() {
					time.Sleep(time.Second)
					for range round * (i + 1) % 40 {
						runtime.Gosched()
					}
					if err := w.run(t, name, "select 1"); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			others.Wait()
			outlives.Release()
			w.endWithin(t, 2)
		})
	}
}

func TestClosingDoesNotWaitForAServerThatDoesNotLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		w.use(t, "t00")
		w.clings(1)
		w.Evict(id("t00"))
		synctest.Wait()
		began := time.Now()
		w.end(t)
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		letGo()
	})
}

func TestAStolenConnectionThatTheServerDoesNotLetGoOfKeepsNobodyFromOthersThatRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) {
			onMain(c, func(main *registry.Cluster) { main.Budget = 4 })
		})
		w.use(t, "t00", "t01", "t02", "t03")
		time.Sleep(10 * time.Second)
		w.clings(1)
		began := time.Now()
		w.use(t, "t04")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if s := w.stat(); s.InUse != 4 || s.Closing != 1 || s.Idle != 3 {
			t.Errorf("%+v", s)
		}
		w.end(t)
		letGo()
	})
}

func TestAConnectionThatDiedAsItRestedIsNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		_, give := w.hold(t, "t02")
		w.use(t, "t00")
		w.server.Script("DISCARD ALL", poolstest.Hang)
		w.clings(1)
		err := w.run(t, "t01", "select 1")
		mustBe(t, err, pools.ErrBudget)
		if errors.Is(err, pools.ErrDatabase) || w.stat().BreakersOpen != 0 {
			t.Errorf("%v; %+v", err, w.stat())
		}
		w.server.Script("DISCARD ALL", nil)
		give()
		w.use(t, "t01") // it takes the other one
		w.end(t)
		letGo()
	})
}

func TestAServerThatDoesNotAnswerKeepsNobodyWaitingForTheirTurnToDial(t *testing.T) {
	t.Parallel()
	silent := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	for name, login := range map[string]string{"with logins of their own": "", "with one login": "group"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 15, func(c *pools.Config) { c.Dial = silent })
				var callers sync.WaitGroup
				for _, name := range names(100) {
					w.edit(name, func(record *registry.Tenant) {
						if login != "" {
							record.Login, record.SharedLogin = login, true
						}
					})
					callers.Go(func() {
						began := time.Now()
						err := w.run(t, name, "select 1")
						if !errors.Is(err, pools.ErrDatabase) && !errors.Is(err, pools.ErrBudget) {
							t.Errorf("%s: %v", name, err)
						}
						if took := time.Since(began); took > 11*time.Second || login != "" && took > 6*time.Second {
							t.Errorf("%s waited %v: %v", name, took, err)
						}
					})
				}
				callers.Wait()
				w.endWithin(t, 0)
			})
		})
	}
}

func TestStatementsThatCannotBeCancelledAreEndedAlsoWhenTheyUseUpTheBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		w.server.Script("stubborn", func(s *poolstest.Session) error {
			for w.server.Count(fmt.Sprintf("SELECT pg_catalog.pg_terminate_backend(%d)", s.PID)) == 0 {
				time.Sleep(10 * time.Millisecond)
			}
			return poolstest.Fail("57P01", "terminating connection due to administrator command")
		})
		for range 3 {
			var clients sync.WaitGroup
			for range 2 {
				clients.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					l := w.lease(t, "t00")
					defer l.Release()
					if _, err := l.Exec(ctx, "stubborn"); err == nil {
						t.Error("a statement without an end ended")
					}
				})
			}
			clients.Wait()
			time.Sleep(time.Minute)
			if n := w.server.Open(); n != 0 {
				t.Errorf("%d sessions are left on the server", n)
			}
		}
		w.use(t, "t01")
		w.end(t)
	})
}

func TestAnErrandIsRefusedAfterClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 2, nil)
		w.end(t)
		_, err := w.Dialer("main")(t.Context(), "tcp", "127.0.0.1:5432")
		mustBe(t, err, pools.ErrClosed)
	})
}

func TestAKeeperThatCannotStartLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 10 { // the clusters are opened in any order
			cfg := pools.Defaults()
			cfg.Clusters = map[string]registry.Cluster{
				"good":  {DSN: registry.NewSecret("postgres://shared:pw@127.0.0.1:5432/app?sslmode=disable")},
				"wrong": {DSN: registry.NewSecret("postgres://shared:pw@127.0.0.1:x/app")},
			}
			if _, err := pools.New(cfg, &records{}, nil); err == nil {
				t.Fatal("a connection string that is none was accepted")
			}
		}
	})
}

func TestSparesAreMadeRoomForAlsoWhenEverythingWasInUseAsOneWasTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) {
			onMain(c, func(main *registry.Cluster) {
				main.Budget = 2
				main.SpareDSN = registry.NewSecret("postgres://gate:pw@127.0.0.1:5432/app?sslmode=disable")
			})
		})
		w.server.OpenGate("gate")
		_, first := w.hold(t, "t00")
		_, second := w.hold(t, "t01")
		main, _ := w.Cluster("main")
		main.Spares = 1
		mustBe(t, w.SetCluster("main", main), nil)
		synctest.Wait() // from here on nothing happens that the budget sees
		first()
		second()
		time.Sleep(10 * time.Second)
		if s := w.stat(); s.Spares != 1 || s.Idle != 1 {
			t.Errorf("%+v", s)
		}
		w.endWithin(t, 2)
	})
}
