package server

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// poolStat is a pool as the admin API shows it: one of a reader is its
// tenant's, with another access.
type poolStat struct {
	pools.Stat
	Tenant registry.ID `json:"tenant"`
	Access string      `json:"access"` // write or read
}

// Accesses of a pool.
const (
	accessWrite = "write" // all that the tenant's login may
	accessRead  = "read"  // through the login that can only read
)

// poolList is the answer of GET /v1/pools.
type poolList struct {
	Pools []poolStat `json:"pools"`
}

// poolView is the answer of GET and PATCH /v1/pools/{id}: a tenant may have a
// pool that is ready for each access, and more that drain. Limits are an
// operator's, for the pool that writes; null stands for the record's.
type poolView struct {
	Pools  []poolStat                 `json:"pools"`
	Limits map[string]json.RawMessage `json:"limits"`
}

// limitKnobs are the limits that an operator may change, within the bounds
// that a record has too. As in a record, 0 is the default.
func limitKnobs(l *registry.Limits) []knob {
	const null, otherwise = "null", ", or null for the record's own"
	return []knob{
		{name: "max_conns", value: &l.MaxConns, least: 1, most: 10_000, zero: null, otherwise: otherwise},
		{name: "queue", value: &l.Queue, least: 0, most: 1_000_000, zero: null, otherwise: otherwise},
		{name: "weight", value: &l.Weight, least: 1, most: 1000, zero: null, otherwise: otherwise},
		{name: "guaranteed_conns", value: &l.GuaranteedConns, least: 0, most: 10_000, zero: null, otherwise: otherwise},
	}
}

// listPools answers GET /v1/pools?application_name=NAME: every pool with its
// numbers, or those of the tenant whose sessions have that name.
func (s *Server) listPools(c *gin.Context) {
	stats := s.deps.Keeper.Stats()
	if name, asked := c.GetQuery("application_name"); asked {
		id, live := s.deps.Keeper.TenantOf(name)
		stats = slices.DeleteFunc(stats, func(p pools.Stat) bool { return !live || p.Tenant != id })
	}
	writeJSON(c, http.StatusOK, poolList{Pools: statsOf(stats)})
}

// statsOf orders pools by tenant, the one that writes before the one that
// reads.
func statsOf(stats []pools.Stat) []poolStat {
	views := make([]poolStat, 0, len(stats)) // [] and not null
	for _, p := range stats {
		view := poolStat{Stat: p, Tenant: p.Tenant.Tenant(), Access: accessWrite}
		if p.Tenant.IsReader() {
			view.Access = accessRead
		}
		views = append(views, view)
	}
	slices.SortFunc(views, func(a, b poolStat) int {
		return cmp.Or(cmp.Compare(a.Tenant.String(), b.Tenant.String()), cmp.Compare(b.Access, a.Access), cmp.Compare(b.State, a.State), a.Opened.Compare(b.Opened))
	})
	return views
}

// showPool answers GET /v1/pools/{id}.
func (s *Server) showPool(c *gin.Context) {
	id, ok := s.idOf(c)
	if !ok {
		return
	}
	view := s.pool(id)
	if len(view.Pools) == 0 && s.deps.Keeper.Limits(id) == (registry.Limits{}) {
		s.refuse(c, errNoPool)
		return
	}
	writeJSON(c, http.StatusOK, view)
}

func (s *Server) pool(id registry.ID) poolView {
	stats := slices.DeleteFunc(s.deps.Keeper.Stats(), func(p pools.Stat) bool { return p.Tenant.Tenant() != id })
	v := poolView{Pools: statsOf(stats), Limits: map[string]json.RawMessage{}}
	limits := s.deps.Keeper.Limits(id)
	for _, k := range limitKnobs(&limits) {
		v.Limits[k.name] = json.RawMessage(k.text())
	}
	return v
}

// changeLimits answers PATCH /v1/pools/{id}: the limits in the body go before
// the record's from now on, until the record changes or the program ends. The
// tenant needs no live pool.
func (s *Server) changeLimits(c *gin.Context) {
	id, ok := s.idOf(c)
	if !ok {
		return
	}
	body, err := s.readBody(c, patchMax)
	var changed []change
	if err == nil {
		changed, err = s.setLimits(c.Request.Context(), id, body)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	if len(changed) > 0 {
		s.log.InfoContext(c.Request.Context(), "limits changed by an operator", "tenant", id.String(), by(c), logged(changed))
		s.note(c, "pool.limits", id, noted(changed))
	}
	writeJSON(c, http.StatusOK, s.pool(id))
}

func (s *Server) setLimits(ctx context.Context, id registry.ID, body []byte) ([]change, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	tenant, err := s.record(ctx, id)
	if err != nil {
		return nil, err
	}
	before := s.deps.Keeper.Limits(id)
	asked := before
	if err := patch(body, limitKnobs(&asked)); err != nil {
		return nil, err
	}
	if err := checkGuarantee(asked, tenant.Limits); err != nil {
		return nil, err
	}
	changed := changes(limitKnobs(&before), limitKnobs(&asked))
	if len(changed) == 0 {
		return nil, nil
	}
	if err := s.deps.Keeper.SetLimits(id, asked); err != nil {
		return nil, unchanged(err)
	}
	return changed, nil
}

// checkGuarantee compares what will hold. Where neither the operator nor the
// record says how many connections the tenant may have, the default of the
// pools section holds, which only the keeper knows.
func checkGuarantee(asked, record registry.Limits) error {
	most := cmp.Or(asked.MaxConns, record.MaxConns)
	if guaranteed := cmp.Or(asked.GuaranteedConns, record.GuaranteedConns); most > 0 && guaranteed > most {
		return badRequest(fmt.Sprintf("guaranteed_conns must not be above max_conns: %d is above %d", guaranteed, most))
	}
	return nil
}

// evictPool answers POST /v1/pools/{id}/evict: the pool is retired, and the
// reader's too. What runs on them ends in peace, and the next request opens a
// new one.
func (s *Server) evictPool(c *gin.Context) {
	id, ok := s.idOf(c)
	if !ok {
		return
	}
	own, reader := s.deps.Keeper.Evict(id), s.deps.Keeper.Evict(id.Reader())
	if !own && !reader {
		s.refuse(c, errNoPool)
		return
	}
	s.log.InfoContext(c.Request.Context(), "pool evicted by an operator", "tenant", id.String(), by(c))
	s.note(c, "pool.evict", id, nil)
	writeJSON(c, http.StatusOK, struct {
		Evicted registry.ID `json:"evicted"`
	}{id})
}
