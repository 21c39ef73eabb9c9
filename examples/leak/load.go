package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// querier is what a handler sees of the database: a pool, a connection or a
// lease.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// handlerFunc is the application: it does not know which way it is run.
type handlerFunc func(ctx context.Context, db querier) error

// way is one manner of bringing a request to its tenant's tables.
type way interface {
	// tenant runs h on the tables of one tenant.
	tenant(ctx context.Context, name string, h handlerFunc) error
	// shared runs h on the tables in public.
	shared(ctx context.Context, h handlerFunc) error
	close()
}

// ending says how a request goes once it has read its row.
type ending int

const (
	endsWell   ending = iota
	clientLeft        // the request's context is cancelled, then the handler returns
	failed            // a statement fails
	panicked          // the handler panics
	changed           // the handler leaves a SET of its own behind
	endings           // how many there are
)

// result is what the load found out about one way.
type result struct {
	name     string
	requests int64 // sent
	right    int64 // rows that belonged to whom they were given
	wrong    int64 // rows of somebody else
	refused  int64 // requests that got no row
	example  string
	refusal  error // the first one
	took     time.Duration
}

// load counts while it runs; the counters are atomic, mu guards the examples.
type load struct {
	way     way
	tenants int
	workers int

	requests, right, wrong, refused atomic.Int64

	mu      sync.Mutex
	example string
	refusal error
}

// run sends the rounds.
func (l *load) run(ctx context.Context, name string, rounds int) result {
	for round := range rounds {
		l.tenantsAtOnce(ctx, round)
		l.visitorsAtOnce(ctx)
	}
	return result{
		name: name, requests: l.requests.Load(), right: l.right.Load(), wrong: l.wrong.Load(),
		refused: l.refused.Load(), example: l.example, refusal: l.refusal,
	}
}

// tenantsAtOnce has each worker ask for another tenant.
func (l *load) tenantsAtOnce(ctx context.Context, round int) {
	l.atOnce(func(worker int, pause func()) {
		name := tenantName(l.pick(round, worker))
		end := ending((round + worker) % int(endings))
		l.request(ctx, name, end, pause, func(ctx context.Context, h handlerFunc) error {
			return l.way.tenant(ctx, name, h)
		})
	})
}

// pick chooses the tenant: half of the workers always have the same one, which is
// busy; the rest take turns with all the others, which are quiet.
func (l *load) pick(round, worker int) int {
	busy := l.workers / 2
	if worker < busy {
		return worker
	}
	return busy + (round*(l.workers-busy)+worker-busy)%(l.tenants-busy)
}

// visitorsAtOnce has each worker ask for the shared tables.
func (l *load) visitorsAtOnce(ctx context.Context) {
	l.atOnce(func(_ int, pause func()) { l.request(ctx, public, endsWell, pause, l.way.shared) })
}

// atOnce runs send in every worker. None passes its pause before all have come
// to theirs or have ended: so nobody queries before everybody's database was
// chosen.
func (l *load) atOnce(send func(worker int, pause func())) {
	var gate, done sync.WaitGroup
	gate.Add(l.workers)
	for worker := range l.workers {
		done.Go(func() {
			arrive := sync.OnceFunc(gate.Done)
			defer arrive() // a refused request must not hold the others up
			send(worker, func() { arrive(); gate.Wait() })
		})
	}
	done.Wait()
}

// request is one request: it reads the row and looks whose it is, then ends as
// told. pause stands for the handler's other work.
func (l *load) request(ctx context.Context, owner string, end ending, pause func(), serve func(context.Context, handlerFunc) error) {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	l.requests.Add(1)
	read := false
	err := recovered(func() error {
		return serve(ctx, func(ctx context.Context, db querier) error {
			pause()
			var got string
			if err := db.QueryRow(ctx, "SELECT owner FROM items").Scan(&got); err != nil {
				return err
			}
			read = true
			l.count(owner, got)
			return finish(ctx, db, end, leave)
		})
	})
	if !read {
		l.refuse(owner, err)
	}
}

// finish ends a handler that has read its row.
func finish(ctx context.Context, db querier, end ending, leave func()) error {
	switch end {
	case clientLeft:
		leave()
		return ctx.Err()
	case failed:
		_, err := db.Exec(ctx, "SELECT 1/0")
		return err
	case panicked:
		panic("as it was told to")
	case changed:
		_, err := db.Exec(ctx, "SET search_path TO "+public)
		return err
	case endsWell, endings:
	}
	return nil
}

// recovered is what every HTTP server does with a handler's panic.
func recovered(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("leak: panic: %v", v)
		}
	}()
	return f()
}

func (l *load) count(owner, got string) {
	if owner == got {
		l.right.Add(1)
		return
	}
	l.wrong.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.example == "" {
		l.example = owner + " got the row of " + got
	}
}

func (l *load) refuse(owner string, err error) {
	l.refused.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refusal == nil {
		l.refusal = fmt.Errorf("%s: %w", owner, err)
	}
}
