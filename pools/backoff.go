package pools

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// rememberedFailures bounds the failure memory; what failed longest ago is
// forgotten first, which costs one more try.
const rememberedFailures = 1 << 14

// backoff remembers which databases failed. It outlives pools: a tenant
// whose pool is evicted and opened again does not try a dead database any
// sooner. The key is a database as one login sees it, so that a dead
// database, or a wrong password, costs its own tenants only.
type backoff struct {
	first, last time.Duration

	// mu guards failures. Nothing slow happens under it.
	mu       sync.Mutex
	failures *simplelru.LRU[string, failure]
}

type failure struct {
	times int
	until time.Time
}

func newBackoff(first, last time.Duration) *backoff {
	failures, _ := simplelru.NewLRU[string, failure](rememberedFailures, nil) // fails for a size below one only
	return &backoff{first: first, last: last, failures: failures}
}

// left returns how long the next try must wait.
func (b *backoff) left(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.failures.Peek(key)
	if !ok {
		return 0
	}
	return max(0, time.Until(f.until))
}

// failed doubles the wait, with jitter so that the tries of many do not come
// together, and reports true; failures of tries that were made side by side
// count once.
func (b *backoff) failed(key string) (counted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, _ := b.failures.Get(key)
	if time.Until(f.until) > 0 {
		return false
	}
	wait := b.last
	if shifted := float64(b.first) * math.Exp2(float64(f.times)); shifted < float64(b.last) {
		wait = time.Duration(shifted)
	}
	wait -= time.Duration(rand.Int64N(int64(wait)/4 + 1)) //nolint:gosec // jitter, not a secret
	b.failures.Add(key, failure{times: f.times + 1, until: time.Now().Add(wait)})
	return true
}

// succeeded forgets the failures.
func (b *backoff) succeeded(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures.Remove(key)
}
