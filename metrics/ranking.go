package metrics

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/poolkeeper/poolkeeper/registry"
)

const (
	// otherTenants is the label of all tenants without series of their own.
	// It is no tenant's id: an id has no underscore.
	otherTenants = "_other"
	// memory is for how many windows the counts of a tenant that left the top
	// are kept, so that its counters go on where they stopped.
	memory = 24
	// minRoom is the least number of tenants that are watched as candidates.
	minRoom = 4096
)

// requests are the counters of one tenant, or of all without their own.
type requests [numOutcomes]atomic.Uint64

// A ranking knows which tenants have series of their own (the members), and
// counts for them. Every other tenant's requests go to one sum.
//
// The bound: with label top there are at most top members, the fixed ones,
// room candidates, and memory × top former members whose counts are kept.
// A tenant that finds the candidates full waits for the next window, which
// drops the idle and the least busy half.
//
// The hot path looks a tenant up in a sync.Map and adds to two atomics. mu is
// taken for a tenant's first event, by scrapes, and once per window; nothing
// slow happens under it.
type ranking struct {
	label Label
	top   int
	room  int64

	other   requests
	entries sync.Map     // registry.ID → *entry: members and candidates
	size    atomic.Int64 // the number of entries

	mu      sync.Mutex
	members map[registry.ID]*entry
	fixed   int // how many members never leave
	past    map[registry.ID]former
	windows uint64 // how many have passed
}

// An entry is a tenant that is watched.
type entry struct {
	id       registry.ID
	fixed    bool // a member for good
	acquires atomic.Uint64
	requests atomic.Pointer[requests] // its own while a member, else the sum

	// Guarded by the ranking's mu.
	seen  uint64 // acquires at the end of the last window
	score uint64 // acquires, halved with every window that passes
}

// A former member keeps its counts for the day it comes back.
type former struct {
	requests *requests
	left     uint64 // in which window
}

// newRanking returns the ranking of a valid Config.
func newRanking(cfg Config) *ranking {
	r := &ranking{
		label:   cfg.Label,
		top:     cfg.Top,
		room:    int64(max(minRoom, 20*cfg.Top)),
		members: map[registry.ID]*entry{},
		past:    map[registry.ID]former{},
	}
	for _, text := range cfg.Tenants {
		r.admit(registry.MustParseID(text), true)
	}
	return r
}

// acquired counts for the rank, and returns where the tenant's requests are
// counted now. Only tenants that have a pool may come here: made-up ids would
// take the room.
func (r *ranking) acquired(id registry.ID) *requests {
	e := r.watch(id)
	if e == nil {
		return &r.other
	}
	e.acquires.Add(1)
	return e.requests.Load()
}

// watch returns the tenant's entry and makes one if there is room, else nil.
func (r *ranking) watch(id registry.ID) *entry {
	if e, ok := r.entries.Load(id); ok {
		return e.(*entry)
	}
	if r.label == LabelNone || r.label == LabelTop && r.size.Load() >= r.room {
		return nil
	}
	return r.admit(id, r.label == LabelAll || r.readsFor(id))
}

// readsFor reports whether the pool is that of the reader of a tenant that is
// listed, and so of one that never leaves. A reader is a series beside its
// tenant's, as its pool is beside the tenant's: each has a maximum of its own.
func (r *ranking) readsFor(id registry.ID) bool {
	if !id.IsReader() {
		return false
	}
	e, ok := r.entries.Load(id.Tenant())
	return ok && e.(*entry).fixed
}

// counts is acquired for a tenant that may not even exist: it counts nothing
// for the rank and watches nobody.
func (r *ranking) counts(id registry.ID) *requests {
	if e, ok := r.entries.Load(id); ok {
		return e.(*entry).requests.Load()
	}
	return &r.other
}

// admit watches a tenant. While there are free places it becomes a member at
// once, so that a small installation never waits for a window to end.
func (r *ranking) admit(id registry.ID, fixed bool) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.entries.Load(id); ok {
		return e.(*entry)
	}
	e := &entry{id: id, fixed: fixed}
	e.requests.Store(&r.other)
	if fixed {
		r.fixed++
	}
	if fixed || len(r.members)-r.fixed < r.top {
		r.enterLocked(e)
	}
	r.entries.Store(id, e)
	r.size.Add(1)
	return e
}

