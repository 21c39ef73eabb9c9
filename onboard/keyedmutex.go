package onboard

import (
	"context"
	"sync"
)

// keyedMutex is a mutex for each key. Waiting for one ends with the context.
type keyedMutex struct {
	// mu guards keys and is never held while waiting.
	mu   sync.Mutex
	keys map[string]*keyLock
}

// keyLock exists while somebody holds its key or waits for it; users counts
// them, guarded by the mutex of the map.
type keyLock struct {
	held  chan struct{} // one element while it is held
	users int
}

// lock waits for the key and returns what gives it back.
func (k *keyedMutex) lock(ctx context.Context, key string) (unlock func(), err error) {
	l := k.join(key)
	select {
	case l.held <- struct{}{}:
		return func() { <-l.held; k.part(key, l) }, nil
	case <-ctx.Done():
		k.part(key, l)
		return nil, ctx.Err()
	}
}

func (k *keyedMutex) join(key string) *keyLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.keys[key]
	if !ok {
		l = &keyLock{held: make(chan struct{}, 1)}
		if k.keys == nil {
			k.keys = map[string]*keyLock{}
		}
		k.keys[key] = l
	}
	l.users++
	return l
}

func (k *keyedMutex) part(key string, l *keyLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(k.keys, key)
	}
}
