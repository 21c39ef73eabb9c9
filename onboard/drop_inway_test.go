package onboard_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What is left in a database that nobody can enter could not be removed by
// anybody. So it is told first, and the doors stay as they are.
func TestADropSaysWhatIsInTheWayBeforeItShutsTheDoors(t *testing.T) {
	t.Parallel()
	server := pgtest.StartWith(t, pgtest.Settings{"max_prepared_transactions": "5"})
	admin := &world{t: t, srv: server}
	for what, c := range map[string]struct {
		isolation registry.Isolation
		begin     []string
		end       string
	}{
		"prepared transaction": {registry.IsolationDatabase, []string{"begin", "insert into items (name) values ('x')", "prepare transaction 'NAME'"}, "rollback prepared 'NAME'"},
		"prepared":             {registry.IsolationSchema, []string{"begin", "insert into items (name) values ('x')", "prepare transaction 'NAME'"}, "rollback prepared 'NAME'"},
		"subscription": {
			registry.IsolationDatabase,
			[]string{"create subscription \"NAME\" connection 'dbname=nowhere' publication p with (connect = false, slot_name = none)"},
			`drop subscription "NAME"`,
		},
	} {
		w := &world{t: t, srv: server, prefix: fmt.Sprintf("w%dx", numbers.Add(1)), database: server.Database(t)}
		w.setAdmin(server.AdminDSN(w.database))
		a := w.tenant("a", c.isolation)
		p := w.provisioner(onboard.Config{Migrations: tenantTables(t)})
		w.provision(p, a)
		conn := w.as(a)
		if c.end != "" && strings.HasPrefix(c.begin[0], "create") {
			conn = admin.connect(server.AdminDSN(a.Database))
		}
		for _, sql := range c.begin {
			w.exec(conn, strings.ReplaceAll(sql, "NAME", w.prefix))
		}
		if err := p.Drop(t.Context(), a); !errors.Is(err, onboard.ErrInWay) || !contains(err, what, w.prefix, "drop the tenant again") {
			t.Errorf("%s: %v", what, err)
		}
		w.exec(w.as(a), "select") // the doors are open
		database := a.Database
		if database == "" {
			database = w.database
		}
		w.exec(w.connect(server.AdminDSN(database)), strings.ReplaceAll(c.end, "NAME", w.prefix))
		if err := p.Drop(t.Context(), a); err != nil {
			t.Errorf("%s: after its end: %v", what, err)
		}
	}
}

// A session that stays, a dump's for example, is named long before the time
// for the whole work is over.
func TestADropNamesWhoHoldsTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.tenant("a", registry.IsolationSchema)
	w.provision(w.provisioner(everything(t)), a)
	cfg := everything(t)
	cfg.Timeout = 20 * time.Second
	p := w.provisioner(cfg)
	reading := w.connect(w.srv.AdminDSN(w.database))
	w.exec(reading, "begin")
	w.exec(reading, "lock table "+a.Schema+".items in access share mode")
	if err := p.Drop(t.Context(), a); !errors.Is(err, onboard.ErrInWay) || !contains(err, fmt.Sprint("process ", reading.PgConn().PID())) {
		t.Errorf("got %v", err)
	}
	w.exec(reading, "rollback")
	if err := p.Drop(t.Context(), a); err != nil {
		t.Error(err)
	}
}
