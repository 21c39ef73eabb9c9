package sqlwire_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/router/pgreport"
	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// sink is a client: it keeps what it was sent, and how.
type sink struct {
	bytes.Buffer
	flushes, writes, greatest int
	fail                      error
	flushed                   chan string // when not nil: told of each flush
}

func (s *sink) Write(p []byte) (int, error) {
	s.writes++
	s.greatest = max(s.greatest, len(p))
	if s.fail != nil {
		return 0, s.fail
	}
	return s.Buffer.Write(p)
}

func (s *sink) Flush() error {
	s.flushes++
	if s.flushed != nil {
		s.flushed <- s.String()
	}
	return nil
}

// lines returns what was sent, which must be whole lines of JSON.
func (s *sink) lines(t *testing.T) []string {
	t.Helper()
	if s.Len() > 0 && !strings.HasSuffix(s.String(), "\n") {
		t.Errorf("no line end in %.100q", s.String())
	}
	lines := strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %.100q", line)
		}
	}
	return lines
}

func TestAStreamIsFieldsRowsAndATrailer(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	const field = `{"fields":[{"name":"a","dataTypeID":23,"tableID":0,"columnID":0,"dataTypeSize":4,"dataTypeModifier":-1,"format":"text"}],"rowAsArray":`
	arrayMode := true
	for _, tt := range []struct {
		q    sqlwire.Query
		opt  sqlwire.Options
		want []string
	}{
		{query("select i as a from generate_series($1::int, 3) i", "1"), sqlwire.Options{}, []string{field + `false}`, `{"row":{"a":1}}`, `{"row":{"a":2}}`, `{"row":{"a":3}}`, `{"command":"SELECT","rowCount":3}`}},
		{query("select 1 as a"), sqlwire.Options{RawText: true, ArrayMode: true}, []string{field + `true}`, `{"row":["1"]}`, `{"command":"SELECT","rowCount":1}`}},
		{sqlwire.Query{SQL: "select 1 as a", ArrayMode: &arrayMode}, sqlwire.Options{}, []string{field + `true}`, `{"row":[1]}`, `{"command":"SELECT","rowCount":1}`}},
		{query("select 1 as a where false"), sqlwire.Options{}, []string{field + `false}`, `{"command":"SELECT","rowCount":0}`}},
		{query(""), sqlwire.Options{}, []string{`{"fields":[],"rowAsArray":false}`, `{"command":"","rowCount":null}`}},
		{query("create table t (id int)"), sqlwire.Options{}, []string{`{"fields":[],"rowAsArray":false}`, `{"command":"CREATE","rowCount":null}`}},
	} {
		var s sink
		outcome, err := sqlwire.Stream(t.Context(), pg, tt.q, tt.opt, 0, &s, s.Flush)
		if err != nil || outcome.Discard || !outcome.Started || s.flushes == 0 {
			t.Fatalf("%s: %v, %+v", tt.q.SQL, err, outcome)
		}
		if got := strings.Join(s.lines(t), "\n"); got != strings.Join(tt.want, "\n") {
			t.Errorf("%s: got\n%s", tt.q.SQL, got)
		}
	}
}

func TestNoRowLooksLikeAnotherLine(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	for _, columns := range []string{`'SELECT' as command, 1 as "rowCount"`, `'{}'::json as error`, `'[]'::json as fields, false as "rowAsArray"`, `1 as row`} {
		var s sink
		if _, err := sqlwire.Stream(t.Context(), pg, query("select "+columns), sqlwire.Options{}, 0, &s, s.Flush); err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, line := range s.lines(t) {
			var keys map[string]json.RawMessage
			unmarshal(t, []byte(line), &keys)
			for _, key := range []string{"fields", "row", "error", "command"} {
				if _, there := keys[key]; there {
					kinds = append(kinds, key)
				}
			}
		}
		if got := strings.Join(kinds, " "); got != "fields row command" {
			t.Errorf("%s: the lines are %s", columns, got)
		}
	}
}

