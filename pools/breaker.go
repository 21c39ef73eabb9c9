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

// target is what may fail: a database as one login sees it; with a tenant,
// what is the tenant's own there; with the cluster alone, a server that has no
// connection left.
type target struct{ cluster, server, database, login, tenant string }

func (t target) isDatabase() bool { return t.login != "" && t.tenant == "" }

// breaker remembers which databases failed. It outlives pools: a tenant
// whose pool is evicted and opened again does not try a dead database any
// sooner. The key is a database as one login sees it, so that a dead
// database, or a wrong password, costs its own tenants only.
//
//	closed --failure--> open --wait is over--> half open --success--> closed
//	                      ^                        |
//	                      +--------failure---------+
//
// Half open, one try is let through, made by whoever comes first; the others
// are refused as before until it has ended. Nothing is tried unasked.
type breaker struct {
	first, last time.Duration

	// mu guards failures. Nothing slow happens under it.
	mu       sync.Mutex
	failures *simplelru.LRU[target, *failure]
}

type failure struct {
	times   int
	until   time.Time
	probing time.Time // when the try that is under way began, or zero
}

// probeFor bounds how long others wait for a try whose end nobody reported.
const probeFor = 30 * time.Second

func newBreaker(first, last time.Duration) *breaker {
	failures, _ := simplelru.NewLRU[target, *failure](rememberedFailures, nil) // fails for a size below one only
	return &breaker{first: first, last: last, failures: failures}
}

// left returns how long the next try must wait, without making one.
func (b *breaker) left(key target) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.failures.Peek(key)
	if !ok {
		return 0
	}
	return f.left()
}

// remembers reports whether the last try failed.
func (b *breaker) remembers(key target) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures.Contains(key)
}

func (f *failure) left() time.Duration {
	if left := time.Until(f.until); left > 0 {
		return left
	}
	if !f.probing.IsZero() && time.Since(f.probing) < probeFor {
		return time.Millisecond // how long the try takes is not known
	}
	return 0
}

// shut reports whether the last try failed and its wait is not over, whoever
// may be trying.
func (b *breaker) shut(key target) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.failures.Peek(key)
	return ok && time.Until(f.until) > 0
}

// try is left for somebody who tries now when it returns 0. That is to be
// followed by failed, succeeded or abandoned.
func (b *breaker) try(key target) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.failures.Peek(key)
	if !ok {
		return 0
	}
	left := f.left()
	if left == 0 {
		f.probing = time.Now()
	}
	return left
}

// abandoned ends a try that says nothing about the database.
func (b *breaker) abandoned(key target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f, ok := b.failures.Peek(key); ok {
		f.probing = time.Time{}
	}
}

// failed doubles the wait, with jitter so that the tries of many do not come
// together, and reports true; failures of tries that were made side by side
// count once.
func (b *breaker) failed(key target) (counted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.failures.Get(key)
	if !ok {
		f = &failure{}
	}
	f.probing = time.Time{}
	if time.Until(f.until) > 0 {
		return false
	}
	wait := b.last
	if shifted := float64(b.first) * math.Exp2(float64(f.times)); shifted < float64(b.last) {
		wait = time.Duration(shifted)
	}
	wait -= time.Duration(rand.Int64N(int64(wait)/4 + 1)) //nolint:gosec // jitter, not a secret
	f.times++
	f.until = time.Now().Add(wait)
	b.failures.Add(key, f)
	return true
}

// succeeded forgets the failures.
func (b *breaker) succeeded(key target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures.Remove(key)
}

// pause keeps everybody from trying for a while, which is no failure.
func (b *breaker) pause(key target, wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures.Add(key, &failure{until: time.Now().Add(wait)})
}

// open counts the databases of a cluster that are not tried for now.
func (b *breaker) open(cluster string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, key := range b.failures.Keys() {
		if f, ok := b.failures.Peek(key); ok && key.cluster == cluster && key.isDatabase() && f.left() > 0 {
			n++
		}
	}
	return n
}
