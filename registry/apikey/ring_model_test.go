package apikey_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry/apikey"
)

// world is a Ring beside what it should say.
type world struct {
	*rand.Rand
	pepper apikey.Pepper
	ring   *apikey.Ring
	known  map[string]made // by id
	ever   []made
}

func (w *world) act() {
	switch w.IntN(8) {
	case 0, 1, 2:
		k := make1(w.pepper, fmt.Sprintf("t%d", w.IntN(5)))
		w.ever = append(w.ever, k)
		w.store(k)
	case 3, 4:
		if len(w.ever) > 0 { // also one that is gone
			k := w.ever[w.IntN(len(w.ever))]
			k.ExpiresAt = noon().Add(time.Duration(w.IntN(3)-1) * time.Hour)
			if w.IntN(4) == 0 {
				k.RevokedAt = noon()
			}
			w.store(k)
		}
	case 5, 6:
		if len(w.ever) > 0 {
			k := w.ever[w.IntN(len(w.ever))]
			w.ring.Apply(nil, []string{k.ID, "nobody"})
			delete(w.known, k.ID)
		}
	case 7:
		maps.DeleteFunc(w.known, func(string, made) bool { return w.IntN(2) == 0 })
		var all []apikey.Stored
		for _, k := range w.known {
			all = append(all, k.Stored)
		}
		w.ring.Load(all)
	}
}

func (w *world) store(k made) {
	w.ring.Apply([]apikey.Stored{k.Stored}, []string{k.ID})
	w.known[k.ID] = k
}

// right is what the Ring should say of a key that there ever was.
func (w *world) right(k made) error {
	now, is := w.known[k.ID]
	switch {
	case !is:
		return apikey.ErrUnknown
	case !now.RevokedAt.IsZero():
		return apikey.ErrRevoked
	case now.ExpiresAt.Before(noon().Add(time.Second)) && !now.ExpiresAt.IsZero():
		return apikey.ErrExpired
	default:
		return nil
	}
}

func TestARingSaysWhatAMapWould(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := rand.Uint64()
		w := &world{Rand: rand.New(rand.NewPCG(seed, 0)), pepper: apikey.NewPepper(), ring: apikey.NewRing(), known: map[string]made{}}
		w.ring.Season(w.pepper)
		for step := range 200 {
			w.act()
			for _, k := range w.ever {
				if _, err := w.ring.Verify(k.text, noon().Add(time.Second)); !errors.Is(err, w.right(k)) {
					t.Fatalf("seed %d, step %d: %v, want %v", seed, step, err, w.right(k))
				}
			}
			if w.ring.Len() != len(w.known) {
				t.Fatalf("seed %d, step %d: %d keys, want %d", seed, step, w.ring.Len(), len(w.known))
			}
		}
	}
}
