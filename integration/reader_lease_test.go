package integration_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/onboard/lifecycle"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

// readable makes a tenant with a reader.
func (p *plane) readable(t testing.TB, name string, isolation registry.Isolation, ddl bool) *control.Record {
	t.Helper()
	spec := lifecycle.Spec{Tenant: registry.Tenant{ID: p.id(name), Isolation: isolation}, DDL: &ddl}
	op, err := p.operator.Add(t.Context(), "test", spec)
	p.done(t, op, err)
	if err := p.operator.MakeReader(t.Context(), "test", spec.Tenant.ID); err != nil {
		t.Fatal(err)
	}
	return p.record(t, spec.Tenant.ID)
}

// ask runs a statement in a lease, on a connection that is ended afterwards
// when discard is set.
func ask(ctx context.Context, k *pools.Keeper, id registry.ID, discard bool, statements ...string) error {
	l, err := k.Lease(ctx, id)
	if err != nil {
		return err
	}
	defer l.Release()
	c, err := l.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	if discard {
		c.Discard()
	}
	for _, sql := range statements {
		if _, err := c.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

func stateOf(err error) string {
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	return ""
}

func TestALeaseOfTheReaderReadsAndCannotWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		isolation registry.Isolation
		ddl       bool
	}{"schema": {registry.IsolationSchema, false}, "ddl": {registry.IsolationSchema, true}, "database": {registry.IsolationDatabase, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, nil)
			k := p.keeper(t, nil)
			plain := p.add(t, "plain", registry.IsolationSchema)
			if err := ask(t.Context(), k, plain.ID.Reader(), false, "select 1"); !errors.Is(err, registry.ErrNoReader) {
				t.Errorf("without a reader: %v", err)
			}
			r := p.readable(t, "acme", c.isolation, c.ddl)
			if err := ask(t.Context(), k, r.ID, false, "insert into items (id) values (2)"); err != nil {
				t.Fatal(err)
			}
			if err := ask(t.Context(), k, r.ID.Reader(), false, "select 1 / (count(*) - 1) from items where id in (1, 2)"); err != nil {
				t.Errorf("it reads: %v", err)
			}
			if c.ddl {
				if err := ask(t.Context(), k, r.ID, false, "create table mine (id int)"); err != nil {
					t.Fatal(err)
				}
				if err := ask(t.Context(), k, r.ID.Reader(), false, "select * from mine"); err != nil {
					t.Errorf("it reads what the tenant made: %v", err)
				}
			}
			for _, sql := range []string{"insert into items (id) values (3)", "delete from items", "update items set id = 4", "truncate items", "drop table items", "create table x (id int)"} {
				err := ask(t.Context(), k, r.ID.Reader(), false, "begin", "set transaction read write", sql)
				if stateOf(err) != "42501" {
					t.Errorf("%s: %v", sql, err)
				}
			}
			p.has(t, r, 2)
		})
	}
}

