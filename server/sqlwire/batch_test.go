package sqlwire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

func count(t *testing.T, run func(sql string) result) string {
	t.Helper()
	return run("select count(*)::int4 from t").rows()
}

func TestABatchCommitsAsOne(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	off := false
	req := batch("create table t (id int)", "insert into t values (1), (2)", "select txid_current() = txid_current() as same, id from t order by id", "", "select 1;")
	req.Queries[2].ArrayMode = &off
	results, outcome, err := run(t, pg, req, sqlwire.Options{ArrayMode: true})
	if err != nil || len(results) != 5 || outcome.Discard || outcome.Rows != 3 {
		t.Fatalf("%d results, %+v, %v", len(results), outcome, err)
	}
	for i, want := range []string{"[]", "[]", `[{"same":true,"id":1},{"same":true,"id":2}]`, "[]", "[[1]]"} {
		if got := results[i].rows(); got != want {
			t.Errorf("result %d: got %s, want %s", i, got, want)
		}
	}
	if results[2].RowAsArray || !results[4].RowAsArray {
		t.Error("a query's own arrayMode does not override the header")
	}
	if pg.TxStatus() != 'I' {
		t.Errorf("status %c", pg.TxStatus())
	}
}

func TestAnEmptyBatchHasNoResults(t *testing.T) {
	t.Parallel()
	var dst bytes.Buffer
	if _, err := sqlwire.Execute(t.Context(), connect(t), sqlwire.Request{Batch: true}, sqlwire.Options{}, 100, &dst); err != nil || dst.String() != `{"results":[]}` {
		t.Errorf("%s, %v", dst.String(), err)
	}
}

func TestTheFirstErrorRollsTheBatchBack(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int primary key); create sequence s")
	for _, tt := range [][2]string{
		{"select 1/0", "22012"},
		{"select nothing", "42703"},
		{"insert into t values (1)", "23505"},
		{"select 1; select 2", "42601"},
		{"vacuum", "25001"},
		{"select $1", "08P01"},
		{"do $$ begin commit; end $$", "2D000"},
	} {
		_, outcome, err := run(t, pg, batch("insert into t values (1)", tt[0], "select nextval('s')"), sqlwire.Options{})
		if code := errorKeys(t, err)["code"]; code == nil || *code != tt[1] || outcome.Discard {
			t.Errorf("%s: %v, %+v", tt[0], err, outcome)
		}
		if pg.TxStatus() != 'I' {
			t.Errorf("%s: status %c", tt[0], pg.TxStatus())
		}
	}
	r := one(t, pg, sqlwire.Options{}, "select count(*)::int4 as n, (select is_called from s) as called from t")
	if r.rows() != `[{"n":0,"called":false}]` {
		t.Errorf("left behind: %s", r.rows())
	}
}

func TestADeferredConstraintFailsTheBatchAtCommit(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int unique deferrable initially deferred)")
	_, outcome, err := run(t, pg, batch("insert into t values (1)", "insert into t values (1)"), sqlwire.Options{})
	if code := errorKeys(t, err)["code"]; code == nil || *code != "23505" || outcome.Discard || pg.TxStatus() != 'I' {
		t.Errorf("%v, %+v, status %c", err, outcome, pg.TxStatus())
	}
}

func TestABatchHasTheTransactionThatItsHeadersAskFor(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int)")
	req := batch("select current_setting('transaction_isolation'), current_setting('transaction_read_only'), current_setting('transaction_deferrable')")
	for _, tt := range []struct {
		opt  sqlwire.TxOptions
		want string
	}{
		{sqlwire.TxOptions{}, "read committed off off"},
		{sqlwire.TxOptions{Isolation: "ReadUncommitted"}, "read uncommitted off off"},
		{sqlwire.TxOptions{Isolation: "ReadCommitted", ReadOnly: true}, "read committed on off"},
		{sqlwire.TxOptions{Isolation: "RepeatableRead", Deferrable: true}, "repeatable read off on"},
		{sqlwire.TxOptions{Isolation: "Serializable", ReadOnly: true, Deferrable: true}, "serializable on on"},
	} {
		results, _, err := run(t, pg, req, sqlwire.Options{ArrayMode: true, Batch: tt.opt})
		if err != nil {
			t.Fatal(err)
		}
		if want := `[["` + strings.ReplaceAll(tt.want, " o", `","o`) + `"]]`; results[0].rows() != want {
			t.Errorf("%+v: got %s, want %s", tt.opt, results[0].rows(), want)
		}
	}
	_, _, err := run(t, pg, batch("insert into t values (1)"), sqlwire.Options{Batch: sqlwire.TxOptions{ReadOnly: true}})
	if code := errorKeys(t, err)["code"]; code == nil || *code != "25006" {
		t.Errorf("got %v", err)
	}
	single := one(t, pg, sqlwire.Options{ArrayMode: true, Batch: sqlwire.TxOptions{ReadOnly: true}}, "show transaction_read_only")
	if single.rows() != `[["off"]]` {
		t.Errorf("a single query heeds the batch's options: %s", single.rows())
	}
}

