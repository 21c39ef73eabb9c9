package control_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/registry"
	"github.com/poolkeeper/poolkeeper/registry/control"
	"github.com/poolkeeper/poolkeeper/registry/seal"
)

// dump is all that the control database has, as text.
func (w *world) dump() string {
	w.Helper()
	conn := w.conn()
	rows, err := conn.Query(w.Context(), "select format('select coalesce(string_agg(t::text, E''\\n''), '''') from %I.%I t', schemaname, tablename) from pg_tables where schemaname = 'poolkeeper'")
	must(w, err)
	var queries []string
	for rows.Next() {
		var query string
		must(w, rows.Scan(&query))
		queries = append(queries, query)
	}
	must(w, rows.Err())
	var all strings.Builder
	for _, query := range queries {
		var text string
		must(w, conn.QueryRow(w.Context(), query).Scan(&text))
		all.WriteString(text + "\n")
	}
	return all.String()
}

func TestNoSecretIsStoredInClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	create(t, d, with("acme", func(r *control.Record) { r.NextPassword = registry.NewSecret("hush-next") }))
	create(t, d, with("globex", func(r *control.Record) {
		r.Login, r.Password, r.DSN = "", registry.Secret{}, registry.NewSecret("postgres://g:hush-dsn@main.internal/globex")
	}))
	update(t, d, "acme", func(r *control.Record) { r.Password = registry.NewSecret("hush-new") })
	must(t, d.AddSpare(t.Context(), control.Spare{ID: id("spare-1"), Tenant: registry.Tenant{Cluster: "main", Password: registry.NewSecret("hush-spare")}}))
	text := w.dump()
	for _, secret := range []string{"secret of", "hush", "c2VjcmV0IG9m", "aHVzaC"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is stored in clear", secret)
		}
	}
	if n := strings.Count(text, "sealed:"); n != 5 { // and the canary
		t.Errorf("%d sealed values in\n%s", n, text)
	}
}

func TestWithoutAKeysetNoSecretIsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.keyset = registry.Secret{}
	d := w.open()
	_, err := d.Create(t.Context(), record("acme"))
	if !errors.Is(err, control.ErrKeyset) || !strings.Contains(err.Error(), "control.keyset") || strings.Contains(err.Error(), "secret of") {
		t.Errorf("created: %v", err)
	}
	path := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(path, []byte("from a file\n"), 0o600))
	create(t, d, with("acme", func(r *control.Record) { r.Password = registry.NewSecret("file:" + path) }))
	if got := read(t, d, "acme").Password.Reveal(); got != "from a file" {
		t.Errorf("the password is %q", got)
	}
	if text := w.dump(); strings.Contains(text, "from a file") || !strings.Contains(text, "file:"+path) {
		t.Errorf("stored\n%s", text)
	}
	must(t, os.Remove(path))
	if _, err := d.Record(t.Context(), id("acme")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("without the file: %v", err)
	}
	r := update(t, d, "acme", func(r *control.Record) { r.State = registry.StatusSuspended })
	must(t, os.WriteFile(path, []byte("again"), 0o600))
	if got := read(t, d, "acme"); r.Status != registry.StatusSuspended || got.Password.Reveal() != "again" {
		t.Errorf("after a suspension without the file: %s, %q", r.Status, got.Password.Reveal())
	}
}

func TestASealedValueCannotBeMovedToAnotherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.open()
	create(t, d, record("acme"))
	create(t, d, record("globex"))
	w.exec("update poolkeeper.tenants set password = (select password from poolkeeper.tenants where id = 'acme') where id = 'globex'")
	if _, err := d.Record(t.Context(), id("globex")); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("moved to another tenant: %v", err)
	}
	w.exec("update poolkeeper.tenants set next_password = password where id = 'acme'")
	if _, err := d.Record(t.Context(), id("acme")); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("moved to another field: %v", err)
	}
	w.exec("update poolkeeper.tenants set next_password = '', password = 'in clear' where id = 'acme'")
	if _, err := d.Record(t.Context(), id("acme")); err == nil {
		t.Error("a password in clear was taken")
	}
}

func TestAnotherKeysetIsRefusedAtOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.open()
	right := w.keyset
	other, err := seal.Generate()
	must(t, err)
	for name, keyset := range map[string]registry.Secret{"another": other, "none": {}} {
		w.keyset = keyset
		d := w.database()
		if err := d.Open(soon(t)); !errors.Is(err, control.ErrKeyset) || !strings.Contains(err.Error(), "control.keyset") {
			t.Errorf("%s: %v", name, err)
		}
		d.Close()
	}
	w.keyset = right
	w.open()
}

func TestARotatedKeysetSealsAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.open()
	const many = 450 // more than two pages
	w.exec("insert into poolkeeper.tenants (id, name, state, cluster, isolation, schema_name) select 'n' || n, 'n', 'active', 'main', 'schema', 'n' || n from generate_series(1, 450) n")
	keys, err := seal.Parse(w.keyset)
	must(t, err)
	conn := w.conn()
	for i, name := range names(many) {
		text, err := keys.Seal(id(name), "password", registry.NewSecret("secret of "+name))
		must(t, err)
		_, err = conn.Exec(t.Context(), "update poolkeeper.tenants set login = $1, password = $2 where id = $1", name, text)
		must(t, err)
		if i == 0 {
			create(t, old, record("acme"))
		}
	}
	must(t, old.AddSpare(t.Context(), control.Spare{ID: id("spare-1"), Tenant: registry.Tenant{Cluster: "main", Password: registry.NewSecret("hush")}}))
	w.keyset, err = seal.Rotate(w.keyset)
	must(t, err)
	d := w.open()
	n, err := d.Reseal(t.Context())
	must(t, err)
	if want := many + 3; n != want { // acme, the spare, the canary
		t.Errorf("sealed %d again, want %d", n, want)
	}
	if n, err := d.Reseal(t.Context()); n != 0 || err != nil {
		t.Errorf("a second time: %d, %v", n, err)
	}
	if got := read(t, d, "n450").Password.Reveal(); got != "secret of n450" {
		t.Errorf("the password is %q", got)
	}
	if _, err := old.Record(t.Context(), id("n1")); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("the old key still opens: %v", err)
	}
	w.exec("update poolkeeper.tenants set password = 'sealed:AAAA' where id = 'n7'")
	if n, err := d.Reseal(t.Context()); n != 0 || !errors.Is(err, seal.ErrSealed) || !strings.Contains(err.Error(), "n7") {
		t.Errorf("with one that cannot be opened: %d, %v", n, err)
	}
}
