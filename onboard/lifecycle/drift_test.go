package lifecycle_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// A connection for each of thousands of tenants would take minutes.
func TestTheVersionsOfAFleetAreReadOnFewConnections(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	w := newWorld(t, func(w *world) {
		w.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	})
	const tenants = 12
	var file strings.Builder
	file.WriteString("tenants:\n")
	for n := range tenants {
		fmt.Fprintf(&file, "  %s: {cluster: main, isolation: schema}\n", w.id(fmt.Sprintf("t%02d", n)))
	}
	w.done(w.operator.Apply(w.soon(), "test", []registry.Document{{Path: "f.yaml", Data: []byte(file.String()), Declares: true}}))
	conn, err := pgx.Connect(w.soon(), w.clusters["main"].Admin.Reveal())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(w.soon()) })
	for _, name := range []string{"t03", "t07"} {
		_, err = conn.Exec(w.soon(), "delete from "+pgx.Identifier{w.record(name).Schema, "goose_db_version"}.Sanitize())
		must(t, err)
	}
	dials.Store(0)
	status, err := w.operator.MigrationStatus(w.soon(), true)
	must(t, err)
	if len(status.Drift) != 2 || status.Drift[0].Tenant != w.id("t03") || status.Drift[1].Tenant != w.id("t07") || status.Drift[1].Mirror != 1 || status.Drift[1].Actual != 0 {
		t.Errorf("the drift is %+v", status.Drift)
	}
	if got := dials.Load(); got >= tenants {
		t.Errorf("%d connections were opened for %d tenants of one database", got, tenants)
	}
}
