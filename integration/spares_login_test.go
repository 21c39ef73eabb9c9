//go:build setuser

package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// What a dial would have been refused for, or have brought with it, is dialled.
func TestASpareIsNotForALoginThatHasToBeDialled(t *testing.T) {
	t.Parallel()
	s := newSpared(t, newGate(t, nil), nil, "initech", "umbrella", "hooli")
	database := s.database
	for _, c := range []struct{ name, change, undo, code, want, after string }{
		{name: "acme", change: "ALTER ROLE acme SET work_mem = '7MB'", undo: "ALTER ROLE acme RESET ALL", want: pools.StartDial, after: pools.StartDial},
		{
			// What onboarding sets, and the pin as well.
			name: "globex", change: "ALTER ROLE globex SET search_path = globex; ALTER ROLE globex SET statement_timeout = 1000",
			undo: "ALTER ROLE globex RESET ALL", want: pools.StartSpare, after: pools.StartSpare,
		},
		{name: "initech", change: "ALTER ROLE initech NOLOGIN", undo: "ALTER ROLE initech LOGIN", code: "28000", after: pools.StartSpare},
		{
			name: "umbrella", change: "REVOKE CONNECT ON DATABASE " + database + " FROM umbrella",
			undo: "GRANT CONNECT ON DATABASE " + database + " TO umbrella", code: "42501", after: pools.StartSpare,
		},
		{
			name: "hooli", change: "GRANT EXECUTE ON FUNCTION gate.set_session_auth(text) TO hooli",
			undo: "REVOKE EXECUTE ON FUNCTION gate.set_session_auth(text) FROM hooli", want: pools.StartDial, after: pools.StartDial,
		},
	} {
		t.Run(c.change, func(t *testing.T) {
			s.awaitSpares(t, spareCount)
			s.starts(t, c.name, pools.StartDial)
			s.gate.admin(t, c.change)
			s.cold(t, c.name)
			spares := s.seen.of("opened spare")
			if c.code == "" {
				s.starts(t, c.name, c.want)
			} else {
				s.isShutOut(t, c.name, c.code)
			}
			s.gate.admin(t, c.undo)
			<-time.After(20 * time.Millisecond) // the longest back-off
			if c.code != "" {
				if got := s.seen.of("opened spare"); got != spares {
					t.Errorf("%d spares became a login that may not connect", got-spares)
				}
				s.starts(t, c.name, pools.StartDial) // which proves it anew
			}
			s.cold(t, c.name)
			s.starts(t, c.name, c.after)
		})
	}
	s.closed(t)
}

// isShutOut expects the server's refusal of the login, time after time.
func (s *spared) isShutOut(t *testing.T, name, want string) {
	t.Helper()
	l := s.lease(t, name)
	defer l.Release()
	for range 4 {
		_, err := l.Exec(t.Context(), "SELECT 1")
		if !errors.Is(err, pools.ErrDatabase) || code(err) != want && code(err) != "" {
			t.Errorf("tenant %s, who may not connect: %v", name, err)
		}
		<-time.After(6 * time.Millisecond)
	}
}

// A spare does not see the password, so one that was changed on the server
// alone is believed in until a dial fails; not longer.
func TestASpareIsNotForALoginWhosePasswordFailed(t *testing.T) {
	t.Parallel()
	s := newSpared(t, newGate(t, nil), nil)
	spares := func(n int) {
		settings, _ := s.Cluster("main")
		settings.Spares = n
		if err := s.SetCluster("main", settings); err != nil {
			t.Fatal(err)
		}
		s.awaitSpares(t, n)
	}
	s.starts(t, "acme", pools.StartDial)
	s.gate.admin(t, "ALTER ROLE acme PASSWORD 'another'")
	s.cold(t, "acme")
	s.starts(t, "acme", pools.StartSpare)

	spares(0)
	s.Evict(id("acme"))
	s.isShutOut(t, "acme", "28P01")
	spares(spareCount)
	s.isShutOut(t, "acme", "28P01")

	s.gate.admin(t, "ALTER ROLE acme PASSWORD '"+password+"'")
	<-time.After(20 * time.Millisecond) // the longest back-off
	s.starts(t, "acme", pools.StartDial)
	s.cold(t, "acme")
	s.starts(t, "acme", pools.StartSpare)
	s.closed(t)
}

// tenantsOf is a pools.Tenants that nobody has checked.
type tenantsOf map[string]*registry.Tenant

func (m tenantsOf) Tenant(_ context.Context, id registry.ID) (*registry.Tenant, error) {
	if t, ok := m[id.String()]; ok {
		return t, nil
	}
	return nil, registry.ErrUnknown
}

// With the spares' own login, SQL could make the session any tenant's.
func TestNoTenantUsesTheLoginOfTheSpares(t *testing.T) {
	t.Parallel()
	g := newGate(t, nil)
	record := ownTenant("acme")
	record.Login = "gateway"
	foreign := ownTenant("globex")
	foreign.Login, foreign.Password = "", registry.Secret{}
	foreign.DSN = registry.NewSecret(g.server.DSN(g.database, "gateway", password))
	cfg := pools.Defaults()
	cfg.Clusters = map[string]registry.Cluster{"main": {
		DSN:      registry.NewSecret(g.server.DSN(g.database, "app", password)),
		SpareDSN: registry.NewSecret(g.server.DSN(g.database, "gateway", password)),
	}}
	k, err := pools.New(cfg, tenantsOf{"acme": record, "globex": foreign}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := k.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"acme", "globex"} {
		if _, err := k.Lease(t.Context(), id(name)); !errors.Is(err, pools.ErrRecord) {
			t.Errorf("tenant %s is lent the login of the spares: %v", name, err)
		}
	}
}

// A gateway that has powers of its own, or that others may become, is no
// gateway.
func TestNoSpareIsOpenedByALoginThatIsNotFitForIt(t *testing.T) {
	t.Parallel()
	for _, unfit := range []string{
		"GRANT gateway TO acme", "GRANT pg_read_all_data TO gateway", "ALTER ROLE gateway CREATEROLE",
		"REVOKE EXECUTE ON FUNCTION gate.set_session_auth(text) FROM gateway", "DROP EXTENSION set_user",
	} {
		t.Run(unfit, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, nil)
			g.admin(t, unfit)
			s := newSpared(t, g, nil)
			for range 2 {
				s.starts(t, "globex", pools.StartDial)
				s.Evict(id("globex"))
				s.settled(t)
			}
			if n := s.seen.of("opened spare") + s.Budgets()[0].Spares; n != 0 {
				t.Errorf("there are %d spares", n)
			}
			s.closed(t)
		})
	}
}
