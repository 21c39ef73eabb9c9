package measure

import (
	"math"
	"math/rand/v2"
	"sort"
)

// PickFunc chooses the next tenant's number.
type PickFunc func(random *rand.Rand) int

// Uniform chooses each of n as often.
func Uniform(n int) PickFunc {
	return func(random *rand.Rand) int { return random.IntN(n) }
}

// Zipf chooses the k-th of n with a frequency of 1/k^s: a few tenants are
// busy, most are quiet.
func Zipf(n int, s float64) PickFunc {
	sums := make([]float64, n)
	total := 0.0
	for k := range sums {
		total += math.Pow(float64(k+1), -s)
		sums[k] = total
	}
	return func(random *rand.Rand) int {
		at := random.Float64() * total
		return min(n-1, sort.SearchFloat64s(sums, at))
	}
}
