package sqlwire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"go.uber.org/goleak"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

var update = flag.Bool("update", false, "write the golden files")

// leakChecked runs the tests and then looks for goroutines that they left.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	before := goleak.IgnoreCurrent()
	code := l.m.Run()
	if code == 0 {
		if err := goleak.Find(before); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(leakChecked{m}, pgtest.Options{Settings: map[string]string{"max_prepared_transactions": "5"}}))
}

// connect opens a connection to a fresh database; a context that ends sends a cancel request, as the keeper's connections do.
func connect(t *testing.T) *pgconn.PgConn {
	t.Helper()
	return connectTo(t, pgtest.Shared().AdminDSN(pgtest.Shared().Database(t)), true)
}

func connectTo(t *testing.T, dsn string, cancels bool) *pgconn.PgConn {
	t.Helper()
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	if cancels {
		cfg.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: pg, DeadlineDelay: 10 * time.Second}
		}
	}
	pg, err := pgconn.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		_ = pg.Close(ctx)
		<-pg.CleanupDone()
	})
	return pg
}

func exec(t *testing.T, pg *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := pg.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// result is one result of an answer as a client reads it.
type result struct {
	Fields []struct {
		Name                                                          string
		DataTypeID, TableID, ColumnID, DataTypeSize, DataTypeModifier json.Number //nolint:tagliatelle // matched regardless of case
		Format                                                        string
	}
	Rows       []json.RawMessage
	Command    string
	RowCount   *int64
	RowAsArray bool
}

// rows returns the rows as one line of JSON.
func (r result) rows() string {
	b, err := json.Marshal(r.Rows)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// run executes and decodes the answer; the error is Execute's.
func run(t *testing.T, pg *pgconn.PgConn, req sqlwire.Request, opt sqlwire.Options) ([]result, sqlwire.Outcome, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a COPY that comes through would wait for ever
	defer cancel()
	var dst bytes.Buffer
	outcome, err := sqlwire.Execute(ctx, pg, req, opt, 10<<20, &dst)
	if err != nil {
		if dst.Len() != 0 {
			t.Errorf("an error left %q in the buffer", dst.String())
		}
		return nil, outcome, err
	}
	if !req.Batch {
		var r result
		unmarshal(t, dst.Bytes(), &r)
		return []result{r}, outcome, nil
	}
	var answer struct{ Results []result }
	unmarshal(t, dst.Bytes(), &answer)
	return answer.Results, outcome, nil
}

// one executes a single query that must succeed and leave the connection usable.
func one(t *testing.T, pg *pgconn.PgConn, opt sqlwire.Options, sql string, params ...string) result {
	t.Helper()
	results, outcome, err := run(t, pg, single(sql, params...), opt)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if outcome.Discard {
		t.Errorf("%s: connection is to be discarded", sql)
	}
	return results[0]
}

func unmarshal(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%.200s: %v", data, err)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got\n%s", path, got)
	}
}
