package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
)

func TestASpareThatSomebodyIsTakingIsPassedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	for _, name := range names(2) {
		must(t, d.AddSpare(t.Context(), spare(name)))
		must(t, d.SpareReady(t.Context(), id(name), 1))
	}
	tx, err := w.conn().Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), "update poolkeeper.spares set taken_by = 'globex' where id = 'n1'")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // nobody is to be waited for
	defer cancel()
	got, err := d.TakeSpare(ctx, id("acme"), "gold", "", registry.IsolationSchema)
	if err != nil || got == nil || got.ID != id("n2") {
		t.Errorf("while n1 is being taken: %+v, %v", got, err)
	}
	must(t, tx.Commit(t.Context()))
}
