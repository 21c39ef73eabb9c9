package measure_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolkeeper/poolkeeper/bench/measure"
)

func TestStatisticsAreThoseOfTheTextbook(t *testing.T) {
	t.Parallel()
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for name, c := range map[string]struct{ got, want float64 }{
		"median of none": {measure.Median(nil), 0},
		"odd median":     {measure.Median([]float64{9, 1, 5}), 5},
		"even median":    {measure.Median([]float64{4, 1, 3, 2}), 2.5},
		"p50 of 1..100":  {float64(measure.Percentile(hundred, 50)), 50},
		"p99 of 1..100":  {float64(measure.Percentile(hundred, 99)), 99},
		"p100":           {float64(measure.Percentile(hundred, 100)), 100},
		"p0":             {float64(measure.Percentile(hundred, 0)), 1},
		"p99 of one":     {float64(measure.Percentile([]int{7}, 99)), 7},
		"p99 of none":    {float64(measure.Percentile([]int{}, 99)), 0},
		"equal shares":   {measure.Jain([]float64{3, 3, 3, 3}), 1},
		"one has all":    {measure.Jain([]float64{8, 0, 0, 0}), 0.25},
		"nobody has any": {measure.Jain([]float64{0, 0}), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, c.got, c.want)
		}
	}
	if q := measure.Quantiles([]time.Duration{3, 1, 2}, 2); fmt.Sprint(q) != "[1ns 2ns 3ns]" {
		t.Errorf("quantiles are %v", q)
	}
}

func TestZipfChoosesTheFirstMostAndEverybodySometimes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	pick, counts := measure.Zipf(50, 1.1), make([]int, 50)
	for range 200_000 {
		counts[pick(random)]++
	}
	// The first is 2^1.1 times as frequent as the second.
	if ratio := float64(counts[0]) / float64(counts[1]); math.Abs(ratio-math.Pow(2, 1.1)) > 0.1 {
		t.Errorf("the first is chosen %.2f times as often as the second", ratio)
	}
	for i, n := range counts {
		if n == 0 {
			t.Errorf("%d was never chosen", i)
		}
	}
}

func TestALoadCountsEveryAnswerOnceAndShowsAWrongRowFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := measure.Load{
			Clients: 3, Duration: 100 * time.Millisecond,
			Ask: func(_ context.Context, client int, _ *rand.Rand) error {
				time.Sleep(10 * time.Millisecond)
				return []error{nil, errors.New("no connection"), measure.Check("acme", "globex")}[client]
			},
		}.Run(t.Context())
		if o.Right != 10 || o.Failed != 10 || o.Wrong != 10 || len(o.Latencies) != 10 || o.Each[0] != 10 || o.Each[1] != 0 {
			t.Errorf("right %d (%v), failed %d, wrong %d", o.Right, o.Each, o.Failed, o.Wrong)
		}
		if !errors.Is(o.Err, measure.ErrWrong) || o.P(99) != 10*time.Millisecond || o.Rate() != 100 {
			t.Errorf("error %v, p99 %v, %v a second", o.Err, o.P(99), o.Rate())
		}
	})
}

func TestCallersAtOnceStartTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := measure.AtOnce(100, func(i int) error {
			time.Sleep(time.Duration(i) * time.Millisecond)
			return nil
		})
		if o.Right != 100 || o.Took != 99*time.Millisecond || o.Slowest() != o.Took {
			t.Errorf("%d in %v, the slowest in %v", o.Right, o.Took, o.Slowest())
		}
	})
}
