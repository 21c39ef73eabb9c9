package lifecycle_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/registry"
)

// Of thousands of tenants each has ten steps, and what is written with one
// lists all that failed so far.
func TestOfTheStepsOfManyTenantsFewAreWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	conn, err := pgx.Connect(w.soon(), w.control.DSN.Reveal())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(w.soon()) })
	_, err = conn.Exec(w.soon(), `create table public.noted ();
		create function public.note() returns trigger language plpgsql as 'begin insert into public.noted default values; return null; end';
		create trigger note after update on poolkeeper.operations for each row execute function public.note()`)
	must(t, err)
	var file strings.Builder
	file.WriteString("tenants:\n")
	for n := range 12 {
		fmt.Fprintf(&file, "  %s: {cluster: main, isolation: schema}\n", w.id(fmt.Sprint("t", n)))
	}
	began := time.Now()
	w.done(w.operator.Apply(w.soon(), "test", []registry.Document{{Path: "f.yaml", Data: []byte(file.String()), Declares: true}}))
	var noted int
	must(t, conn.QueryRow(w.soon(), "select count(*) from public.noted").Scan(&noted))
	const often = 200 * time.Millisecond
	if most := int(time.Since(began)/often) + 2; noted > most {
		t.Errorf("it was written %d times in %v, want at most %d", noted, time.Since(began), most)
	}
}

// With onboard.lazy nobody may be served who is behind, and who that is only
// the control database knows.
func TestWhetherATenantIsBehindCannotBeGuessed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	r := w.add("acme")
	must(t, w.operator.Prepare(w.soon(), &r.Tenant))
	w.db.Close()
	if err := w.operator.Prepare(w.soon(), &r.Tenant); !errors.Is(err, registry.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}
