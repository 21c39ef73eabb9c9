package control_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
)

func TestARecordComesBackAsItWasGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	given := &control.Record{
		Tenant: registry.Tenant{
			ID: id("acme"), Name: "Acme & Söhne", Plan: "gone", Cluster: "other", Isolation: registry.IsolationDatabase,
			Schema: "Own", Database: "acme-db", Login: "acme login", Password: registry.NewSecret("it's"),
			NextPassword: registry.NewSecret("next"), DDL: true, Labels: map[string]string{"Team.EU": "Red"},
		},
		Own:   registry.Limits{MaxConns: 3, StatementTimeout: 1500 * time.Millisecond, IdleAfter: time.Hour},
		State: registry.StatusActive, Declared: registry.StatusSuspended, Reason: "unpaid", Deleting: true, ClonedFrom: id("globex"),
	}
	made := create(t, d, given)
	got := read(t, d, "acme")
	if fmt.Sprintf("%+v", made) != fmt.Sprintf("%+v", got) {
		t.Errorf("Create returned\n%+v\nRecord\n%+v", made, got)
	}
	if got.Status != registry.StatusSuspended || got.Migrated != -1 || got.Version == 0 || got.CreatedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	if got.Password != given.Password || got.NextPassword != given.NextPassword || got.Limits != given.Own {
		t.Error("the secrets or limits are others")
	}
	want := *given
	want.Status, want.Limits, want.Version, want.Migrated = got.Status, got.Limits, got.Version, got.Migrated
	want.CreatedAt, want.UpdatedAt, want.Born = got.CreatedAt, got.UpdatedAt, got.Born
	if fmt.Sprintf("%+v", want) != fmt.Sprintf("%+v", *got) {
		t.Errorf("got  %+v\nwant %+v", *got, want)
	}
	if _, err := d.Record(t.Context(), id("nobody")); !errors.Is(err, control.ErrUnknown) {
		t.Errorf("an unknown id: %v", err)
	}
}

