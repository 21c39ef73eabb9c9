package measure

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// ErrWrong is wrapped by an AskFunc whose answer was another tenant's. No
// figure is worth anything after one.
var ErrWrong = errors.New("a row of another tenant")

// Check compares an answered row's tenant with the one that asked.
func Check(want, got string) error {
	if want != got {
		return fmt.Errorf("tenant %s: %w: %s", want, ErrWrong, got)
	}
	return nil
}

// AskFunc sends one request and checks its answer. client is the number of
// the client that asks; each has a source of random numbers of its own.
type AskFunc func(ctx context.Context, client int, random *rand.Rand) error

// Load has Clients ask one request after the other for Duration.
type Load struct {
	Clients  int
	Duration time.Duration
	// Pause is the mean of what a client rests between two requests; 0 means
	// not at all.
	Pause time.Duration
	Seed  uint64
	Ask   AskFunc
}

// Outcome is what the clients of a load found.
type Outcome struct {
	// Right are answers that were checked and right; Wrong are rows of other
	// tenants; Failed are requests without an answer.
	Right, Wrong, Failed int
	// Each is Right by client.
	Each []int
	// Latencies of the right answers, in no order.
	Latencies []time.Duration
	Took      time.Duration
	// Err is the first that a request failed with, or that told of a wrong row.
	Err error
}

// Rate is how many right answers came per second.
func (o *Outcome) Rate() float64 { return float64(o.Right) / o.Took.Seconds() }

// P returns a percentile of the latencies.
func (o *Outcome) P(p float64) time.Duration { return Percentile(o.Latencies, p) }

// Add counts another outcome of the same clients as one with this.
func (o *Outcome) Add(other *Outcome) {
	o.Right += other.Right
	o.Wrong += other.Wrong
	o.Failed += other.Failed
	o.Latencies = append(o.Latencies, other.Latencies...)
	o.Took += other.Took
	o.Err = first(o.Err, other.Err)
	for i, n := range other.Each {
		if i == len(o.Each) {
			o.Each = append(o.Each, 0)
		}
		o.Each[i] += n
	}
}

// first keeps a wrong row before any other error, else the earlier one.
func first(a, b error) error {
	if a == nil || (errors.Is(b, ErrWrong) && !errors.Is(a, ErrWrong)) {
		return b
	}
	return a
}

// Run sends the load. It ends early when ctx ends, and returns when the last
// request was answered.
func (l Load) Run(ctx context.Context) *Outcome {
	began := time.Now()
	parts := make([]*Outcome, l.Clients)
	var clients sync.WaitGroup
	for i := range parts {
		clients.Go(func() { parts[i] = l.client(ctx, i, began.Add(l.Duration)) })
	}
	clients.Wait()
	total := &Outcome{}
	for _, part := range parts {
		total.Add(part)
		total.Each = append(total.Each, part.Right)
	}
	total.Took = time.Since(began)
	return total
}

// client is the life of one client.
func (l Load) client(ctx context.Context, number int, end time.Time) *Outcome {
	random := rand.New(rand.NewPCG(l.Seed, uint64(number))) //nolint:gosec // a workload that can be repeated
	o := &Outcome{Latencies: make([]time.Duration, 0, 4096)}
	for began := time.Now(); began.Before(end) && ctx.Err() == nil; began = time.Now() {
		err := l.Ask(ctx, number, random)
		o.note(err, time.Since(began))
		l.rest(ctx, random)
	}
	return o
}

func (l Load) rest(ctx context.Context, random *rand.Rand) {
	if l.Pause == 0 {
		return
	}
	select {
	case <-time.After(time.Duration(random.ExpFloat64() * float64(l.Pause))):
	case <-ctx.Done():
	}
}

func (o *Outcome) note(err error, took time.Duration) {
	switch {
	case err == nil:
		o.Right++
		o.Latencies = append(o.Latencies, took)
		return
	case errors.Is(err, ErrWrong):
		o.Wrong++
	default:
		o.Failed++
	}
	o.Err = first(o.Err, err)
}

// AtOnce has n callers start together, each asking once, and returns when all
// are done.
func AtOnce(n int, ask func(i int) error) *Outcome {
	took, errs := make([]time.Duration, n), make([]error, n)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			<-start
			began := time.Now()
			errs[i] = ask(i)
			took[i] = time.Since(began)
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	done.Wait()
	o := &Outcome{Took: time.Since(began), Latencies: make([]time.Duration, 0, n)}
	for i, err := range errs {
		o.note(err, took[i])
	}
	return o
}

// OneByOne asks n times and returns what came of it. Before each, it waits
// for rest, which takes no part in the latency; rest may be nil.
func OneByOne(n int, rest func() error, ask func(i int) error) *Outcome {
	o := &Outcome{Latencies: make([]time.Duration, 0, n)}
	start := time.Now()
	for i := range n {
		if rest != nil {
			if err := rest(); err != nil {
				o.note(err, 0)
				continue
			}
		}
		began := time.Now()
		err := ask(i)
		o.note(err, time.Since(began))
	}
	o.Took = time.Since(start)
	return o
}

// Slowest returns the longest latency.
func (o *Outcome) Slowest() time.Duration {
	if len(o.Latencies) == 0 {
		return 0
	}
	return slices.Max(o.Latencies)
}
