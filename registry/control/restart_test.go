package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// A server whose commits do not wait for the disk loses the last of them in a
// crash, and gives their numbers again: what was seen of them is no more.
func TestADatabaseWhoseServerWasStartedAgainIsReadAgain(t *testing.T) {
	t.Parallel()
	srv, err := pgtest.Start(t.Context(), pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	must(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		must(t, srv.Stop(ctx))
	})
	keyset, err := seal.Generate()
	must(t, err)
	w := &world{TB: t, dsn: srv.AdminDSN(srv.Database(t)), keyset: keyset}
	d := w.serving(poll(200 * time.Millisecond))
	create(t, d, record("acme"))
	until(t, "it is served", func() bool { return status(d, "acme") == registry.StatusActive })
	// What the crash leaves: the record as it was, under a number that is known.
	w.exec(`alter table poolkeeper.tenants disable trigger user;
		update poolkeeper.tenants set status = 'suspended', state = 'suspended';
		alter table poolkeeper.tenants enable trigger user`)
	if got := status(d, "acme"); got != registry.StatusActive {
		t.Fatalf("it is %q before anybody can know", got)
	}
	must(t, srv.Restart(t.Context()))
	until(t, "the state of the database is known", func() bool { return status(d, "acme") == registry.StatusSuspended })
}