func TestOfManyWhoCreateTheSameOneWins(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	errs := make(chan error, 20)
	for range cap(errs) {
		go func() {
			_, err := d.Create(t.Context(), record("acme"))
			errs <- err
		}()
	}
	won := 0
	for range cap(errs) {
		switch err := <-errs; {
		case err == nil:
			won++
		case !errors.Is(err, control.ErrExists) || !strings.Contains(err.Error(), "acme"):
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.open(), w.open()
	create(t, one, record("acme"))
	var writers sync.WaitGroup
	for i := range 40 {
		d := one
		if i%2 == 0 {
			d = two
		}
		writers.Go(func() {
			_, err := d.Update(t.Context(), id("acme"), 0, func(r *control.Record) error {
				if r.Labels == nil {
					r.Labels = map[string]string{}
				}
				r.Labels[fmt.Sprint(i)] = "x"
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if n := len(read(t, one, "acme").Labels); n != 40 {
		t.Errorf("%d labels, want 40", n)
	}
}

func TestAnUpdateOfAStaleVersionIsRefused(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	made := create(t, d, record("acme"))
	rename := func(r *control.Record) error { r.Name = "Acme"; return nil }
	updated, err := d.Update(t.Context(), id("acme"), made.Version, rename)
	must(t, err)
	if updated.Version <= made.Version || updated.Name != "Acme" || updated.Password != made.Password {
		t.Errorf("updated to %+v", updated)
	}
	if _, err := d.Update(t.Context(), id("acme"), made.Version, rename); !errors.Is(err, control.ErrStale) {
		t.Errorf("a stale version: %v", err)
	}
	same, err := d.Update(t.Context(), id("acme"), 0, rename)
	must(t, err)
	if same.Version != updated.Version || !same.UpdatedAt.Equal(updated.UpdatedAt) {
		t.Errorf("a change that alters nothing went from version %d to %d", updated.Version, same.Version)
	}
	own := errors.New("no")
	if _, err := d.Update(t.Context(), id("acme"), 0, func(*control.Record) error { return own }); err != own { //nolint:errorlint // as it is
		t.Errorf("change's error came back as %v", err)
	}
	if _, err := d.Update(t.Context(), id("nobody"), 0, rename); !errors.Is(err, control.ErrUnknown) {
		t.Errorf("an unknown id: %v", err)
	}
}

func TestARowThatIsWrittenAsItWasKeepsItsVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	made := create(t, d, record("acme"))
	w.exec("update poolkeeper.tenants set name = name, version = 99, updated_at = now()")
	if got := read(t, d, "acme"); got.Version != made.Version || !got.UpdatedAt.Equal(made.UpdatedAt) {
		t.Errorf("version went from %d to %d", made.Version, got.Version)
	}
	w.exec("update poolkeeper.tenants set name = 'by hand'")
	if got := read(t, d, "acme"); got.Version <= made.Version {
		t.Error("a change by hand kept the version")
	}
}

func TestTwoTenantsAreKeptOutOfOnePlace(t *testing.T) {
	t.Parallel()
	own := func(database string) func(*control.Record) {
		return func(r *control.Record) { r.Isolation, r.Database, r.Schema = registry.IsolationDatabase, database, "" }
	}
	schema := func(name, database string) func(*control.Record) {
		return func(r *control.Record) { r.Schema, r.Database = name, database }
	}
	row := func(name string) func(*control.Record) {
		return func(r *control.Record) {
			r.Isolation, r.Schema, r.Login, r.Password = registry.IsolationRow, name, "", registry.Secret{}
		}
	}
	byDSN := func(r *control.Record) {
		own("")(r)
		r.Login, r.Password, r.DSN = "", registry.Secret{}, registry.NewSecret("postgres://x:y@main.internal/db")
	}
	elsewhere := func(r *control.Record) { schema("s", "")(r); r.Cluster = "other" }
	for name, test := range map[string]struct {
		first, second func(*control.Record)
		field         string // "" when both may be there
	}{
		"one schema":                   {schema("s", ""), schema("s", ""), "schema:"},
		"the default by name":          {schema("s", ""), schema("s", "app"), "schema:"},
		"another database":             {schema("s", ""), schema("s", "b"), ""},
		"another cluster":              {schema("s", ""), elsewhere, ""},
		"one database":                 {own("db"), own("db"), "database:"},
		"a schema in one's database":   {own("db"), schema("s", "db"), "database:"},
		"a database around schemas":    {schema("s", "db"), own("db"), "database:"},
		"by connection string":         {own("db"), byDSN, "dsn:"},
		"rows share":                   {row("s"), row("s"), ""},
		"rows in a schema of its own":  {schema("s", ""), row("s"), "schema:"},
		"a schema that rows share":     {row("s"), schema("s", ""), "schema:"},
		"a cluster's database is many": {schema("a", ""), schema("b", ""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newWorld(t).open()
			create(t, d, with("one", test.first))
			_, err := d.Create(t.Context(), with("two", test.second))
			switch {
			case test.field == "":
				must(t, err)
				return
			case !errors.Is(err, control.ErrTaken) || !strings.Contains(err.Error(), test.field) || !strings.Contains(err.Error(), "two"):
				t.Errorf("created: %v", err)
			}
			create(t, d, with("two", schema("free", "")))
			_, err = d.Update(t.Context(), id("two"), 0, func(r *control.Record) error {
				clean := with("two", test.second)
				r.Isolation, r.Schema, r.Database, r.Login, r.Password, r.DSN = clean.Isolation, clean.Schema, clean.Database, clean.Login, clean.Password, clean.DSN
				return nil
			})
			if !errors.Is(err, control.ErrTaken) {
				t.Errorf("updated: %v", err)
			}
		})
	}
}

func TestAWrongRecordIsRefusedWithItsField(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	for field, change := range map[string]func(*control.Record){
		"cluster":                 func(r *control.Record) { r.Cluster = "nowhere" },
		"schema":                  func(r *control.Record) { r.Schema = "public" },
		"isolation":               func(r *control.Record) { r.Isolation = "own" },
		"limits.max_conns":        func(r *control.Record) { r.Own.MaxConns = -1 },
		"limits.guaranteed_conns": func(r *control.Record) { r.Own.MaxConns, r.Own.GuaranteedConns = 1, 2 },
		"password":                func(r *control.Record) { r.Password = registry.NewSecret("env:POOLKEEPER_NOT_SET") },
		"dsn":                     func(r *control.Record) { r.DSN = registry.NewSecret("file:relative") },
	} {
		_, err := d.Create(t.Context(), with("acme", change))
		problems, ok := errors.AsType[registry.Problems](err)
		if !ok || !strings.Contains(problems.Error(), "tenants.acme."+field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
	create(t, d, record("acme"))
	_, err := d.Update(t.Context(), id("acme"), 0, func(r *control.Record) error { r.Cluster = "nowhere"; return nil })
	if _, ok := errors.AsType[registry.Problems](err); !ok {
		t.Errorf("updated: %v", err)
	}
}

func TestARecordThatHasBecomeWrongCanBeSuspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create(t, w.open(), record("acme"))
	without := w.open(func(_ *control.Config, o *control.Options) { o.Clusters = nil })
	if r := update(t, without, "acme", func(r *control.Record) { r.State = registry.StatusSuspended }); r.Status != registry.StatusSuspended {
		t.Errorf("it is %s", r.Status)
	}
}

func TestTheStricterOfBothStatusesHolds(t *testing.T) {
	t.Parallel()
	d := newWorld(t).open()
	create(t, d, record("acme"))
	order := []registry.Status{registry.StatusRetired, registry.StatusSuspended, registry.StatusPending, registry.StatusActive}
	for i, state := range order {
		for j, declared := range order {
			r := update(t, d, "acme", func(r *control.Record) { r.State, r.Declared = state, declared })
			if want := order[min(i, j)]; r.Status != want {
				t.Errorf("%s and %s make %s, want %s", state, declared, r.Status, want)
			}
		}
		if r := update(t, d, "acme", func(r *control.Record) { r.Declared = "" }); r.Status != state {
			t.Errorf("%s, not declared, makes %s", state, r.Status)
		}
	}
}