func TestJSONWithLineEndsStaysOneLine(t *testing.T) {
	t.Parallel()
	var s sink
	if _, err := sqlwire.Stream(t.Context(), connect(t), query(`select E'{"a":\r\n1}'::json as a, E'x\ny' as b`), sqlwire.Options{}, 0, &s, s.Flush); err != nil {
		t.Fatal(err)
	}
	if lines := s.lines(t); len(lines) != 3 || lines[1] != `{"row":{"a":{"a":  1},"b":"x\ny"}}` {
		t.Errorf("got %q", lines)
	}
}

func TestAnErrorBeforeTheFirstRowIsTheCallersToAnswer(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	for _, sql := range []string{"select", "selec 1", "select $1", "select 1/0", "select 1; select 2", "copy (select 1) to stdout"} {
		var s sink
		outcome, err := sqlwire.Stream(t.Context(), pg, query(sql), sqlwire.Options{}, 0, &s, s.Flush)
		if sql == "select" {
			continue // a row without columns, to show that the connection works
		}
		if err == nil || outcome.Started || outcome.Discard || s.writes+s.flushes > 0 {
			t.Errorf("%s: %v, %+v, %d writes", sql, err, outcome, s.writes)
		}
	}
}

func TestAnErrorAfterRowsIsInTheTrailer(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	var s sink
	outcome, err := sqlwire.Stream(t.Context(), pg, query("select 10 / (3 - i) as a from generate_series(1, 5) i"), sqlwire.Options{ArrayMode: true}, 0, &s, s.Flush)
	if err == nil || !outcome.Started || outcome.Discard || outcome.Rows != 2 {
		t.Fatalf("%v, %+v", err, outcome)
	}
	lines := s.lines(t)
	var trailer struct{ Error map[string]*string }
	unmarshal(t, []byte(lines[len(lines)-1]), &trailer)
	if len(lines) != 4 || len(trailer.Error) != 17 || *trailer.Error["code"] != "22012" {
		t.Errorf("got %q", lines)
	}
}

func TestAStreamTakesLittleMemory(t *testing.T) {
	t.Parallel()
	var s sink
	outcome, err := sqlwire.Stream(t.Context(), connect(t), query("select i, repeat('x', 1000) from generate_series(1, 20000) i"), sqlwire.Options{}, 0, &s, s.Flush)
	if err != nil || outcome.Rows != 20_000 {
		t.Fatalf("%v, %+v", err, outcome)
	}
	if s.greatest > 34<<10 || len(s.lines(t)) != 20_002 {
		t.Errorf("greatest write %d, %d bytes", s.greatest, s.Len())
	}
}

func TestRowsAreSentAsTheyCome(t *testing.T) {
	t.Parallel()
	pg, other := connect(t), make(chan struct{})
	holder := connectTo(t, sharedDSN(strings.Trim(one(t, pg, sqlwire.Options{ArrayMode: true}, "select current_database()").rows(), `[]"`)), true)
	exec(t, holder, "select pg_advisory_lock(1)")
	s := &sink{flushed: make(chan string)}
	go func() {
		defer close(other)
		// PostgreSQL sends blocks of 8 KiB: here 3 of them, the third with the start of a row. The last row waits for the lock.
		sql := "(select repeat('x', 1000) from generate_series(1, 25)) union all (select 'last' from pg_advisory_lock(1))"
		if _, err := sqlwire.Stream(t.Context(), pg, query(sql), sqlwire.Options{ArrayMode: true}, 0, s, s.Flush); err != nil {
			t.Error(err)
		}
	}()
	for first := ""; !strings.Contains(first, "xxx"); {
		select {
		case first = <-s.flushed:
		case <-time.After(20 * time.Second):
			t.Fatal("the first rows do not come before the last")
		}
	}
	exec(t, holder, "select pg_advisory_unlock(1)")
	last := ""
	for open := true; open; {
		select {
		case last = <-s.flushed:
		case <-other:
			open = false
		}
	}
	if !strings.Contains(last, `["last"]`) {
		t.Errorf("got %.100q", last)
	}
}

