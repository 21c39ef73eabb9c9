package server

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// Sizes of a page of tenants.
const (
	pageDefault = 100
	pageMax     = 1000
)

func pageOf(c *gin.Context) (after registry.ID, limit int, err error) {
	if text := c.Query("after"); text != "" {
		if after, err = registry.ParseID(text); err != nil {
			return after, 0, badRequest("after: " + err.Error())
		}
	}
	limit, err = limitOf(c)
	return after, limit, err
}

// limitOf reads how many entries a page may have.
func limitOf(c *gin.Context) (int, error) {
	limit, err := strconv.Atoi(cmp.Or(c.Query("limit"), strconv.Itoa(pageDefault)))
	if err != nil || limit < 1 || limit > pageMax {
		return 0, badRequest("limit must be a number from 1 to " + strconv.Itoa(pageMax))
	}
	return limit, nil
}

func badRequest(message string) error { return &sqlwire.BadRequestError{Message: message} }

// record finds a record whatever its status. The lookup has no answer but
// "not active" for those that are not; they are few, and looked for in the list.
func (s *Server) record(ctx context.Context, id registry.ID) (*registry.Tenant, error) {
	t, err := s.deps.Registry.Tenant(ctx, id)
	if errors.Is(err, registry.ErrUnknown) {
		return nil, errNoTenant
	}
	if !errors.Is(err, registry.ErrInactive) {
		return t, err
	}
	var after registry.ID
	for {
		page, err := s.deps.Registry.List(ctx, after, pageMax)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			if t.ID == id {
				return t, nil
			}
		}
		if len(page) < pageMax {
			return nil, errNoTenant
		}
		after = page[len(page)-1].ID
	}
}

// idOf reads the id in the path, or refuses.
func (s *Server) idOf(c *gin.Context) (registry.ID, bool) {
	id, err := registry.ParseID(c.Param("id"))
	if err != nil {
		s.refuse(c, badRequest("the path holds no tenant id: "+err.Error()))
		return id, false
	}
	trailOf(c).about = id
	return id, true
}

// drained is the answer of POST /v1/drain. Leases are those still held.
type drained struct {
	Drained bool `json:"drained"`
	Leases  int  `json:"leases"`
}

// drain answers POST /v1/drain: the server says that it is not ready, goes on
// for not_ready, then refuses new work and waits for the rest, no longer than
// drain_timeout. There is no way back but a restart. It answers 200 when
// nothing is left, 202 when something is.
func (s *Server) drain(c *gin.Context) {
	s.log.InfoContext(c.Request.Context(), "drain asked for by an operator", by(c))
	s.notReady.Store(true)
	s.note(c, "server.drain", registry.ID{}, nil)
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.cfg.NotReady+s.cfg.DrainTimeout)
	defer cancel()
	pause(ctx, s.cfg.NotReady)
	err := s.deps.Keeper.Drain(ctx)
	answer := drained{Drained: err == nil}
	for _, p := range s.deps.Keeper.Stats() {
		answer.Leases += p.Leases
	}
	status := http.StatusOK
	if err != nil {
		status = http.StatusAccepted
	}
	writeJSON(c, status, answer)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
