package readcache

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

// flushedWithin is how long another server may go on without hearing of a
// flush.
const flushedWithin = time.Second

// remembered bounds the generations that are kept in memory.
const remembered = 1 << 16

// generations say for each tenant since which flush answers count. A generation
// is a random number, so that one that was forgotten never comes again; 0 is
// that of a tenant that was not flushed.
type generations struct {
	shared *shared // nil without Redis

	// mu guards what follows. Nothing slow happens under it.
	mu    sync.Mutex
	known map[registry.ID]*generation
	// epoch counts how often known was emptied: what was kept here before is
	// no longer known to be of any generation.
	epoch uint64
}

type generation struct {
	number  uint64
	flushes int
	asked   time.Time // when Redis was last asked
	told    bool      // number is what Redis has said, or newer
	owed    bool      // Redis has yet to be told
}

// of returns the tenant's generation. With Redis it is asked for at most once
// in flushedWithin; without an answer the last one counts. certain is false as
// long as there was none: then what Redis has may be from before a flush.
func (g *generations) of(ctx context.Context, id registry.ID) (number, epoch uint64, certain bool) {
	number, epoch, ask, known := g.look(id)
	if !ask {
		return number, epoch, known.told || g.shared == nil
	}
	if known.owed {
		if g.shared.tell(ctx, id, known.number) == nil {
			g.learn(id, known, known.number)
		}
	} else if told, err := g.shared.generation(ctx, id); err == nil {
		g.learn(id, known, told)
	}
	number, epoch, _, known = g.look(id)
	return number, epoch, known.told
}

// look returns what is known, and whether Redis is to be asked by the caller.
func (g *generations) look(id registry.ID) (number, epoch uint64, ask bool, known generation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gen := g.known[id]
	if gen == nil {
		if g.shared == nil {
			return 0, g.epoch, false, known
		}
		gen = g.add(id)
	}
	if now := time.Now(); g.shared != nil && now.Sub(gen.asked) >= flushedWithin {
		gen.asked, ask = now, true
	}
	return gen.number, g.epoch, ask, *gen
}

// learn notes Redis's answer to what was known then, unless there was a flush
// here meanwhile.
func (g *generations) learn(id registry.ID, then generation, number uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if gen := g.known[id]; gen != nil && gen.flushes == then.flushes {
		gen.number, gen.owed, gen.told = number, false, true
	}
}

// flush begins a generation here, and then tells Redis and waits until all
// servers have asked it.
func (g *generations) flush(ctx context.Context, id registry.ID) error {
	began := g.begin(id)
	if g.shared == nil {
		return nil
	}
	if err := g.shared.tell(ctx, id, began.number); err != nil {
		return err
	}
	g.learn(id, began, began.number)
	asked := time.NewTimer(flushedWithin)
	defer asked.Stop()
	select {
	case <-asked.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *generations) begin(id registry.ID) generation {
	var random [8]byte
	_, _ = rand.Read(random[:]) // it never fails
	g.mu.Lock()
	defer g.mu.Unlock()
	gen := g.known[id]
	if gen == nil {
		gen = g.add(id)
	}
	gen.number, gen.owed = binary.BigEndian.Uint64(random[:])|1, g.shared != nil
	gen.told = true
	gen.flushes++
	gen.asked = time.Now()
	return *gen
}

// add makes room for one more, when there are too many by forgetting all that
// Redis knows, or that need not be known any longer because the epoch ends.
func (g *generations) add(id registry.ID) *generation {
	if len(g.known) >= remembered {
		g.epoch++
		for id, gen := range g.known {
			if !gen.owed {
				delete(g.known, id)
			}
		}
	}
	if g.known == nil {
		g.known = map[registry.ID]*generation{}
	}
	gen := &generation{}
	g.known[id] = gen
	return gen
}
