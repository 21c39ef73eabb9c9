package readcache

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

const (
	// mostShared is the greatest answer that is put into Redis: a greater one
	// is not worth the time.
	mostShared = 1 << 20
	// toldFor is how long Redis knows of a flush: longer than any answer.
	toldFor = longest + time.Hour
)

// shared is what several servers know together. A nil one knows nothing.
type shared struct {
	store    *store.Store
	observer Observer
	prefix   string
}

func newShared(cfg Config, obs Observer) (*shared, error) {
	s, err := store.Open(cfg.Redis, cfg.RedisTimeout)
	if err != nil {
		return nil, err
	}
	s.Log(cfg.Log, "cache.redis")
	return &shared{store: s, observer: obs, prefix: cfg.Prefix}, nil
}

// ask is store.Ask, observed.
func (s *shared) ask(ctx context.Context, question func(context.Context, redis.UniversalClient) error) error {
	began := time.Now()
	err := s.store.Ask(ctx, question)
	told := err
	if errors.Is(told, redis.Nil) {
		told = nil
	}
	s.observer.CacheStoreAsked(time.Since(began), told)
	return err
}

// find looks for an answer. Its age is that by Redis's clock: what is left of
// the time that it is kept for. Any failure is a miss.
func (s *shared) find(ctx context.Context, k Key) (entry, bool) {
	if s == nil || k.isLocal() {
		return entry{}, false
	}
	var value *redis.StringCmd
	var left *redis.DurationCmd
	err := s.ask(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
			value, left = p.Get(ctx, s.prefix+k.name()), p.PTTL(ctx, s.prefix+k.name())
			return nil
		})
		return err
	})
	if err != nil {
		return entry{}, false
	}
	text, err := value.Bytes()
	if err != nil || len(text) < 8 || left.Val() <= 0 {
		return entry{}, false
	}
	kept := time.Duration(binary.BigEndian.Uint64(text)) //nolint:gosec // keep wrote it
	return entry{body: text[8:], read: time.Now().Add(left.Val() - kept)}, kept >= left.Val()
}

// keep puts an answer where the other servers find it, if they may. A failure
// costs them a miss.
func (s *shared) keep(ctx context.Context, k Key, e entry) {
	left := k.keep - time.Since(e.read)
	if s == nil || k.isLocal() || len(e.body) > mostShared || left < time.Millisecond {
		return
	}
	value := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(e.body)), uint64(k.keep)) //nolint:gosec // never negative
	value = append(value, e.body...)
	_ = s.ask(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		return c.Set(ctx, s.prefix+k.name(), value, left).Err()
	})
}

func (s *shared) generationName(id registry.ID) string {
	return s.prefix + "{" + id.String() + "}:flushed"
}

// generation returns the tenant's generation, 0 when it was not flushed.
func (s *shared) generation(ctx context.Context, id registry.ID) (uint64, error) {
	var number uint64
	err := s.ask(ctx, func(ctx context.Context, c redis.UniversalClient) (err error) {
		number, err = c.Get(ctx, s.generationName(id)).Uint64()
		return err
	})
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	return number, err
}

// tell has the other servers hear of a flush.
func (s *shared) tell(ctx context.Context, id registry.ID, number uint64) error {
	return s.ask(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		return c.Set(ctx, s.generationName(id), number, toldFor).Err()
	})
}
