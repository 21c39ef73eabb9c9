package doctor_test

import (
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/onboard/doctor"
)

func TestAReaderThatMayDoMoreThanReadIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	a := w.tenant("a")
	a.ReadLogin = w.role("_reader", "LOGIN")
	w.super("REVOKE CONNECT, TEMPORARY ON DATABASE "+w.database+" FROM PUBLIC", "GRANT CONNECT ON DATABASE "+w.database+" TO "+w.prefix+"_app",
		"REVOKE ALL ON FUNCTION pg_advisory_lock(bigint), lo_create(oid) FROM PUBLIC", "REVOKE ALL ON pg_stat_activity FROM PUBLIC",
		"CREATE TABLE "+a.Schema+".items (n serial)", "GRANT SELECT ON "+a.Schema+".items, "+a.Schema+".items_n_seq TO "+a.ReadLogin)
	w.silent("privileges")
	for _, c := range []struct {
		do, undo string
		severity doctor.Severity
		parts    []string
	}{
		{"GRANT INSERT ON NAME TO READER", "REVOKE INSERT ON NAME FROM READER", doctor.Warning, []string{"1 right", a.ReadLogin + " on " + a.Schema + ".items"}},
		{"GRANT DELETE ON NAME TO PUBLIC", "REVOKE ALL ON NAME FROM PUBLIC", doctor.Warning, []string{"PUBLIC on " + a.Schema + ".items", "REVOKE"}},
		{"GRANT USAGE ON SEQUENCE NAME_n_seq TO READER", "REVOKE USAGE ON SEQUENCE NAME_n_seq FROM READER", doctor.Warning, []string{"items_n_seq"}},
		{"ALTER ROLE READER CREATEDB", "ALTER ROLE READER NOCREATEDB", doctor.Error, []string{"1 login that should only read", a.ReadLogin}},
		{"GRANT pg_read_all_data TO READER", "REVOKE pg_read_all_data FROM READER", doctor.Error, []string{"member of another role", a.ReadLogin}},
	} {
		w.super(fill(c.do, a.Schema, a.ReadLogin))
		w.finds("privileges", c.severity, c.parts...)
		w.super(fill(c.undo, a.Schema, a.ReadLogin))
	}
	w.silent("privileges")
}

func TestAReaderThatIsNotThereIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	a := w.tenant("a")
	a.ReadLogin = w.prefix + "_lost_reader"
	w.finds("orphan", doctor.Error, "tenant "+a.ID.String(), "its role "+a.ReadLogin+" is not on the server")
}

func fill(sql, schema, reader string) string {
	return strings.NewReplacer("NAME", schema+".items", "READER", reader).Replace(sql)
}
