package apikey

import (
	"slices"
	"strings"
	"time"
)

// Use says when a key was last used, to the second.
type Use struct {
	ID string
	At time.Time
}

// Uses returns the last use of every key that was used since Told was told of
// one, in the order of their ids.
func (r *Ring) Uses() []Use {
	var uses []Use
	for _, e := range r.keys.All() {
		if used := e.used.Load(); used > e.told.Load() {
			uses = append(uses, Use{e.id, time.Unix(used, 0).UTC()})
		}
	}
	slices.SortFunc(uses, func(a, b Use) int { return strings.Compare(a.ID, b.ID) })
	return uses
}

// Told says that the uses are known where they are to be known.
func (r *Ring) Told(uses []Use) {
	for _, u := range uses {
		if e := r.keys.Get(u.ID); e != nil {
			e.told.Store(u.At.Unix())
		}
	}
}
