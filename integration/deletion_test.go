package integration_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Whoever looks while data is being dropped has to see that there is no way
// back: a tenant that is half gone must not be made real or served again.
func TestADeletionIsMarkedBeforeAnythingIsDropped(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.add(t, "acme", registry.IsolationSchema)
	op, err := p.operator.Retire(t.Context(), "test", r.ID, 0, false)
	p.done(t, op, err)
	var drops atomic.Int64
	db, _, operator := p.setup.open(t.Context(), t, p.log, func(_, step string) {
		if !strings.HasPrefix(step, "drop: ") {
			return
		}
		drops.Add(1)
		ctx := context.WithoutCancel(t.Context())
		if now, err := p.db.Record(ctx, r.ID); err != nil || !now.Deleting {
			t.Errorf("at %q the record says %+v, %v", step, now, err)
		}
		if _, err := p.operator.Provision(ctx, "test", r.ID); err == nil {
			t.Errorf("at %q the tenant may be made real", step)
		}
	})
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	op, err = operator.Delete(t.Context(), "test", r.ID, r.ID.String(), false)
	p.done(t, op, err)
	if drops.Load() == 0 {
		t.Error("nothing was dropped")
	}
}
