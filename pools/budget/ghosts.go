package budget

import (
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// rememberedGhosts bounds the memory of accounts that lost their last slot.
	rememberedGhosts = 4096
	// soon is how long after that a return counts as thrash.
	soon = int64(time.Second)
)

// ghosts remembers who lost their last slot to others lately.
type ghosts struct {
	lost *simplelru.LRU[string, int64]
	soon uint64 // how many came back soon
}

func newGhosts() ghosts {
	lost, _ := simplelru.NewLRU[string, int64](rememberedGhosts, nil) // fails for a size below one only
	return ghosts{lost: lost}
}

func (g *ghosts) robbed(name string, now int64) { g.lost.Add(name, now) }

func (g *ghosts) returned(name string, now int64) {
	if at, ok := g.lost.Peek(name); ok {
		g.lost.Remove(name)
		if now-at < soon {
			g.soon++
		}
	}
}
