package integration_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/router"
	"github.com/poolkeeper/poolkeeper/server"
)

// readers leases each tenant's reader.
type readers struct{ *pools.Keeper }

func (r readers) Lease(ctx context.Context, id registry.ID) (*pools.Lease, error) {
	return r.Keeper.Lease(ctx, id.Reader())
}

// asReaders is the siege with the attackers' readers in their place.
func (s *siege) asReaders(t *testing.T) *siege {
	t.Helper()
	r := *s
	r.names = map[string]*control.Record{}
	for name := range s.names {
		record := *s.record(t, s.names[name].ID)
		record.Login = cmp.Or(record.ReadLogin, record.Login)
		r.names[name] = &record
	}
	f := s.poolsFor(t, nil)
	cfg := router.Defaults()
	cfg.Resolvers, cfg.Dev = []string{"path", "header"}, true
	rt, err := router.New(cfg, router.Deps{Tenants: f.registry, Pools: readers{f.Keeper}})
	if err != nil {
		t.Fatal(err)
	}
	sizes := server.Defaults()
	sizes.SQL.MaxResult = 1 << 20
	srv, err := server.New(sizes, server.Deps{Router: rt, Keeper: f.Keeper, Registry: f.registry})
	if err != nil {
		t.Fatal(err)
	}
	serving := httptest.NewServer(srv.Handler())
	t.Cleanup(serving.Close)
	r.url = serving.URL
	return &r
}

// Whoever can only read reaches nobody else, changes nothing, not even of its
// tenant's, and leaves nothing in the sessions.
func TestSQLFromAReaderReachesNobodyAndChangesNothing(t *testing.T) {
	t.Parallel()
	for _, administrator := range administrators() {
		t.Run(administrator, func(t *testing.T) {
			t.Parallel()
			s := newSiege(t, pgtest.Shared(), administrator)
			for _, name := range append(attackers(), "victim", "victim-database") {
				if err := s.operator.MakeReader(t.Context(), "test", s.id(name)); err != nil {
					t.Fatal(err)
				}
			}
			r := s.asReaders(t)
			before, own := s.others(t), s.theirOwn(t)
			t.Run("as", func(t *testing.T) {
				for _, attacker := range attackers() {
					t.Run(attacker, func(t *testing.T) {
						t.Parallel()
						r.readOnly(t, attacker)
					})
				}
			})
			if lost, come := difference(before, s.others(t)); len(lost)+len(come) > 0 {
				t.Errorf("what is others' has changed: lost %q, come %q", lost, come)
			}
			if lost, come := difference(own, s.theirOwn(t)); len(lost)+len(come) > 0 {
				t.Errorf("the readers have changed: lost %q, come %q", lost, come)
			}
		})
	}
}

// theirOwn is all that the attackers have.
func (s *siege) theirOwn(t *testing.T) (all []string) {
	t.Helper()
	for _, name := range attackers() {
		r := s.names[name]
		database := cmp.Or(r.Database, s.database)
		schema := cmp.Or(r.Schema, "public")
		all = append(all, s.once(t, database, "SELECT 'rows "+name+" ' || string_agg(i::text, ',' ORDER BY id) FROM "+schema+".items i"))
		all = append(all, s.catalogue(t, database, []string{})...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// readOnly makes all attacks.
func (s *siege) readOnly(t *testing.T, attacker string) {
	t.Helper()
	session := s.session(t, attacker)
	if login := s.names[attacker].Login; !strings.HasPrefix(session, login+"\n") || login == s.names[attacker].ID.String() {
		t.Fatalf("it is not the reader who attacks, but %s", session)
	}
	for _, assault := range assaults() {
		for _, a := range assault.attacks {
			got := s.attack(t, attacker, a)
			if want := a.outcome(strings.TrimSuffix(attacker, "-ddl")); got.status == http.StatusOK && !slices.Contains(want, "ok") {
				t.Errorf("%s: %d, want %s: %.300s", a.sql, got.status, want, got.text)
			}
			if assault.closely {
				s.sameSession(t, attacker, a.sql, session)
			}
		}
	}
	s.sameSession(t, attacker, "all of it", session)
}
