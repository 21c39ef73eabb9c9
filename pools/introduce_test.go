package pools_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

const moodOID = 16400

// register is an AfterConnect as programs have it.
func register(_ context.Context, t *registry.Tenant, c *pgx.Conn) error {
	c.TypeMap().RegisterType(&pgtype.Type{Name: "mood of " + t.ID.String(), OID: moodOID, Codec: &pgtype.EnumCodec{}})
	return nil
}

func TestEveryConnectionOfATenantKnowsTheProgramsTypes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTightWorld(t, 1, func(c *pools.Config) { c.AfterConnect = register })
		for _, name := range []string{"t00", "t01", "t00"} { // dialled once, handed on twice
			c, give := w.hold(t, name)
			known, ok := c.Conn().TypeMap().TypeForOID(moodOID)
			if !ok || known.Name != "mood of "+name {
				t.Errorf("%s knows %+v", name, known)
			}
			give()
			synctest.Wait()
		}
		if n := w.server.Startups(); n != 1 {
			t.Errorf("%d connections were dialled, want 1", n)
		}
		w.endWithin(t, 1)
	})
}

func TestWhatTheProgramDoesToANewSessionIsUndone(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{"a setting": "SET search_path TO nowhere", "a transaction": "BEGIN"} {
		synctest.Test(t, func(t *testing.T) {
			w := newTightWorld(t, 2, func(c *pools.Config) {
				c.AfterConnect = func(ctx context.Context, _ *registry.Tenant, conn *pgx.Conn) error {
					_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
					return err
				}
			})
			look := w.watch()
			for _, tenant := range []string{"t00", "t01"} {
				if err := w.run(t, tenant, "look"); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if g := look(); g.path != `"`+tenant+`"` {
					t.Errorf("%s: a statement of %s saw %+v", name, tenant, g)
				}
			}
			w.endWithin(t, 2)
		})
	}
}

func TestAConnectionThatTheProgramRefusesIsNotLent(t *testing.T) {
	t.Parallel()
	unfit := errors.New("no such type")
	for name, refuse := range map[string]func(context.Context, *registry.Tenant, *pgx.Conn) error{
		"an error": func(context.Context, *registry.Tenant, *pgx.Conn) error { return unfit },
		"a connection that was closed": func(ctx context.Context, _ *registry.Tenant, c *pgx.Conn) error {
			return c.Close(ctx)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newTightWorld(t, 2, func(c *pools.Config) { c.AfterConnect = refuse })
			err := w.run(t, "t00", "select 1")
			mustBe(t, err, pools.ErrDatabase)
			if name == "an error" {
				mustBe(t, err, unfit)
			}
			w.endWithin(t, 2)
		})
	}
}

// trace is a tracer of a program's.
type trace struct {
	mu    sync.Mutex
	begun []string
	ended int
}

type traceKey struct{}

func (r *trace) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.begun = append(r.begun, data.SQL)
	return context.WithValue(ctx, traceKey{}, data.SQL)
}

func (r *trace) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Value(traceKey{}) != nil {
		r.ended++
	}
}

func TestTheProgramsTracerIsToldOfStatementsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &trace{}
		w := newWorld(t, 15, func(c *pools.Config) { c.Tracer = told })
		defer w.end(t)
		l := w.lease(t, "t01")
		defer l.Release()
		for range 2 {
			if _, err := l.Exec(t.Context(), "select 2"); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(told.begun, []string{"select 2", "select 2"}) || told.ended != 2 {
			t.Errorf("told of %q, and of %d ends", told.begun, told.ended)
		}
	})
}
