package measure

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Median returns the middle of xs, or the mean of its two middles; 0 of none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(xs))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Percentile returns the smallest of xs that is not below p percent of them;
// 0 of none.
func Percentile[T cmp.Ordered](xs []T, p float64) T {
	if len(xs) == 0 {
		var none T
		return none
	}
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[rank(len(sorted), p)]
}

// rank is the nearest-rank index of the p-th percentile of n.
func rank(n int, p float64) int {
	return min(n-1, max(0, int(math.Ceil(p/100*float64(n)))-1))
}

// Quantiles returns n+1 values from the least to the greatest of xs, at equal
// steps of rank: what a distribution looks like, in a size that can be kept.
func Quantiles(xs []time.Duration, n int) []time.Duration {
	if len(xs) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(xs))
	all := make([]time.Duration, n+1)
	for i := range all {
		all[i] = sorted[rank(len(sorted), 100*float64(i)/float64(n))]
	}
	return all
}

// Jain is Jain's index of fairness: 1 when all shares are equal, 1/n when one
// has everything.
func Jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}

// Milliseconds of a duration.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
