package onboard_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard"
	"github.com/poolkeeper/poolkeeper/registry"
)

// sharedShop is a shared set whose keys are per tenant.
const sharedShop = `-- +goose Up
CREATE TABLE z_customers (tenant_id text NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, name text, PRIMARY KEY (tenant_id, id));
CREATE TABLE a_orders (id int, customer bigint, tenant_id varchar(63) NOT NULL, total numeric, gone int, double numeric GENERATED ALWAYS AS (total * 2) STORED, doc jsonb,
	PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, customer) REFERENCES z_customers);
ALTER TABLE a_orders DROP COLUMN gone;
CREATE TABLE numbered (tenant_id text NOT NULL, n int) PARTITION BY RANGE (n);
CREATE TABLE numbered_low PARTITION OF numbered FOR VALUES FROM (0) TO (100000);
CREATE TABLE countries (code text PRIMARY KEY);
`

func TestACloneUnderRowIsolationCopiesTheTenantsRowsOnly(t *testing.T) {
	t.Parallel()
	forEachAdministrator(t, func(t *testing.T, w *world) {
		a, b, c := w.tenant("a", registry.IsolationRow), w.tenant("b", registry.IsolationRow), w.tenant("c", registry.IsolationRow)
		p := w.provisioner(onboard.Config{Shared: folder(t, map[string]string{"00001_shop.sql": sharedShop})})
		w.provision(p, a, c)
		for _, tenant := range []*registry.Tenant{a, c} {
			conn := w.as(tenant)
			w.exec(conn, "insert into z_customers (tenant_id, name) values ($1, E'it''s, \"x\"\\\\ \\n'), ($1, null)", tenant.ID.String())
			w.exec(conn, "insert into a_orders (tenant_id, id, customer, total, doc) select $1, id, id, 'NaN', 'null' from z_customers", tenant.ID.String())
			w.exec(conn, "insert into numbered select $1, generate_series(1, 2500)", tenant.ID.String())
		}
		const all = `select (c.id, c.name)::text from z_customers c union all select (o.id, o.customer, o.total, o.double, o.doc)::text from a_orders o
			union all select (count(*), sum(n))::text from numbered order by 1`
		before := w.strings(w.as(a), all)
		if err := p.Clone(t.Context(), a, b, true); err != nil {
			t.Fatal(err)
		}
		if got := w.strings(w.as(b), all); !slices.Equal(got, before) || len(before) != 5 {
			t.Errorf("the copy reads %q, want %q", got, before)
		}
		if got := w.strings(w.as(a), all); !slices.Equal(got, before) {
			t.Errorf("the source reads %q, want %q", got, before)
		}
		if err := p.Clone(t.Context(), c, b, true); !errors.Is(err, onboard.ErrConflict) || !contains(err, "has rows in") {
			t.Errorf("into a tenant with rows: %v", err)
		}
		if got := w.strings(w.as(b), all); !slices.Equal(got, before) {
			t.Errorf("after a refusal: %q", got)
		}
	})
}

func TestTablesThatCannotHoldTheRowsTwiceAreNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationRow), w.tenant("b", registry.IsolationRow)
	p := w.provisioner(onboard.Config{Shared: folder(t, map[string]string{"00001_shop.sql": sharedShop + `
CREATE TABLE items (tenant_id text, id int CONSTRAINT items_key PRIMARY KEY, name text);
CREATE UNIQUE INDEX includes ON items (name) INCLUDE (tenant_id);
-- +goose StatementBegin
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
-- +goose StatementEnd
CREATE TRIGGER noted BEFORE INSERT ON numbered FOR EACH ROW EXECUTE FUNCTION note();
`})})
	w.provision(p, a)
	w.exec(w.as(a), "insert into z_customers (tenant_id) values ($1)", a.ID.String())
	err := p.Clone(t.Context(), a, b, true)
	if !errors.Is(err, onboard.ErrClone) || !contains(err, "key items_key of items", "key includes of items", "trigger noted of numbered would fire") {
		t.Errorf("got %v", err)
	}
	if got := w.strings(w.as(b), "select tenant_id from z_customers"); len(got) > 0 {
		t.Errorf("something was copied: %q", got)
	}
	if err := p.Clone(t.Context(), a, b, false); err != nil {
		t.Errorf("without data: %v", err)
	}
}

// Cut to the column's length the id would be another tenant's.
func TestAnIDThatIsTooLongForAColumnIsNotCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.tenant("a", registry.IsolationRow), w.tenant("with-a-name-that-is-longer", registry.IsolationRow)
	p := w.provisioner(onboard.Config{Shared: folder(t, map[string]string{"00001_x.sql": "-- +goose Up\nCREATE TABLE notes (tenant_id varchar(12) NOT NULL, note text);\n"})})
	w.provision(p, a, b)
	w.exec(w.as(a), "insert into notes values ($1, 'of a')", a.ID.String())
	if err := p.Clone(t.Context(), a, b, true); sqlState(err) != "22001" || !contains(err, "table notes") {
		t.Errorf("got %v", err)
	}
	if got := w.strings(w.connect(w.srv.AdminDSN(w.database)), "select tenant_id from shared.notes"); !slices.Equal(got, []string{a.ID.String()}) {
		t.Errorf("rows are of %q", got)
	}
}
