package registry_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/sourcetest"
)

// readable is a record with a reader.
func readable(id string) *registry.Tenant {
	t := tenant(id)
	t.Password, t.ReadLogin, t.ReadPassword = registry.NewSecret("write"), id+"_reader", registry.NewSecret("read")
	return t
}

func TestTheIDOfAReaderIsNoTenants(t *testing.T) {
	t.Parallel()
	reader := acme.Reader()
	if _, err := registry.ParseID(reader.String()); !errors.Is(err, registry.ErrInvalidID) {
		t.Errorf("%q was parsed: %v", reader, err)
	}
	if !reader.IsReader() || acme.IsReader() || reader.Tenant() != acme || acme.Tenant() != acme || reader.Reader() != reader {
		t.Errorf("%q of %q", reader, acme)
	}
	if none := (registry.ID{}); none.Reader() != none || none.Tenant() != none || none.IsReader() {
		t.Error("nobody has a reader")
	}
}

func TestTheRecordOfAReaderIsTheTenantsWithAnotherLogin(t *testing.T) {
	t.Parallel()
	given := readable("acme")
	given.DDL, given.NextPassword = true, registry.NewSecret("next")
	given.Limits = registry.Limits{MaxConns: 3, GuaranteedConns: 2, Rate: 1.5}
	given.Labels = map[string]string{"a": "b"}
	r := newRegistry(t, newStatic(t, given), nil)
	whole, err := r.Tenant(t.Context(), acme)
	must(t, err)
	got, err := r.Tenant(t.Context(), acme.Reader())
	must(t, err)
	want := *whole
	want.ID, want.Login, want.Password = acme.Reader(), "acme_reader", registry.NewSecret("read")
	want.NextPassword, want.ReadLogin, want.ReadPassword = registry.Secret{}, "", registry.Secret{}
	want.DDL, want.Limits.GuaranteedConns = false, 0
	if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) || got.Password != want.Password {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
	if whole.ID != acme || whole.Login != "acme" || whole.NextPassword.Reveal() != "next" {
		t.Errorf("the tenant's own record is %+v", whole)
	}
	if again, _ := r.Tenant(t.Context(), acme.Reader()); again != got {
		t.Error("it was made a second time")
	}
}

func TestAReaderIsRefusedAsItsTenantIs(t *testing.T) {
	t.Parallel()
	r := newRegistry(t, newStatic(t, tenant("acme"), suspend(readable("hooli"))), nil)
	for id, want := range map[registry.ID]error{
		acme.Reader():                              registry.ErrNoReader,
		registry.MustParseID("hooli").Reader():     registry.ErrInactive,
		registry.MustParseID("nobody").Reader():    registry.ErrUnknown,
		registry.MustParseID("acme-read").Reader(): registry.ErrUnknown,
	} {
		for range 2 { // from the source and from the cache
			if got, err := r.Tenant(t.Context(), id); !errors.Is(err, want) || got != nil {
				t.Errorf("%s: %v, %v; want %v", id, got, err, want)
			}
		}
	}
	if known, absent := r.Cached(); known != 2 || absent != 2 {
		t.Errorf("%d records and %d unknown ids are cached; readers are none", known, absent)
	}
}

func TestAHitOfAReaderAllocatesNothing(t *testing.T) {
	r := newRegistry(t, newStatic(t, readable("acme"), tenant("hooli")), nil)
	ctx, reader, none := t.Context(), acme.Reader(), registry.MustParseID("hooli").Reader()
	lookups := func() {
		_, _ = r.Tenant(ctx, reader)
		_, _ = r.Tenant(ctx, none)
	}
	lookups()
	if n := testing.AllocsPerRun(1000, lookups); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestATenantAndItsReaderAreOneQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := newFake(readable("acme"))
		src.leave = make(chan struct{})
		r := newRegistry(t, src, nil)
		var callers sync.WaitGroup
		for i, id := range []registry.ID{acme, acme.Reader(), acme, acme.Reader()} {
			callers.Go(func() {
				if got, err := r.Tenant(t.Context(), id); err != nil || got.ID != id {
					t.Errorf("caller %d: %v, %v", i, got, err)
				}
			})
		}
		synctest.Wait()
		close(src.leave)
		callers.Wait()
		if n, m := src.questions(acme), src.questions(acme.Reader()); n != 1 || m != 0 {
			t.Errorf("the source was asked %d times for the tenant and %d times for the reader", n, m)
		}
	})
}

