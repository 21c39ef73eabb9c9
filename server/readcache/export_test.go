package readcache

// Generations counts the tenants whose generation is remembered.
func (c *Cache) Generations() int {
	c.generations.mu.Lock()
	defer c.generations.mu.Unlock()
	return len(c.generations.known)
}

// Entries counts the answers.
func (c *Cache) Entries() int { return c.entries.EstimatedSize() }
