// Package store asks a Redis or a Valkey that several servers share, without
// ever depending on it: each question has a short time, and after some that
// failed in a row no more are asked for a while, so that a server that is dead
// costs one wait now and then instead of one per request. Who asks decides
// what to do without an answer.
package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrResting is returned, at once, while the store is not asked because it has
// failed.
var ErrResting = errors.New("store: is not asked for a while, because it failed")

// Store is a connection to the shared server. Safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	timeout time.Duration
	breaker breaker
	log     *slog.Logger
	use     string
}

// Log has the store say once that it cannot be asked, and why, and once that it
// can be again; use is what it is for. Call it before the first question. log may
// be nil.
func (s *Store) Log(log *slog.Logger, use string) {
	if log != nil {
		s.log, s.use = log, use
	}
}

// Ask runs question, which may talk to the server for the store's timeout, and
// returns its error, or [ErrResting]. That the asker has left does not cut a
// question short: the connection would be lost with it. redis.Nil is an answer
// and no failure.
func (s *Store) Ask(ctx context.Context, question func(context.Context, redis.UniversalClient) error) error {
	if !s.breaker.enter(time.Now()) {
		return ErrResting
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	defer cancel()
	err := question(ctx, s.client)
	switch begins, ends := s.breaker.leave(time.Now(), err == nil || errors.Is(err, redis.Nil)); {
	case begins:
		s.log.WarnContext(ctx, "the shared store cannot be asked; it is tried again every second", "for", s.use, "error", err)
	case ends:
		s.log.InfoContext(ctx, "the shared store answers again", "for", s.use)
	}
	return err
}

// Close ends the connections. Whoever asks afterwards gets an error.
func (s *Store) Close() { _ = s.client.Close() } // nothing is lost with a connection that does not close
