package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Restart lists the settings whose values differ between two configurations,
// by path: what a running program does not take over from a changed file.
// Tenants and plans are not among them, they are followed as they change; nor
// is what [Config.Retuned] gives.
func (c *Config) Restart(next *Config) []string {
	var changed []string
	mine, theirs := schemaOf(c), schemaOf(next)
	for _, st := range mine.settings {
		if !same(st.field, theirs.byPath[st.path].field) {
			changed = append(changed, st.path)
		}
	}
	for _, name := range names(c, next) {
		before, had := c.Clusters[name]
		after, has := next.Clusters[name]
		if had != has || !sameServer(before, after) {
			changed = append(changed, "clusters."+name)
		}
	}
	return changed
}

// Retuned returns the clusters of both configurations that differ in what a
// running program takes over, as next has them: budget, margin, replicas,
// dials, queue and spares.
func (c *Config) Retuned(next *Config) map[string]registry.Cluster {
	retuned := map[string]registry.Cluster{}
	for name, after := range next.Clusters {
		if before, had := c.Clusters[name]; had && !reflect.DeepEqual(tuning(before), tuning(after)) {
			retuned[name] = after
		}
	}
	return retuned
}

// sameServer reports whether nothing differs that only a restart takes over.
func sameServer(a, b registry.Cluster) bool {
	return a.DSN == b.DSN && a.Admin == b.Admin && a.SpareDSN == b.SpareDSN && slices.Equal(a.Addresses, b.Addresses)
}

// tuning is a cluster without what sameServer compares.
func tuning(c registry.Cluster) registry.Cluster {
	c.DSN, c.Admin, c.SpareDSN, c.Addresses = registry.Secret{}, registry.Secret{}, registry.Secret{}, nil
	return c
}

// same compares values; no list and an empty one mean the same.
func same(a, b reflect.Value) bool {
	if a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// names are the clusters of either.
func names(a, b *Config) []string {
	all := maps.Clone(a.Clusters)
	maps.Copy(all, b.Clusters)
	return slices.Sorted(maps.Keys(all))
}

// Follower holds a changed file to the rules of a start, and keeps what a
// running program is to take over from it until [Follower.Take].
type Follower struct {
	started *Config
	env     []string

	mu    sync.Mutex // guards what follows
	taken *Config    // as of the last Take, at first started
	right *Config    // the last file that Check found right, at first started
	told  string     // the settings of the last Changes.Restart
}

// Changes are what is new in a file.
type Changes struct {
	// Restart lists the settings that wait for the next start; nil when they
	// are those that were told last.
	Restart []string
	// Clusters are those that [Config.Retuned] gives.
	Clusters map[string]registry.Cluster
	// Plans and Documents are those of the file as it is now.
	Plans     map[string]registry.Plan
	Documents []registry.Document
}

// Follow returns a Follower for a program that was started with c. env is what
// Load was given.
func (c *Config) Follow(env []string) *Follower {
	return &Follower{started: c, env: slices.Clone(env), taken: c, right: c}
}

// Check says whether a changed file is right as a whole: give it to registry's
// file source. A file that is wrong anywhere changes nothing, its tenants
// included.
func (f *Follower) Check(data []byte) error {
	next, err := Parse(f.started.path, data, f.env)
	if err != nil {
		return err
	}
	next.Tenants = nil // the source has them
	f.mu.Lock()
	defer f.mu.Unlock()
	f.right = next
	return nil
}

// Take returns what is new since it was called last, or since the start. Call
// it when the file source has told of a reload that went well, and once when
// everything runs: the file may have changed while the program started.
func (f *Follower) Take() Changes {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := Changes{Clusters: f.taken.Retuned(f.right), Plans: f.right.Plans, Documents: f.right.Documents}
	f.taken = f.right
	restart := f.started.Restart(f.right)
	if now := strings.Join(restart, " "); now != f.told {
		f.told = now
		changes.Restart = restart
	}
	return changes
}
