package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

// openingFor is when to ask a server again that is starting.
const openingFor = 2 * time.Second

// open waits for what Deps.Open does, while the listeners answer that nothing
// is served yet. A listener that ends meanwhile ends the waiting.
func (s *Server) open(ctx context.Context, failed <-chan error) error {
	if s.deps.Open == nil {
		return nil
	}
	s.log.InfoContext(ctx, "listening; nothing is served yet", "listen", s.addr, "admin_listen", s.adminAddr)
	ctx, cancel := context.WithCancel(ctx)
	opened := make(chan error, 1)
	go func() {
		defer cancel()
		opened <- s.deps.Open(ctx)
	}()
	select {
	case err := <-opened:
		s.opening.Store(false)
		return err
	case err := <-failed:
		cancel()
		return errors.Join(ended(err), <-opened)
	}
}

// ended is why a listener is gone.
func ended(err error) error { return fmt.Errorf("server: a listener ended: %w", err) }

// giveUp is the stop of a server that never got to serving: nobody has
// anything to finish.
func (s *Server) giveUp(requests context.Context, data, admin *http.Server) error {
	s.notReady.Store(true)
	ctx, cancel := context.WithTimeout(requests, cutGrace)
	defer cancel()
	err := errors.Join(closeWithin(requests, data), closeWithin(requests, admin))
	if closeErr := s.deps.Keeper.Close(ctx); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("server: close pools: %w", closeErr))
	}
	return err
}

// whenOpen refuses what needs the parts that Deps.Open is still waiting for.
func (s *Server) whenOpen(c *gin.Context) {
	if s.opening.Load() {
		s.refuse(c, errOpening)
	}
}
