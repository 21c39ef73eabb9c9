package control_test

import (
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// Notifications are hints: one may be lost though the connection is well.
func TestAChangeThatNobodyTellsIsFoundByLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, other := w.serving(poll(200*time.Millisecond), ttl(time.Second)), w.open()
	create(t, other, record("acme"))
	until(t, "it is served", func() bool { return d.Count()[registry.StatusActive] == 1 })
	w.exec("alter table poolkeeper.tenants disable trigger tenants_tell")
	update(t, other, "acme", func(r *control.Record) { r.State = registry.StatusSuspended })
	// Lookups would go past what is in memory after a while, so they prove nothing.
	until(t, "it is found", func() bool { return d.Count()[registry.StatusSuspended] == 1 })
}
