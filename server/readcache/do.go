package readcache

import (
	"context"
	"crypto/sha256"
	"time"
)

// A LoadFunc reads an answer from the database.
type LoadFunc func(ctx context.Context) ([]byte, error)

// Do returns an answer that was at most maxAge old when it was called, or as old
// as the tenant allows if that is less: one that is kept, or that of a read which
// is under way, or what load returns. load is called on the caller's goroutine with ctx,
// or not at all. Nobody may change the body: others have it too.
//
// Its error is that of ctx or of load; also of somebody else's load under way
// then, unless that one's own context had ended. No error is kept.
func (c *Cache) Do(ctx context.Context, k Key, maxAge time.Duration, load LoadFunc) (Answer, error) {
	maxAge = min(maxAge, k.keep)
	oldest := time.Now().Add(-maxAge)
	var certain bool
	if k.generation, k.epoch, certain = c.generations.of(ctx, k.tenant.Tenant()); !certain {
		k.place = [sha256.Size]byte{}
	}
	for {
		if e, ok := c.find(k, maxAge); ok {
			return c.answer(k, e, Hit), nil
		}
		fl, mine := c.flights.join(k)
		if mine {
			return c.read(ctx, k, maxAge, fl, load)
		}
		if err := fl.wait(ctx); err != nil {
			return Answer{}, err
		}
		switch {
		case fl.again:
		case fl.err != nil:
			return Answer{}, fl.err
		case fl.entry.read.Before(oldest): // young enough for whoever read it
		default:
			return c.answer(k, fl.entry, Collapsed), nil
		}
	}
}

// find looks for an answer that is young enough.
func (c *Cache) find(k Key, maxAge time.Duration) (entry, bool) {
	e, ok := c.entries.GetIfPresent(k)
	return e, ok && time.Since(e.read) <= maxAge
}

// read is Do for the first who asks: from Redis, else from the database.
// Whatever becomes of it, a panic too, the flight lands.
func (c *Cache) read(ctx context.Context, k Key, maxAge time.Duration, fl *flight, load LoadFunc) (Answer, error) {
	landed := false
	land := func() {
		if !landed {
			landed = true
			c.flights.land(k, fl)
		}
	}
	defer land()
	if e, ok := c.find(k, maxAge); ok { // it came between the look and the flight
		fl.entry, fl.again = e, false
		return c.answer(k, e, Hit), nil
	}
	if e, ok := c.shared.find(ctx, k); ok && time.Since(e.read) <= maxAge {
		c.keep(k, e)
		fl.entry, fl.again = e, false
		return c.answer(k, e, Shared), nil
	}
	began := time.Now()
	body, err := load(ctx)
	if err != nil {
		fl.err, fl.again = err, ctx.Err() != nil
		return Answer{}, err
	}
	e := entry{body: body, read: began}
	c.keep(k, e)
	fl.entry, fl.again = e, false
	land() // nobody else waits for Redis
	c.shared.keep(ctx, k, e)
	return c.answer(k, e, Miss), nil
}

func (c *Cache) keep(k Key, e entry) {
	if c.keeps(e.body) {
		c.entries.Set(k, e)
	}
}

func (c *Cache) answer(k Key, e entry, how Outcome) Answer {
	c.observer.CacheRead(how)
	a := Answer{Body: e.body, Outcome: how, left: k.keep}
	if how == Hit || how == Shared {
		a.Age = time.Since(e.read)
		a.left = max(0, k.keep-a.Age)
	}
	a.stored = how == Miss && c.keeps(e.body)
	return a
}