// enterLocked makes a member; its counters go on where they stopped.
func (r *ranking) enterLocked(e *entry) {
	own := r.past[e.id].requests
	if own == nil {
		own = new(requests)
	}
	delete(r.past, e.id)
	r.members[e.id] = e
	e.requests.Store(own)
}

// leaveLocked ends a membership. What is counted from now on goes to the sum;
// what was counted stays the tenant's.
func (r *ranking) leaveLocked(e *entry) {
	delete(r.members, e.id)
	r.past[e.id] = former{requests: e.requests.Swap(&r.other), left: r.windows}
}

// endWindow chooses the members anew.
func (r *ranking) endWindow() {
	if r.label != LabelTop {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows++
	weakest, candidates := r.scoreLocked()
	for i := range min(len(weakest), len(candidates)) {
		if !beats(candidates[i], weakest[i]) {
			break
		}
		r.leaveLocked(weakest[i])
		r.enterLocked(candidates[i])
	}
	r.trimLocked(candidates)
	r.forgetLocked()
}

// beats asks for a quarter more than the member has, so that two tenants that
// are equally busy do not change places with every window.
func beats(candidate, member *entry) bool {
	return candidate.score > member.score+member.score/4
}

// scoreLocked closes the window's counts. It returns the members that may
// leave, weakest first, and the candidates, strongest first, and drops the
// candidates that were idle.
func (r *ranking) scoreLocked() (weakest, candidates []*entry) {
	r.entries.Range(func(_, v any) bool {
		e := v.(*entry)
		now := e.acquires.Load()
		e.score = e.score/2 + now - e.seen
		e.seen = now
		switch _, member := r.members[e.id]; {
		case e.fixed:
		case member:
			weakest = append(weakest, e)
		case e.score == 0:
			r.dropLocked(e)
		default:
			candidates = append(candidates, e)
		}
		return true
	})
	slices.SortFunc(weakest, byScore)
	slices.SortFunc(candidates, func(a, b *entry) int { return byScore(b, a) })
	return weakest, candidates
}

// byScore puts the lower score first; between equals the id decides, so that
// the outcome does not depend on the order of a map.
func byScore(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(a.id.String(), b.id.String()))
}

// trimLocked leaves half of the room to tenants that come.
func (r *ranking) trimLocked(candidates []*entry) {
	for _, e := range candidates[min(int64(len(candidates)), r.room/2):] {
		if _, member := r.members[e.id]; !member {
			r.dropLocked(e)
		}
	}
}

func (r *ranking) dropLocked(e *entry) {
	r.entries.Delete(e.id)
	r.size.Add(-1)
}

// forgetLocked drops the counts of those who left long ago. At most top leave
// per window, so at most memory × top are kept.
func (r *ranking) forgetLocked() {
	for id, f := range r.past {
		if r.windows-f.left >= memory {
			delete(r.past, id)
		}
	}
}

// A series is one tenant's counters in a scrape.
type series struct {
	tenant   string
	requests *requests
}

// series returns the counters of every member, of those who left with the
// last window, so that whoever scrapes sees their last value, and the sum.
func (r *ranking) series() []series {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]series, 0, len(r.members)+1)
	for id, e := range r.members {
		all = append(all, series{id.String(), e.requests.Load()})
	}
	for id, f := range r.past {
		if f.left == r.windows {
			all = append(all, series{id.String(), f.requests})
		}
	}
	return append(all, series{otherTenants, &r.other})
}

// labels returns the function that gives a tenant's label in one scrape.
func (r *ranking) labels() func(registry.ID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	members := make(map[registry.ID]bool, len(r.members))
	for id := range r.members {
		members[id] = true
	}
	return func(id registry.ID) string {
		if members[id] {
			return id.String()
		}
		return otherTenants
	}
}
