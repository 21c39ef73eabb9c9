package onboard_test

import (
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A range type comes with functions that cannot be dropped without it.
func TestASchemaWithManyObjectsAndARangeTypeIsDropped(t *testing.T) {
	t.Parallel()
	w := newOrdinaryWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	a.DDL = true
	p := w.provisioner(onboard.Config{})
	w.provision(p, a)
	conn := w.as(a)
	w.exec(conn, "do $$ begin for i in 1 .. 499 loop execute format('create function f%s() returns int language sql as $b$ select 1 $b$', i); end loop; end $$")
	w.exec(conn, "create type span as range (subtype = int)")
	if err := p.Drop(t.Context(), a); err != nil {
		t.Error(err)
	}
}

// The server has a lock for each until the transaction ends.
func TestATenantWithMoreLargeObjectsThanCanBeLockedIsDropped(t *testing.T) {
	t.Parallel()
	w := newOrdinaryWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	p := w.provisioner(onboard.Config{})
	w.provision(p, a)
	conn := w.as(a)
	for range 40 {
		w.exec(conn, "select lo_create(0) from generate_series(1, 1000)")
	}
	if err := p.Drop(t.Context(), a); err != nil {
		t.Error(err)
	}
}
