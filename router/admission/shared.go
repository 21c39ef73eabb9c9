package admission

import (
	"context"
	_ "embed" // the script
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/router/admission/store"
)

//go:embed take.lua
var script string

// errAnswer is returned when the store's answer is not that of the script.
var errAnswer = errors.New("admission: the shared store answered something else")

// shared are the buckets that several servers share.
type shared struct {
	store  *store.Store
	script *redis.Script
	prefix string
}

func newShared(cfg Config) (*shared, error) {
	s, err := store.Open(cfg.Redis, cfg.RedisTimeout)
	if err != nil {
		return nil, err
	}
	s.Log(cfg.Log, "admission.redis")
	return &shared{store: s, script: redis.NewScript(script), prefix: cfg.Prefix}, nil
}

// key names a tenant's bucket. All keys of a tenant are on one node of a
// cluster, because of the braces.
func (s *shared) key(id registry.ID) string { return s.prefix + "{" + id.String() + "}:rate" }

// take takes a token from the tenant's bucket, if there is one, and describes
// it.
func (s *shared) take(ctx context.Context, id registry.ID, t terms) (q quota, taken bool, err error) {
	var answer []any
	err = s.store.Ask(ctx, func(ctx context.Context, c redis.UniversalClient) (err error) {
		answer, err = s.script.Run(ctx, c, []string{s.key(id)}, t.rate, t.burst).Slice()
		return err
	})
	if err != nil {
		return quota{}, false, err
	}
	if len(answer) != 2 {
		return quota{}, false, errAnswer
	}
	yes, _ := answer[0].(int64)
	text, _ := answer[1].(string)
	tokens, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return quota{}, false, errAnswer
	}
	q = newQuota(t, tokens)
	q.wait += tick
	return q, yes == 1, nil
}

// tick is how much less than it was the server's clock may say that a time was.
const tick = time.Microsecond
