package pools_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/pools/poolstest"
	"github.com/poolkeeper/poolkeeper/registry"
)

// A password that changes while its pool lives costs a dial, and no caller.

// rotate has t00 log in with a password, and the record know another one too.
func (w *world) rotate(now, next string) {
	w.edit("t00", func(t *registry.Tenant) {
		t.Password, t.NextPassword = registry.NewSecret(now), registry.NewSecret(next)
	})
}

// asked counts the calls of a Refresh that answers with *answer.
func asked(answer *string, err *error) (count func() int, refresh func(context.Context, *registry.Tenant) (registry.Secret, error)) {
	calls := make(chan int, 1)
	calls <- 0
	count = func() int { n := <-calls; calls <- n; return n }
	return count, func(ctx context.Context, _ *registry.Tenant) (registry.Secret, error) {
		calls <- 1 + <-calls
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return registry.Secret{}, ctx.Err()
		}
		return registry.NewSecret(*answer), *err
	}
}

// mustSayWrongPassword sees that err is the server's refusal of a password.
func mustSayWrongPassword(t *testing.T, err error) {
	t.Helper()
	mustBe(t, err, pools.ErrDatabase)
	if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "28P01" {
		t.Errorf("error is %v, want 28P01", err)
	}
}

func TestThePasswordThatIsAboutToBeInForceIsTriedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, func(c *pools.Config) { onMain(c, func(main *registry.Cluster) { main.Budget = 1 }) })
		w.rotate("old", "new")
		w.server.SetPassword("t00", "old")
		w.use(t, "t00")
		c, give := w.hold(t, "t00")
		w.server.SetPassword("t00", "new")
		c.Discard()
		give()
		w.use(t, "t00")
		if n := w.server.Refused(); n != 1 {
			t.Errorf("%d passwords were refused, want 1", n)
		}
		c, give = w.hold(t, "t00")
		c.Discard()
		give()
		w.use(t, "t00")
		if n := w.server.Refused(); n != 1 {
			t.Error("the password that worked was forgotten")
		}
		if n := w.stat().BreakersOpen; n != 0 {
			t.Errorf("%d breakers are open", n)
		}
		w.endWithin(t, 1)
	})
}

func TestARotationThatIsGivenUpIsFollowedBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		w.rotate("old", "new")
		for _, now := range []string{"new", "old", "new"} {
			w.server.SetPassword("t00", now)
			c, give := w.hold(t, "t00")
			c.Discard()
			give()
		}
		if n := w.server.Refused(); n != 3 {
			t.Errorf("%d passwords were refused, want 3", n)
		}
		w.endWithin(t, 200)
	})
}

func TestThePasswordOfTheClustersLoginIsNotTriedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer, failure := "new", error(nil)
		count, refresh := asked(&answer, &failure)
		w := newTightWorld(t, 2, func(c *pools.Config) { c.Refresh = refresh })
		w.edit("t00", func(t *registry.Tenant) { t.NextPassword = registry.NewSecret("new") })
		w.server.SetPassword("shared", "new")
		mustSayWrongPassword(t, w.run(t, "t00", "select 1"))
		if n := count(); n != 0 || w.server.Refused() != 1 {
			t.Errorf("Refresh was called %d times, %d passwords were refused", n, w.server.Refused())
		}
		w.endWithin(t, 2)
	})
}

func TestATenantWithAConnectionStringOfItsOwnIsAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer, failure := "new", error(nil)
		_, refresh := asked(&answer, &failure)
		w := newWorld(t, 15, func(c *pools.Config) { c.Refresh = refresh })
		w.edit("t00", func(t *registry.Tenant) {
			t.Login, t.DSN = "", registry.NewSecret("postgres://own:old@127.0.0.1:5432/app?sslmode=disable")
		})
		w.server.SetPassword("own", "new")
		w.use(t, "t00")
		w.endWithin(t, 200)
	})
}

func TestARefusalThatIsNotThePasswordsIsNotTriedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		w.rotate("old", "new")
		w.server.OnStart(func(*poolstest.Session) error { return poolstest.Fail("28000", "may not log in") })
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrDatabase)
		if n := w.server.Dials(); n != 1 {
			t.Errorf("%d dials", n)
		}
		w.endWithin(t, 200)
	})
}

func TestAPinThatIsRefusedAfterAnotherPasswordIsNoFailureOfTheLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 15, nil)
		w.rotate("old", "new")
		w.server.SetPassword("t00", "new")
		w.server.LosePins(true)
		w.server.Script(`SET search_path TO "t00"`, func(*poolstest.Session) error { return poolstest.Fail("3F000", "no such schema") })
		mustBe(t, w.run(t, "t00", "select 1"), pools.ErrPin)
		if n := w.stat().BreakersOpen; n != 0 {
			t.Errorf("%d breakers are open", n)
		}
		w.endWithin(t, 200)
	})
}

func TestALoginWhosePasswordChangedIsProvenAnewBeforeItGetsSpares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newGatedWorld(t, 5, 1)
		w.edit("t00", func(t *registry.Tenant) { t.NextPassword = registry.NewSecret("new") })
		w.server.ShutGate("gate") // so that it is dialled
		_, first := w.hold(t, "t00")
		w.server.SetPassword("t00", "new")
		_, second := w.hold(t, "t00")
		w.server.OpenGate("gate")
		first()
		second()
		w.rotate("new", "") // which the server has let in
		w.Evict(id("t00"))
		time.Sleep(time.Minute)
		spares := w.seen.count("acquire spare")
		w.use(t, "t00")
		if n := w.seen.count("acquire spare") - spares; n != 1 {
			t.Errorf("observed %v", w.seen.counts)
		}
		w.rotate("pw", "")
		w.Evict(id("t00"))
		time.Sleep(time.Minute)
		mustSayWrongPassword(t, w.run(t, "t00", "select 1")) // its record's is not in force: no spare gets around that
		w.endWithin(t, 5)
	})
}
