package pools

import (
	"hash/maphash"
	"maps"
	"sync/atomic"

	"github.com/poolkeeper/poolkeeper/registry"
)

// shards of the index. Each write copies one shard's map, so the count
// trades the cost of a write against memory; a power of two.
const shards = 64

// index finds a ready pool by its tenant without a lock: each shard is a map
// that is never changed, only replaced. Writers hold the keeper's mutex.
type index struct {
	seed   maphash.Seed
	shards [shards]atomic.Pointer[map[registry.ID]*entry]
}

func newIndex() *index { return &index{seed: maphash.MakeSeed()} }

func (x *index) shard(id registry.ID) *atomic.Pointer[map[registry.ID]*entry] {
	return &x.shards[maphash.String(x.seed, id.String())%shards]
}

func (x *index) find(id registry.ID) *entry {
	m := x.shard(id).Load()
	if m == nil {
		return nil
	}
	return (*m)[id]
}

func (x *index) put(e *entry) {
	x.change(e.tenant.ID, func(m map[registry.ID]*entry) { m[e.tenant.ID] = e })
}

func (x *index) remove(id registry.ID) {
	x.change(id, func(m map[registry.ID]*entry) { delete(m, id) })
}

func (x *index) change(id registry.ID, edit func(map[registry.ID]*entry)) {
	p := x.shard(id)
	next := map[registry.ID]*entry{}
	if m := p.Load(); m != nil {
		next = maps.Clone(*m)
	}
	edit(next)
	p.Store(&next)
}
