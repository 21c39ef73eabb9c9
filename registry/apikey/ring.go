package apikey

import (
	"crypto/subtle"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/sharded"
	"github.com/poolkeeper/poolkeeper/registry"
)

// Ring is the set of the keys in memory. Verify may be called concurrently with
// everything; it takes no lock.
type Ring struct {
	pepper atomic.Pointer[Pepper] // never nil
	keys   *sharded.Map[string, entry]

	// mu is of whoever changes what keys there are. Verify and Uses do without
	// it.
	mu sync.Mutex
}

// NewRing returns a Ring without keys.
func NewRing() *Ring {
	r := &Ring{keys: sharded.New[string, entry](func(id string) string { return id })}
	r.Season(NewPepper()) // of which there are no hashes; looking takes as long as ever
	return r
}

// Season has texts hashed with the pepper from now on. Keys that are there
// keep their hashes.
func (r *Ring) Season(p Pepper) {
	if !p.IsZero() {
		r.pepper.Store(&p)
	}
}

// entry is a key in memory, as far as verifying needs it.
type entry struct {
	id               string
	tenant           registry.ID
	hash             Hash
	version          uint64
	expires, revoked int64 // microseconds since 1970; 0 is never
	read             bool
	used, told       atomic.Int64 // seconds since 1970: last, and what Told was told
}

func newEntry(s *Stored) *entry {
	return &entry{
		id: s.ID, tenant: s.Tenant, hash: s.Hash, version: s.Version, read: s.Scope != ScopeWrite,
		expires: instant(s.ExpiresAt), revoked: instant(s.RevokedAt),
	}
}

func instant(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	if at := t.UnixMicro(); at != 0 {
		return at
	}
	return -1 // the moment before: 0 would be never
}

func since(instant int64) time.Time {
	if instant == 0 {
		return time.Time{}
	}
	return time.UnixMicro(instant).UTC()
}

func (e *entry) key() Key {
	return Key{
		ID: e.id, Tenant: e.tenant, Scope: e.scope(), Version: e.version,
		ExpiresAt: since(e.expires), RevokedAt: since(e.revoked),
	}
}

func (e *entry) scope() Scope {
	if e.read {
		return ScopeRead
	}
	return ScopeWrite
}

// Verify returns the key that the text is, and notes that it was used. The Key
// has what serving needs: Name, CreatedAt, CreatedBy and LastUsed are zero.
// Errors: [ErrMalformed], [ErrUnknown], [ErrRevoked], [ErrExpired]; which of
// the last two a key is learns only who has its whole text.
func (r *Ring) Verify(text string, now time.Time) (Key, error) {
	id, err := Parse(text)
	if err != nil {
		return Key{}, err
	}
	e := r.keys.Get(id)
	var tenant registry.ID
	scope := ScopeWrite
	if e != nil {
		tenant, scope = e.tenant, e.scope()
	}
	sum := r.pepper.Load().Hash(text, tenant, scope)
	against := &sum
	if e != nil {
		against = &e.hash
	}
	// Against itself, where there is nothing else to compare with.
	same := subtle.ConstantTimeCompare(sum[:], against[:]) == 1
	if e == nil || !same {
		return Key{}, refused(ErrUnknown, id)
	}
	k := e.key()
	switch k.Status(now) {
	case StatusRevoked:
		return Key{}, refused(ErrRevoked, id)
	case StatusExpired:
		return Key{}, refused(ErrExpired, id)
	case StatusActive:
	}
	e.use(now.Unix())
	return k, nil
}

// use notes a use. Most callers within a second only read.
func (e *entry) use(second int64) {
	for {
		last := e.used.Load()
		if second <= last || e.used.CompareAndSwap(last, second) {
			return
		}
	}
}

// Load makes the given keys the only ones.
func (r *Ring) Load(all []Stored) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(map[string]*entry, len(all))
	for _, e := range r.keys.All() {
		now[e.id] = nil
	}
	r.applyLocked(now, all)
}

// Apply stores changed keys and takes away removed ones; an id that is in both
// is stored.
func (r *Ring) Apply(changed []Stored, removed []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := make(map[string]*entry, len(changed)+len(removed))
	for _, id := range removed {
		now[id] = nil
	}
	r.applyLocked(now, changed)
}

// applyLocked stores the changed beside what now says. A use that is noted in
// this very moment may be forgotten.
func (r *Ring) applyLocked(now map[string]*entry, changed []Stored) {
	for i := range changed {
		e := newEntry(&changed[i])
		if was := r.keys.Get(e.id); was != nil {
			e.used.Store(was.used.Load())
			e.told.Store(was.told.Load())
		}
		now[e.id] = e
	}
	r.keys.Update(now)
}

// Forget takes away keys that were revoked or had expired before a time: they
// are unknown from then on, and cost no memory.
func (r *Ring) Forget(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, end := map[string]*entry{}, before.UnixMicro()
	for _, e := range r.keys.All() {
		if e.revoked != 0 && e.revoked < end || e.expires != 0 && e.expires < end {
			now[e.id] = nil
		}
	}
	r.keys.Update(now)
}

// Len is the number of keys.
func (r *Ring) Len() int { return r.keys.Len() }
