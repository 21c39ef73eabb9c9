package sqlwire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

func TestCopyIsRefusedInEveryForm(t *testing.T) {
	t.Parallel()
	for _, sql := range copies {
		if err := sqlwire.Refuse(single(sql)); !errors.Is(err, sqlwire.ErrCopy) {
			t.Errorf("%q: got %v", sql, err)
		}
		if err := sqlwire.Refuse(batch("select 1", sql)); !errors.Is(err, sqlwire.ErrCopy) {
			t.Errorf("%q in a batch: got %v", sql, err)
		}
	}
}

// copies are forms of COPY that PostgreSQL reads as COPY; the integration tests send some to a server to prove it.
var copies = []string{
	"copy t from stdin", "COPY t TO STDOUT", "CoPy t to stdout", "copy(select 1) to stdout", "copy\tt from stdin", "copy\nt from stdin",
	"copy t to '/tmp/x'", "copy t from '/etc/passwd'", "copy t to program 'id'", "copy t from program 'id'", "copy binary t from stdin",
	"  \t\r\n\fcopy t from stdin", "-- select\ncopy t from stdin", "-- select\rcopy t from stdin", "--\n--\ncopy t from stdin",
	"/* a */copy t from stdin", "/* /* nested */ still */ copy t from stdin", "/**/copy/**/t/**/from/**/stdin",
	"/* -- */ copy t from stdin", "-- /*\ncopy t from stdin", "/*/**/*/copy t from stdin", ";copy t from stdin", " ; /* x */ ; copy t from stdin;",
	`copy"t"from stdin`,
}

func TestWhatOnlyLooksLikeCopyRuns(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"", ";", "  ", "-- copy t from stdin", "/* copy t from stdin", "/* copy */ select 1", "select 'copy'", "copyright", "copy_t", "copy$1", "éopy", "copyé",
		`"copy" t`, "select 1; copy t from stdin", "explain select 1", "with copy as (select 1) table copy", "/*/ copy", "/* /* */ copy t from stdin", "- copy",
	} {
		if err := sqlwire.Refuse(single(sql)); err != nil {
			t.Errorf("%q: %v", sql, err)
		}
	}
}

func TestABatchMustNotEndItsOwnTransaction(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"commit", "COMMIT WORK", "commit and chain", "end", "End Transaction", "rollback", "rollback work", "ROLLBACK AND CHAIN", "abort", "abort transaction",
		"rollback transaction and no chain", "commit prepared 'x'", "rollback prepared 'x'", "prepare transaction 'x'", "/* */ prepare -- x\n transaction 'x'",
		"; commit", "-- \ncommit;",
	} {
		err := sqlwire.Refuse(batch("insert into t values (1)", sql))
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "2D000" || !strings.HasSuffix(pg.Message, " is not allowed in a batch") {
			t.Errorf("%q: got %v", sql, err)
		}
		if err := sqlwire.Refuse(single(sql)); err != nil {
			t.Errorf("%q alone: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"rollback to s", "rollback work to savepoint s", "ROLLBACK TRANSACTION TO s", "rollback/**/to s", "abort to s", "savepoint s", "release s", "begin", "start transaction",
		"prepare p as select 1", "prepare transaction as select 1", "set transaction read only", "commits", "select 'commit'", "endpoint",
	} {
		if err := sqlwire.Refuse(batch(sql)); err != nil {
			t.Errorf("%q: %v", sql, err)
		}
	}
}

func FuzzRefuse(f *testing.F) {
	for _, sql := range copies {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		plain := sqlwire.Refuse(single(sql))
		if commented := sqlwire.Refuse(single("/* x */ -- y\n;" + sql)); !errors.Is(commented, plain) {
			t.Errorf("%q: %v, behind a comment %v", sql, plain, commented)
		}
		_ = sqlwire.Refuse(batch(sql))
	})
}
