package control_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// reads gives a record a login for reading.
func reads(login string) func(*control.Record) {
	return func(r *control.Record) { r.ReadLogin, r.ReadPassword = login, registry.NewSecret("hush of "+login) }
}

func TestTheLoginForReadingComesBackSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d, other := w.open(), w.serving()
	made := create(t, d, with("acme", reads("acme_reader")))
	must(t, d.Applied(soon(t), made.Version))
	served, err := other.Tenant(soon(t), id("acme"))
	must(t, err)
	for from, got := range map[string]*registry.Tenant{"Create": &made.Tenant, "Record": &read(t, d, "acme").Tenant, "Tenant": served} {
		if got.ReadLogin != "acme_reader" || got.ReadPassword.Reveal() != "hush of acme_reader" {
			t.Errorf("%s: %q, %q", from, got.ReadLogin, got.ReadPassword.Reveal())
		}
	}
	rotated := update(t, d, "acme", func(r *control.Record) { r.ReadPassword = registry.NewSecret("hush again") })
	if rotated.Version <= made.Version || read(t, d, "acme").ReadPassword.Reveal() != "hush again" || rotated.ReadPassword.Reveal() != "hush again" {
		t.Errorf("rotated to %q, version %d", read(t, d, "acme").ReadPassword.Reveal(), rotated.Version)
	}
	if same := update(t, d, "acme", func(*control.Record) {}); same.Version != rotated.Version {
		t.Error("a record that stays as it is has a new version")
	}
	if strings.Contains(w.dump(), "hush") {
		t.Error("it is stored in clear")
	}
	w.exec("update poolkeeper.tenants set password = read_password")
	if _, err := d.Record(soon(t), id("acme")); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("moved to another field: %v", err)
	}
	w.exec("update poolkeeper.tenants set password = '', read_password = 'sealed:AAAA'")
	if _, err := d.Record(soon(t), id("acme")); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("one that cannot be opened: %v", err)
	}
	until(t, "it is not served", func() bool { return status(other, "acme") == "" })
	if r := update(t, d, "acme", func(r *control.Record) { r.State = registry.StatusSuspended }); r.Status != registry.StatusSuspended {
		t.Error("it cannot be suspended")
	}
	w.keyset, err = seal.Rotate(w.keyset)
	must(t, err)
	update(t, d, "acme", func(r *control.Record) { r.ReadPassword = registry.NewSecret("hush") })
	again := w.open()
	if n, err := again.Reseal(soon(t)); n != 2 || err != nil { // and the canary
		t.Errorf("sealed %d again, %v", n, err)
	}
	if _, err := d.Record(soon(t), id("acme")); !errors.Is(err, seal.ErrSealed) || read(t, again, "acme").ReadPassword.Reveal() != "hush" {
		t.Errorf("after it was sealed again the old key says %v", err)
	}
}

func TestALoginForReadingIsNobodyElses(t *testing.T) {
	t.Parallel()
	elsewhere := func(r *control.Record) { reads("r")(r); r.Cluster = "other" }
	for name, test := range map[string]struct {
		first, second func(*control.Record)
		free          bool
	}{
		"one for two":                 {reads("r"), reads("r"), false},
		"another's for writing":       {func(*control.Record) {}, reads("one"), false},
		"writing as another reader":   {reads("two"), func(*control.Record) {}, false},
		"on another cluster":          {reads("r"), elsewhere, true},
		"each its own":                {reads("r"), reads("s"), true},
		"nobody has one":              {func(*control.Record) {}, func(*control.Record) {}, true},
		"rows that share for writing": {rows, rows, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newWorld(t).open()
			create(t, d, with("one", test.first))
			_, err := d.Create(soon(t), with("two", test.second))
			if test.free {
				must(t, err)
				return
			}
			if !errors.Is(err, control.ErrTaken) || !strings.Contains(err.Error(), "read_login:") {
				t.Errorf("created: %v", err)
			}
		})
	}
}

func rows(r *control.Record) {
	r.Isolation, r.Schema, r.Login = registry.IsolationRow, "shared", "shared"
}

// None may be forgotten: a limit that is not stored is none.
func TestEveryLimitIsStored(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	var limits registry.Limits
	v := reflect.ValueOf(&limits).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case time.Duration:
			f.SetInt(int64(i+1) * int64(time.Second))
		case float64:
			f.SetFloat(float64(i) + 0.25)
		case int64:
			f.SetInt(int64(i+1) << 10)
		default:
			f.SetInt(int64(i + 1))
		}
	}
	limits.MaxConns, limits.GuaranteedConns = 50, 3
	create(t, d, with("acme", func(r *control.Record) { r.Own = limits }))
	if got := read(t, d, "acme"); got.Own != limits || got.Limits != limits {
		t.Errorf("got  %+v\nwant %+v", got.Own, limits)
	}
}

// These are the statements of the release before, which knows neither columns
// nor keys.
func TestTheReleaseBeforeWritesBesideThisOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving()
	const stored = `name, state, declared, reason, deleting, cloned_from, plan, cluster, isolation, schema_name, database_name,
		place, login, password, next_password, dsn, ddl, limits, labels`
	w.exec("insert into poolkeeper.tenants (id, " + stored + `) values
		('acme', 'Acme', 'active', '', '', false, '', '', 'main', 'schema', 'acme', '', '', 'acme', '', '', '', false, '{"max_conns": 3}', '{}')`)
	until(t, "it is served", func() bool { return status(d, "acme") == registry.StatusActive })
	update(t, d, "acme", reads("acme_reader"))
	text, _ := keyOf(t, d, "acme")
	w.exec("update poolkeeper.tenants set (" + stored + `) =
		('Acme', 'suspended', '', '', false, '', '', 'main', 'schema', 'acme', '', '', 'acme', '', '', '', false, '{}', '{}') where id = 'acme'`)
	until(t, "it is suspended", func() bool { return status(d, "acme") == registry.StatusSuspended })
	if got := read(t, d, "acme"); got.ReadLogin != "acme_reader" || got.ReadPassword.IsZero() {
		t.Errorf("the login for reading is %q", got.ReadLogin)
	}
	becomes(t, d, text, "acme")
	w.exec("delete from poolkeeper.tenants where id = 'acme'")
	until(t, "the key is unknown", func() bool { return verify(t, d, text) != "acme" })
}
