package readcache_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/server/readcache"
)

// record is of a tenant that allows answers of a minute ago.
func record(id string) *registry.Tenant {
	return &registry.Tenant{
		ID: registry.MustParseID(id), Version: 1, Cluster: "main", Schema: id, Limits: registry.Limits{CacheFor: time.Minute},
	}
}

// open makes a cache that ends with the test.
func open(t testing.TB, change func(*readcache.Config), obs readcache.Observer) *readcache.Cache {
	t.Helper()
	cfg := readcache.Defaults()
	if change != nil {
		change(&cfg)
	}
	c, err := readcache.New(cfg, obs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// database counts how often it is asked, and answers with that.
type database struct{ asked atomic.Int64 }

func (d *database) load(context.Context) ([]byte, error) {
	return fmt.Appendf(nil, "answer %d", d.asked.Add(1)), nil
}

// get asks for an answer that is at most as old as that.
func get(t *testing.T, c *readcache.Cache, k readcache.Key, maxAge time.Duration, load readcache.LoadFunc) readcache.Answer {
	t.Helper()
	a, err := c.Do(t.Context(), k, maxAge, load)
	if err != nil {
		t.Error(err)
	}
	return a
}

// reads is a simple question.
func reads(t *registry.Tenant) readcache.Key {
	return readcache.KeyOf(t, readcache.Read{SQL: "select 1"})
}

// noted is an Observer that keeps what it is told.
type noted struct {
	mu    sync.Mutex // guards all
	reads map[readcache.Outcome]int
	asked []error
}

func (n *noted) CacheRead(how readcache.Outcome) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.reads == nil {
		n.reads = map[readcache.Outcome]int{}
	}
	n.reads[how]++
}

func (n *noted) CacheStoreAsked(_ time.Duration, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, err)
}

func (n *noted) count(how readcache.Outcome) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.reads[how]
}