func TestEveryChangeIsToldOfTheReaderTooOnceItIsForgotten(t *testing.T) {
	t.Parallel()
	static := newStatic(t, readable("acme"))
	r := newRegistry(t, static, nil)
	var told []string
	r.Subscribe(func(c registry.Change) {
		if c.ID.Tenant() != acme {
			return
		}
		_, err := r.Tenant(context.WithoutCancel(t.Context()), acme.Reader())
		told = append(told, fmt.Sprintf("%s %s: %v", c.ID, c.Kind, err))
	})
	running(t, r, static, readable("acme"))
	_, err := r.Tenant(t.Context(), acme.Reader())
	must(t, err)
	must(t, static.Replace(tenant("acme")))
	must(t, static.Replace(suspend(readable("acme"))))
	must(t, static.Replace())
	want := []string{
		`acme changed: registry: tenant has no login that can only read: "acme"`,
		`acme+read changed: registry: tenant has no login that can only read: "acme"`,
		`acme suspended: registry: tenant is not active: "acme" is suspended`,
		`acme+read suspended: registry: tenant is not active: "acme" is suspended`,
		`acme removed: registry: unknown tenant: "acme"`,
		`acme+read removed: registry: unknown tenant: "acme"`,
	}
	if fmt.Sprintf("%q", told) != fmt.Sprintf("%q", want) {
		t.Errorf("subscribers were told, and saw,\n%q\nwant\n%q", told, want)
	}
}

// Of the tenant's own pool nothing changes then: the reader's finds out that
// its own record differs.
func TestAReadersPasswordAloneIsNoReasonToReplaceTheTenantsPool(t *testing.T) {
	t.Parallel()
	static := newStatic(t, readable("acme"))
	r := newRegistry(t, static, nil)
	var told []string
	r.Subscribe(func(c registry.Change) {
		if c.ID.Tenant() == acme {
			told = append(told, c.ID.String()+" "+string(c.Kind))
		}
	})
	running(t, r, static, readable("acme"))
	next := readable("acme")
	next.ReadPassword = registry.NewSecret("rotated")
	must(t, static.Replace(next))
	another := readable("acme")
	another.ReadLogin, another.ReadPassword = "acme_second", next.ReadPassword
	must(t, static.Replace(another))
	if got, want := fmt.Sprint(told), "[acme limits acme+read limits acme changed acme+read changed]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

func TestReadersAreNeitherListedNorCounted(t *testing.T) {
	t.Parallel()
	static := newStatic(t, readable("acme"))
	r := newRegistry(t, static, nil)
	_, err := r.Tenant(t.Context(), acme.Reader())
	must(t, err)
	page, err := r.List(t.Context(), registry.ID{}, 10)
	if err != nil || len(page) != 1 || page[0].ID != acme || r.Count()[registry.StatusActive] != 1 {
		t.Errorf("%v, %v, %v", page, r.Count(), err)
	}
	if _, err := static.Tenant(t.Context(), acme.Reader()); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("the source has a record of a reader: %v", err)
	}
}

func TestAReaderGoesWithALoginOfTheTenantsOwn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		change func(*registry.Tenant)
		want   string
	}{
		{func(t *registry.Tenant) { t.ReadLogin = "acme" }, `read_login: is "acme", as login is, which may write; give it a role of its own`},
		{func(t *registry.Tenant) { t.ReadLogin = "app" }, `read_login: is "app", which clusters.main logs in as; give the reader a role of its own`},
		{func(t *registry.Tenant) { t.ReadLogin = "boss" }, `read_login: is "boss", which clusters.main logs in as; give the reader a role of its own`},
		{func(t *registry.Tenant) { t.ReadLogin = "spare" }, `read_login: is "spare", which clusters.main logs in as; give the reader a role of its own`},
		{func(t *registry.Tenant) { t.ReadLogin = "pg_read_all_data" }, `read_login: is "pg_read_all_data", which PostgreSQL keeps for itself; give another role`},
		{func(t *registry.Tenant) { t.ReadLogin = "" }, "read_password: has no read_login to belong to; give the login too, or leave the password out"},
		{func(t *registry.Tenant) { t.Login, t.Password = "", registry.Secret{} }, "read_login: needs a login of the tenant's own beside it, for the cluster's sees more than one tenant; give the login too, or leave it out"},
		{func(t *registry.Tenant) { t.Isolation, t.Schema = registry.IsolationRow, "s" }, "read_login: is not for row isolation, where another login has no rows; leave it out"},
		{func(t *registry.Tenant) {
			t.Login, t.Password, t.DSN = "", registry.Secret{}, registry.NewSecret("host=main.internal user=x dbname=y")
		}, "read_login: cannot stand beside dsn, whose rights nobody here knows; leave it out"},
	} {
		wrong := readable("acme")
		test.change(wrong)
		err := registry.CheckTenant(sourcetest.Clusters(), wrong)
		if _, ok := errors.AsType[registry.Problems](err); !ok || err.Error() != "tenants.acme."+test.want {
			t.Errorf("got  %v\nwant tenants.acme.%s", err, test.want)
		}
	}
	must(t, registry.CheckTenant(sourcetest.Clusters(), readable("acme")))
}