func TestAClientThatLeavesStopsTheQuery(t *testing.T) {
	t.Parallel()
	gone := errors.New("client is gone")
	for name, flush := range map[string]error{"at a write": nil, "at a flush": gone} {
		pg := connect(t)
		s := sink{fail: gone}
		if flush != nil {
			s.fail = nil
		}
		outcome, err := sqlwire.Stream(t.Context(), pg, query("select generate_series(1, 100000000) as i"), sqlwire.Options{}, 0, &s, func() error { return flush })
		if !errors.Is(err, gone) || !outcome.Discard || s.writes != 1 {
			t.Errorf("%s: %v, %+v, %d writes", name, err, outcome, s.writes)
		}
	}
}

func TestAClientThatLeavesStopsAQueryThatIsSilent(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := sink{fail: errors.New("client is gone")}
	outcome, err := sqlwire.Stream(ctx, connect(t), query(silent), sqlwire.Options{}, 0, &s, s.Flush)
	if !errors.Is(err, s.fail) || !outcome.Discard || s.writes != 1 || ctx.Err() != nil {
		t.Errorf("%v, %+v, %d writes, %v", err, outcome, s.writes, ctx.Err())
	}
}

// silent sends some rows, and then nothing for a minute.
const silent = "(select repeat('x', 1000) from generate_series(1, 25)) union all (select 'last' from pg_sleep(60))"

func TestADeadlineInTheMiddleOfAStreamIsInTheTrailer(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var s sink
	outcome, err := sqlwire.Stream(ctx, pg, query(silent), sqlwire.Options{}, 0, &s, s.Flush)
	lines := s.lines(t)
	if err == nil || !outcome.Started || outcome.Discard || !strings.Contains(lines[len(lines)-1], `"code":"57014"`) {
		t.Errorf("%v, %+v, %.200q", err, outcome, lines[len(lines)-1])
	}
}

func TestALongErrorInTheMiddleOfAStreamIsClippedInTheTrailer(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	exec(t, pg, `create function fail() returns text language plpgsql as $$ begin raise exception '%', repeat(E'\x01', 5000000); end $$`)
	var s sink
	outcome, err := sqlwire.Stream(t.Context(), pg, query("select case i when 5000 then fail() else 'fine' end from generate_series(1, 5000) i"), sqlwire.Options{}, 0, &s, s.Flush)
	lines := s.lines(t)
	var trailer struct{ Error map[string]*string }
	unmarshal(t, []byte(lines[len(lines)-1]), &trailer)
	if message := trailer.Error["message"]; err == nil || !outcome.Started || outcome.Discard || message == nil || len(*message) > pgreport.MaxText {
		t.Errorf("%+v, a last line of %d bytes", outcome, len(lines[len(lines)-1]))
	}
}

func TestAnErrorBeyondTheStreamsLimitIsRefused(t *testing.T) {
	t.Parallel()
	var s sink
	outcome, err := sqlwire.Stream(t.Context(), connect(t), query(raising(65<<20)), sqlwire.Options{}, 0, &s, s.Flush)
	var large *sqlwire.TooLargeError
	if !errors.As(err, &large) || !outcome.Discard || outcome.Started {
		t.Errorf("%.200v, %+v", err, outcome)
	}
}

func TestARowBeyondTheStreamsLimitIsRefused(t *testing.T) {
	t.Parallel()
	var s sink
	outcome, err := sqlwire.Stream(t.Context(), connect(t), query("select repeat('x', 65 * 1024 * 1024)"), sqlwire.Options{}, 0, &s, s.Flush)
	var large *sqlwire.TooLargeError
	if !errors.As(err, &large) || !outcome.Discard || outcome.Started {
		t.Errorf("%v, %+v", err, outcome)
	}
}

func TestAStreamOfDiscardDiscardsTheConnection(t *testing.T) {
	t.Parallel()
	var s sink
	if outcome, err := sqlwire.Stream(t.Context(), connect(t), query("discard all"), sqlwire.Options{}, 0, &s, s.Flush); err != nil || !outcome.Discard {
		t.Errorf("%v, %+v", err, outcome)
	}
}

func ExampleErrorBody() {
	body, _ := json.Marshal(sqlwire.ErrorBody(sqlwire.ErrCopy))
	fmt.Println(string(body[:63]))
	// Output: {"message":"COPY is not supported over HTTP","code":"0A000","de
}