func TestSavepointsWorkInsideABatch(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int)")
	_, outcome, err := run(t, pg, batch("insert into t values (1)", "savepoint s", "insert into t values (2)", "rollback to s", "release s", "begin"), sqlwire.Options{})
	if err != nil || outcome.Discard {
		t.Fatal(err)
	}
	if n := count(t, func(sql string) result { return one(t, pg, sqlwire.Options{ArrayMode: true}, sql) }); n != "[[1]]" {
		t.Errorf("%s rows", n)
	}
}

func TestABatchThatEndsItsTransactionChangesNothing(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int)")
	for _, sql := range []string{"commit", "commit and chain", "rollback", "/**/end", "abort and chain", "prepare transaction 'x'"} {
		_, outcome, err := run(t, pg, batch("insert into t values (1)", sql, "insert into t values (2)"), sqlwire.Options{})
		if code := errorKeys(t, err)["code"]; code == nil || *code != "2D000" || outcome.Discard {
			t.Errorf("%s: %v, %+v", sql, err, outcome)
		}
	}
	if n := count(t, func(sql string) result { return one(t, pg, sqlwire.Options{ArrayMode: true}, sql) }); n != "[[0]]" {
		t.Errorf("%s rows", n)
	}
}

func TestABatchBeyondTheLimitIsNotCommitted(t *testing.T) {
	t.Parallel()
	dsnOf := connect(t)
	exec(t, dsnOf, "create table t (id int)")
	name := one(t, dsnOf, sqlwire.Options{ArrayMode: true}, "select current_database()").rows()
	for what, req := range map[string]sqlwire.Request{
		"rows":          batch("insert into t values (1)", "select repeat('x', 100) from generate_series(1, 1000)"),
		"huge value":    batch("insert into t values (1)", "select repeat('x', 100000000)", "insert into t values (2)"),
		"empty results": batch(append([]string{"insert into t values (1)"}, make([]string, 500)...)...),
	} {
		pg := connectTo(t, sharedDSN(strings.Trim(name, `[]"`)), true)
		_, err := sqlwire.Execute(t.Context(), pg, req, sqlwire.Options{}, 2000, &bytes.Buffer{})
		if _, ok := errors.AsType[*sqlwire.TooLargeError](err); !ok {
			t.Errorf("%s: got %v", what, err)
		}
		if err := pg.Close(t.Context()); err != nil {
			t.Logf("close: %v", err) // of a connection that Execute has cut
		}
		<-pg.CleanupDone()
	}
	if n := count(t, func(sql string) result { return one(t, dsnOf, sqlwire.Options{ArrayMode: true}, sql) }); n != "[[0]]" {
		t.Errorf("%s rows", n)
	}
}

func TestTheLimitOfABatchIsExact(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, "create table t (id int)")
	var dst bytes.Buffer
	req := batch("insert into t values (1)", "select 1")
	if _, err := sqlwire.Execute(t.Context(), pg, req, sqlwire.Options{}, 0, &dst); err != nil {
		t.Fatal(err)
	}
	whole := int64(dst.Len())
	if _, err := sqlwire.Execute(t.Context(), pg, req, sqlwire.Options{}, whole, &dst); err != nil {
		t.Error(err)
	}
	var large *sqlwire.TooLargeError
	if _, err := sqlwire.Execute(t.Context(), pg, req, sqlwire.Options{}, whole-1, &dst); !errors.As(err, &large) {
		t.Errorf("got %v", err)
	}
}
