package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// cutGrace is how long requests that were cut may take to say so.
const cutGrace = 2 * time.Second

// stop ends everything in order. requests is the context of all requests, and
// cut ends it.
func (s *Server) stop(requests context.Context, cut context.CancelCauseFunc, data, admin *http.Server) error {
	s.notReady.Store(true)
	s.log.InfoContext(requests, "stopping: not ready", "for", s.cfg.NotReady)
	pause(requests, s.cfg.NotReady)

	ctx, cancel := context.WithTimeout(requests, s.cfg.DrainTimeout)
	defer cancel()
	err := s.finish(ctx, data)
	if err != nil {
		s.log.WarnContext(requests, "stopping: cutting what is left", "error", err)
		cut(errStopping)
		err = errors.Join(ErrCut, closeWithin(requests, data))
	}
	// After a cut ctx is over, which tells the keeper to wait for nobody.
	if closeErr := s.deps.Keeper.Close(ctx); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("server: close pools: %w", closeErr))
	}
	// Last, so that the admin listener shows the stop to its end.
	err = errors.Join(err, closeWithin(requests, admin))
	s.log.InfoContext(requests, "stopped")
	return err
}

// finish stops accepting, and waits until every request is answered and every
// lease is back.
func (s *Server) finish(ctx context.Context, data *http.Server) error {
	answered := make(chan error, 1)
	go func() { answered <- data.Shutdown(ctx) }()
	err := s.deps.Keeper.Drain(ctx)
	return errors.Join(<-answered, err)
}

// closeWithin gives a server's last requests a moment, whatever has ended by
// now, then closes their connections.
func closeWithin(ctx context.Context, h *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
	defer cancel()
	if h.Shutdown(ctx) == nil {
		return nil
	}
	return h.Close()
}
