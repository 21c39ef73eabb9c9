package control_test

import (
	"strings"
	"testing"
)

// A dump reads every table for as long as it takes. A migration that waited
// for it would have everybody wait who came later, and so end all service.
func TestAMigrationThatWaitsForADumpHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.open()
	create(t, before, record("acme"))
	w.exec("alter table poolkeeper.tenants drop column again") // it is of the release before
	w.exec("delete from poolkeeper.migrations where version_id = 4")
	dump, err := w.conn().Begin(t.Context())
	must(t, err)
	_, err = dump.Exec(t.Context(), "select from poolkeeper.tenants")
	must(t, err)
	var log buffer
	newer := w.database(logging(&log))
	defer newer.Close()
	opened := make(chan error, 1)
	go func() { opened <- newer.Open(soon(t)) }()
	watch := w.admin()
	until(t, "the migration waits for the dump", func() bool {
		var waits bool
		must(t, watch.QueryRow(t.Context(), `select exists (select from pg_locks l join pg_database d on d.oid = l.database
			where d.datname = $1 and l.locktype = 'relation' and not l.granted)`, w.name()).Scan(&waits))
		return waits
	})
	_, err = before.CountByCluster(soon(t))
	must(t, err)
	until(t, "somebody is told", func() bool { return strings.Contains(log.String(), "holds a table of the control database") })
	must(t, dump.Rollback(t.Context()))
	must(t, <-opened)
}
