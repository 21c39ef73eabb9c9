package registry

// Cached tells tests how many records and how many unknown ids are remembered,
// by what a lookup would find.
func (r *Registry) Cached() (known, absent int) {
	count := func(c *cache) (n int) {
		c.entries.Range(func(any, any) bool { n++; return true })
		return n
	}
	return count(r.known), count(r.absent)
}
