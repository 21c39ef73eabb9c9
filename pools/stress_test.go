package pools_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// seeds returns how many random runs to make; POOLKEEPER_STRESS asks for more.
func seeds(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("POOLKEEPER_STRESS")
	if text == "" {
		return 8
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatalf("POOLKEEPER_STRESS is %q, not a number of runs", text)
	}
	return n
}

// Random leases, statements, vandalism, cancels, evictions, changes and
// server failures, on a fake clock: no statement ever runs on a session that
// is not its tenant's, no error is one that was not provoked, the cap holds,
// and nothing is left at the end.
func TestNothingEverMixesTenantsUpUnderRandomActions(t *testing.T) {
	t.Parallel()
	for seed := range seeds(t) {
		synctest.Test(t, func(t *testing.T) {
			version := 15 + 3*int(seed%2)
			trust := []pools.SQL{pools.Untrusted, pools.Trusted}[seed/2%2]
			w := newWorld(t, version, func(c *pools.Config) {
				c.MaxPools, c.MaxConns, c.SQL, c.IdleAfter = 6, 2, trust, 30*time.Second
				c.Queue, c.PoolWait, c.OpenTimeout, c.QueueTimeout = 1000, time.Hour, time.Hour, time.Hour
			})
			s := &stress{world: w, seed: seed}
			s.scriptChecks()
			var workers sync.WaitGroup
			for worker := range uint64(24) {
				workers.Go(func() { s.work(t, rand.New(rand.NewPCG(seed, worker)), 60) })
			}
			workers.Wait()
			w.end(t)
			synctest.Wait()
			if n := w.server.Open(); n != 0 {
				t.Errorf("seed %d: %d sockets are left", seed, n)
			}
			for _, wrong := range s.wrong {
				t.Errorf("seed %d: %s", seed, wrong)
			}
		})
	}
}

type stress struct {
	*world
	seed uint64

	mu    sync.Mutex
	wrong []string
}

func (s *stress) report(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// scriptChecks gives each tenant a statement that looks at its session.
func (s *stress) scriptChecks() {
	for _, name := range names(20) {
		s.server.Script("check "+name, func(session *poolstest.Session) error {
			if path := session.Settings["search_path"]; path != `"`+name+`"` {
				s.report("a statement of %s ran with search_path %s", name, path)
			}
			time.Sleep(time.Millisecond)
			return nil
		})
	}
	s.server.Script("hang", poolstest.Hang)
}

func (s *stress) work(t *testing.T, random *rand.Rand, actions int) {
	for range actions {
		name := names(20)[random.IntN(20)]
		switch random.IntN(20) {
		case 0:
			s.Evict(id(name))
		case 1:
			s.change(name)
		case 2:
			time.Sleep(time.Duration(random.IntN(40)) * time.Second)
		case 3:
			s.unexpected(s.run(t, name, []string{"DISCARD ALL", "SET search_path TO t00", "BEGIN", "RESET ALL"}[random.IntN(4)]))
		case 4:
			s.hang(name, time.Duration(random.IntN(30))*time.Millisecond)
		default:
			s.check(t, name)
		}
		if n := s.live(); n > 6 {
			s.report("%d pools are live, the cap is 6", n)
		}
	}
}

func (s *stress) change(name string) {
	s.records.mu.Lock()
	next := *s.records.all[id(name)]
	next.Version++
	s.records.all[id(name)] = &next
	s.records.mu.Unlock()
	s.Apply(registry.Change{ID: id(name), Kind: registry.Changed})
}

func (s *stress) check(t *testing.T, name string) {
	l, err := s.Lease(t.Context(), id(name))
	if err != nil {
		s.unexpected(err)
		return
	}
	defer l.Release()
	err = l.InTx(t.Context(), pgx.TxOptions{}, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "check "+name)
		return err
	})
	s.unexpected(err)
}

func (s *stress) hang(name string, limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	l, err := s.Lease(ctx, id(name))
	if err != nil {
		return
	}
	defer l.Release()
	_, err = l.Exec(ctx, "hang")
	if err == nil {
		s.report("a statement without an end ended")
	}
	pg := new(pgconn.PgError)
	if !errors.Is(err, context.DeadlineExceeded) && (!errors.As(err, &pg) || pg.Code != "57014") {
		s.unexpected(err)
	}
}

// unexpected reports an error that nobody provoked.
func (s *stress) unexpected(err error) {
	if err != nil {
		s.report("unexpected error: %v", err)
	}
}
