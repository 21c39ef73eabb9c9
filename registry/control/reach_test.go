package control_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestWhatPassesByItselfIsToldFromWhatSomebodyHasToMend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	closed := listener.Addr().String()
	must(t, listener.Close())
	owner := "owner_of_" + w.name()
	w.exec("create role " + owner + " login password 'right' connection limit 0")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, w.dsn)
		must(t, err)
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "drop role "+owner)
		must(t, err)
	})
	for name, c := range map[string]struct {
		dsn   string
		fails bool
		away  bool
	}{
		"there":                     {w.dsn, false, false},
		"nobody listens":            {"postgres://u:hush@" + closed + "/x", true, true},
		"no connection left":        {pgtest.Shared().DSN(w.name(), owner, "right"), true, true},
		"another password":          {pgtest.Shared().DSN(w.name(), owner, "hush"), true, false},
		"a database that is no one": {pgtest.Shared().AdminDSN("nothing_of_this_name"), true, false},
	} {
		cfg := w.config()
		cfg.DSN = registry.NewSecret(c.dsn)
		d, err := control.New(cfg, control.Options{})
		must(t, err)
		away, err := d.Reach(soon(t))
		if (err != nil) != c.fails || away != c.away || err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: away is %t, %v", name, away, err)
		}
		d.Close()
	}
}