func TestAReaderIsOutOfServiceWithItsTenant(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	k := p.keeper(t, nil)
	r := p.readable(t, "acme", registry.IsolationSchema, false)
	query := func() error { return ask(t.Context(), k, r.ID.Reader(), false, "select * from items") }
	if err := query(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.operator.Suspend(t.Context(), "test", r.ID, 0, "unpaid"); err != nil {
		t.Fatal(err)
	}
	if err := query(); !errors.Is(err, registry.ErrInactive) {
		t.Errorf("suspended, it gets %v", err)
	}
	eventually(t, "its connections to end", func() bool { return len(k.Stats()) == 0 })
	if _, err := p.operator.Resume(t.Context(), "test", r.ID, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it to be served again", func() bool { return query() == nil })
	op, err := p.operator.Retire(t.Context(), "test", r.ID, 0, false)
	p.done(t, op, err)
	op, err = p.operator.Delete(t.Context(), "test", r.ID, r.ID.String(), false)
	p.done(t, op, err)
	c, err := pgx.Connect(t.Context(), p.setup.Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	if left := p.texts(t.Context(), t, c, "select rolname::text from pg_roles where rolname in ($1, $2)", r.Login, r.ReadLogin); len(left) > 0 {
		t.Errorf("the server still has %q", left)
	}
}

// Criterion: both passwords of a tenant are rotated under load without one
// failed request, in a process that hears of it and in one that has to ask.
func TestARotationOfBothLoginsFailsNoRequest(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	k := p.keeper(t, nil)
	r := p.readable(t, "acme", registry.IsolationSchema, false)
	var good [2]atomic.Int64
	var stop atomic.Bool
	var workers sync.WaitGroup
	for pool, id := range []registry.ID{r.ID, r.ID.Reader()} {
		for range 3 {
			workers.Go(func() {
				for i := 0; !stop.Load(); i++ {
					if err := ask(t.Context(), k, id, i%3 == 0, "select count(*) from items"); err != nil {
						t.Errorf("%v: a request failed: %v", id, err)
						return
					}
					good[pool].Add(1)
				}
			})
		}
	}
	passwords := map[registry.Secret]bool{r.ReadPassword: true}
	for range 4 {
		p.rotated(t, r.ID)
		passwords[p.record(t, r.ID).ReadPassword] = true
		for pool := range good { // each rotation is between requests of both
			was := good[pool].Load()
			eventually(t, "requests after the rotation", func() bool { return good[pool].Load() > was+10 || t.Failed() })
		}
	}
	stop.Store(true)
	workers.Wait()
	if len(passwords) != 5 {
		t.Errorf("the reader had %d passwords, want 5", len(passwords))
	}
}

// rotated rotates. A request that met the change of a password has the tenant
// to itself for a moment, in which the next rotation is refused as one too many.
func (p *plane) rotated(t *testing.T, id registry.ID) {
	t.Helper()
	var op control.Operation
	eventually(t, "a rotation while nobody looks at the password", func() bool {
		begun, err := p.operator.Rotate(t.Context(), "test", id)
		if err != nil {
			t.Fatal(err)
		}
		op = p.ended(t, begun)
		return !strings.Contains(op.Error, "is busy: password by")
	})
	p.done(t, op, nil)
}

func TestAPasswordThatAReaderChangedIsSetBack(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	k := p.keeper(t, nil)
	r := p.readable(t, "acme", registry.IsolationSchema, false)
	if err := ask(t.Context(), k, r.ID.Reader(), true, "alter role "+pgx.Identifier{r.ReadLogin}.Sanitize()+" password 'mine'"); err != nil {
		t.Fatal(err)
	}
	if err := ask(t.Context(), k, r.ID.Reader(), true, "select * from items"); err != nil {
		t.Errorf("after it was changed: %v", err)
	}
	if p.record(t, r.ID).ReadPassword != r.ReadPassword {
		t.Error("the record has another password")
	}
	events, err := p.operator.Events(t.Context(), r.ID, 0, 10)
	if err != nil || events[0].Action != "tenant.read_password_restored" || events[0].Actor != "poolkeeper" {
		t.Errorf("the trail says %+v, %v", events[0], err)
	}
	p.works(t, r)
}

func TestATenantThatIsBehindIsMigratedBeforeItsReaderReads(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	r := p.readable(t, "acme", registry.IsolationSchema, false)
	p.migration(t, "00002_more.sql", "-- +goose Up\nCREATE TABLE more (id int);\n")
	db, _, operator := p.setup.open(t.Context(), t, p.log, nil)
	t.Cleanup(db.Close)
	t.Cleanup(operator.Close)
	k := p.keeper(t, func(cfg *pools.Config) { cfg.Prepare = operator.Prepare })
	if err := ask(t.Context(), k, r.ID.Reader(), false, "select * from more"); err != nil {
		t.Errorf("a table of a migration that was missing: %v", err)
	}
	reader := r.Tenant
	reader.ID = r.ID.Reader()
	if err := operator.Prepare(t.Context(), &reader); err != nil {
		t.Errorf("asked for a reader: %v", err)
	}
}

func TestAReaderWhoseMakingWasCutShortIsFinished(t *testing.T) {
	t.Parallel()
	p := newPlane(t, nil)
	finish := map[string]func(id registry.ID) error{
		"asking again": func(id registry.ID) error { return p.operator.MakeReader(t.Context(), "test", id) },
		"provisioning": func(id registry.ID) error {
			op, err := p.operator.Provision(t.Context(), "test", id)
			p.done(t, op, err)
			return err
		},
	}
	for how, again := range finish {
		r := p.add(t, strings.ReplaceAll(how, " ", ""), registry.IsolationSchema)
		ctx, cancel := context.WithCancel(t.Context())
		err := p.operator.MakeReader(onboard.WithSteps(ctx, func(step string) {
			if step == "privileges of the reader" {
				cancel()
			}
		}), "test", r.ID)
		if err == nil {
			t.Fatalf("%s: it was not cut short", how)
		}
		cut := p.record(t, r.ID)
		if cut.ReadLogin == "" || cut.ReadPassword.IsZero() {
			t.Errorf("%s: the record does not say what was begun: %q", how, cut.ReadLogin)
		}
		if err := again(r.ID); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		whole := p.record(t, r.ID)
		if whole.ReadLogin != cut.ReadLogin || whole.ReadPassword != cut.ReadPassword {
			t.Errorf("%s: the reader is another", how)
		}
		whole.Login, whole.Password = whole.ReadLogin, whole.ReadPassword
		p.works(t, whole)
	}
}
