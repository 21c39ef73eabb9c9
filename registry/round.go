package registry

import (
	"cmp"
	"maps"
	"slices"
)

// round is one change of a Live.
type round struct {
	*Live
	was, now map[ID]*location // of every id that the round touched; nil is not served
	wanting  map[ID]*location // came in this round, and have no place yet
	partners map[ID]bool      // had their login to themselves, or have it now
	refused  []Refused
}

// judge holds each record to the rules that need no other. What is right and
// does not move stays in its place; what is right and moves wants one.
func (r *round) judge(changed []*Tenant) {
	for _, t := range changed {
		at, err := r.check.locateAlone(t)
		if err != nil {
			r.withdraw(t.ID)
			r.refused = append(r.refused, Refused{t.ID, err})
			continue
		}
		old := r.served(t.ID)
		switch {
		case old != nil && old.same(at):
		case old != nil && old.dwelling() == at.dwelling():
			r.replace(old, at)
		default:
			r.withdraw(t.ID)
			r.wanting[t.ID] = at
		}
	}
}

// served is what is known of the id as far as the round has come.
func (r *round) served(id ID) *location {
	if at, touched := r.now[id]; touched {
		return at
	}
	return r.view.places.Get(id)
}

// touch remembers what was served before the round.
func (r *round) touch(id ID, now *location) {
	if _, touched := r.now[id]; !touched {
		if was := r.view.places.Get(id); was != nil {
			r.was[id] = was
		}
	}
	r.now[id] = now
}

// withdraw forgets the record of an id, if there is one.
func (r *round) withdraw(id ID) {
	delete(r.waiting, id)
	delete(r.wanting, id) // given twice: the later one counts
	if old := r.served(id); old != nil {
		r.check.homes.leave(old.dwelling())
		r.leaveLogin(old)
		r.touch(id, nil)
	}
}

// replace gives the record of an id that stays where it is.
func (r *round) replace(old, at *location) {
	if old.login != at.login || old.ReadLogin != at.ReadLogin {
		r.leaveLogin(old)
		r.enterLogin(at)
	}
	r.touch(at.ID, at)
}

// settle gives places to those who want one: who came now, and who waits.
func (r *round) settle() {
	maps.Copy(r.wanting, r.waiting)
	for _, at := range slices.SortedFunc(maps.Values(r.wanting), byVersion) {
		_, waited := r.waiting[at.ID]
		d := at.dwelling()
		if there, taken := r.check.homes.taken(d); taken {
			if !waited {
				r.refuse(at, there)
			}
			continue
		}
		if waited {
			delete(r.waiting, at.ID)
			at.Version = max(at.Version, r.highest)
		}
		r.check.homes.enter(d)
		r.enterLogin(at)
		r.touch(at.ID, at)
	}
}

// refuse has a record wait for its place.
func (r *round) refuse(at *location, there place) {
	r.waiting[at.ID] = at
	if home := r.check.homes[there]; home.first.IsZero() {
		home.first = r.dweller(there)
		r.check.homes[there] = home
	}
	r.refused = append(r.refused, Refused{at.ID, r.check.noHome(at)})
}

// dweller finds somebody who lives in a place.
func (r *round) dweller(there place) ID {
	lives := func(at *location) bool {
		return at != nil && slices.Contains(at.dwelling().places(), there)
	}
	for id, at := range r.now {
		if lives(at) {
			return id
		}
	}
	for id := range r.view.places.All() {
		if lives(r.served(id)) {
			return id
		}
	}
	return ID{}
}

func (r *round) enterLogin(at *location) {
	for _, role := range at.roles() {
		if r.check.logins[role] > 0 {
			continue // the cluster's own: shared by whoever has it
		}
		if partner := r.tenants.enter(role, at.ID); !partner.IsZero() {
			r.partners[partner] = true
		}
	}
}

func (r *round) leaveLogin(at *location) {
	for _, role := range at.roles() {
		if r.check.logins[role] > 0 {
			continue
		}
		if partner := r.tenants.leave(role, at.ID); !partner.IsZero() {
			r.partners[partner] = true
		}
	}
}

// share derives SharedLogin and SharedReadLogin of the records of this round,
// and of those that another came to or went from.
func (r *round) share() {
	used := func(role login) bool {
		return r.check.logins[role] > 0 || len(r.tenants[role].more) > 0
	}
	shared := func(at *location) bool { return used(at.role()) }
	readShared := func(at *location) bool { return used(login{at.Cluster, at.ReadLogin}) }
	for _, at := range r.now {
		if at != nil {
			at.SharedLogin, at.SharedReadLogin = shared(at), readShared(at)
		}
	}
	for id := range r.partners {
		if _, touched := r.now[id]; touched {
			continue
		}
		if at := r.view.places.Get(id); at.SharedLogin != shared(at) {
			flipped := *at
			flipped.SharedLogin = !at.SharedLogin // publish sees to the version
			r.touch(id, &flipped)
		}
		if at := r.served(id); at.SharedReadLogin != readShared(at) {
			flipped := *at
			flipped.SharedReadLogin = !at.SharedReadLogin
			r.touch(id, &flipped)
		}
	}
}

// publish shows readers what the round has changed, and lists it.
func (r *round) publish() []Change {
	var changes []Change
	for _, id := range sortedIDs(r.now) {
		was, now := r.was[id], r.now[id]
		switch {
		case was == nil && now == nil, was != nil && now != nil && was.equal(&now.Tenant):
			delete(r.now, id)
			continue
		case was != nil && now != nil && now.Version <= was.Version:
			now.Version = max(was.Version+1, r.highest)
			r.highest = max(r.highest, now.Version)
		}
		changes = append(changes, Change{id, kindOfLocations(was, now)})
	}
	r.view.update(r.now)
	return changes
}

// kindOfLocations is diffKind for those that may be none.
func kindOfLocations(was, now *location) ChangeKind {
	switch {
	case was == nil:
		return Added
	case now == nil:
		return Removed
	default:
		return diffKind(&was.Tenant, &now.Tenant)
	}
}

// byVersion orders those that want a place.
func byVersion(a, b *location) int {
	return cmp.Or(cmp.Compare(a.Version, b.Version), byID(&a.Tenant, &b.Tenant))
}

// sortedIDs returns the keys in their order.
func sortedIDs[V any](m map[ID]V) []ID {
	ids := make([]ID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b ID) int { return cmp.Compare(a.name, b.name) })
	return ids
}
