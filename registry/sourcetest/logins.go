package sourcetest

import (
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
)

func readers(t *testing.T, f Fixture) {
	if !f.Rotates {
		t.Skip("its records have one login")
	}
	reader := func(login, password string) *registry.Tenant {
		return with("acme", func(t *registry.Tenant) {
			t.ReadLogin, t.ReadPassword = login, registry.NewSecret(password)
		})
	}
	f.Replace(t, tenant("acme"))
	calls := watch(t, f.Source, nil)
	for _, step := range []struct {
		login, password string
		kind            registry.ChangeKind
	}{
		{"acme_reader", "one", registry.Changed},
		{"acme_reader", "two", registry.LimitsChanged}, // the tenant's own pool can go on
		{"acme_other", "two", registry.Changed},
		{"", "", registry.Changed},
	} {
		f.Replace(t, reader(step.login, step.password))
		if got := next(t, calls); len(got) != 1 || got[0].Kind != registry.Changed && got[0].Kind != step.kind {
			t.Errorf("%+v is told as %v", step, got)
		}
		got := lookup(t, f.Source, "acme")
		if got.ReadLogin != step.login || got.ReadPassword.Reveal() != step.password || got.SharedReadLogin {
			t.Errorf("want %+v; got %q and %q, shared %t", step, got.ReadLogin, got.ReadPassword.Reveal(), got.SharedReadLogin)
		}
	}
}

func sharedLogin(t *testing.T, f Fixture) {
	login := func(id, cluster, login string) *registry.Tenant {
		return with(id, func(t *registry.Tenant) { t.Cluster, t.Login = cluster, login })
	}
	f.Replace(t,
		tenant("alone"), login("one", "main", "both"), login("two", "main", "both"), login("away", "other", "both"),
		login("none", "main", ""), login("same-as-cluster", "main", "app"), login("boss", "main", "boss"),
		login("elsewhere", "other", "boss"), login("sole", "other", ""),
		with("by-dsn", func(t *registry.Tenant) {
			t.Login, t.DSN = "", registry.NewSecret("host=main.internal user=app dbname=x")
		}),
		with("by-alias", func(t *registry.Tenant) {
			t.Login, t.DSN = "", registry.NewSecret("host=alias.internal user=app dbname=y")
		}),
		with("resting", func(t *registry.Tenant) { t.Login, t.Status = "rests", registry.StatusRetired }),
		login("working", "main", "rests"),
		login("case", "main", "Both"),
	)
	for id, want := range map[string]bool{
		"alone": false, "one": true, "two": true, "away": false, "none": true, "same-as-cluster": true,
		"boss": true, "elsewhere": false, "sole": true, "by-dsn": true, "by-alias": true, "resting": true, "working": true, "case": false,
	} {
		if got := lookup(t, f.Source, id).SharedLogin; got != want {
			t.Errorf("SharedLogin of %s is %t, want %t", id, got, want)
		}
	}
}

func sharedFlips(t *testing.T, f Fixture) {
	f.Replace(t, tenant("acme"))
	calls := watch(t, f.Source, nil)
	before := lookup(t, f.Source, "acme")
	intruder := with("intruder", func(t *registry.Tenant) { t.Login = "acme" })
	f.Replace(t, tenant("acme"), intruder)
	expect(t, calls, "acme changed", "intruder added")
	during := lookup(t, f.Source, "acme")
	if before.SharedLogin || !during.SharedLogin || during.Version <= before.Version {
		t.Errorf("before: %+v\nafter: %+v", before, during)
	}
	f.Replace(t, tenant("acme"))
	expect(t, calls, "acme changed", "intruder removed")
}

func sharedReader(t *testing.T, f Fixture) {
	if !f.Rotates {
		t.Skip("its records have one login")
	}
	reader := func(id, login string) *registry.Tenant {
		return with(id, func(t *registry.Tenant) { t.ReadLogin = login })
	}
	check := func(when string, want map[string][2]bool) {
		for id, shared := range want {
			if got := lookup(t, f.Source, id); got.SharedLogin != shared[0] || got.SharedReadLogin != shared[1] {
				t.Errorf("%s: SharedLogin and SharedReadLogin of %s are %t and %t, want %v", when, id, got.SharedLogin, got.SharedReadLogin, shared)
			}
		}
	}
	f.Replace(t, reader("acme", "acme_reader"), reader("two", "two_reader"))
	check("alone", map[string][2]bool{"acme": {}, "two": {}})
	calls := watch(t, f.Source, nil)
	f.Replace(t, reader("acme", "acme_reader"), reader("two", "acme"))
	expect(t, calls, "acme changed", "two changed")
	check("a reader with another's login", map[string][2]bool{"acme": {true, false}, "two": {false, true}})
	f.Replace(t, reader("acme", "acme_reader"), reader("two", "acme_reader"))
	expect(t, calls, "acme changed", "two changed")
	check("a reader with another reader's login", map[string][2]bool{"acme": {false, true}, "two": {false, true}})
	f.Replace(t, reader("acme", "acme_reader"))
	expect(t, calls, "acme changed", "two removed")
	check("alone again", map[string][2]bool{"acme": {}})
}
