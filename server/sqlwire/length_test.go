package sqlwire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

// A control character takes six bytes in JSON: what PostgreSQL sends may be
// short enough, and the answer not.
func TestARowIsMeasuredAsJSONBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"select repeat(chr(1), 1000000) as a", "select array[repeat(chr(1), 1000000)] as a", "select 1 as a, repeat(chr(1), 1000000) as b",
		`select repeat('\"', 1000000) as a`, "select repeat(E'\\t', 1500000) as a",
	} {
		dst := bytes.NewBufferString("before")
		outcome, err := sqlwire.Execute(t.Context(), connect(t), single(sql), sqlwire.Options{}, 2_000_000, dst)
		if large, ok := errors.AsType[*sqlwire.TooLargeError](err); !ok || large.Max != 2_000_000 || !outcome.Discard {
			t.Errorf("%s: %+v, %v", sql, outcome, err)
		}
		if dst.String() != "before" || dst.Cap() > 100_000 {
			t.Errorf("%s: %d bytes of buffer", sql, dst.Cap())
		}
	}
	pg := connect(t)
	for _, sql := range []string{
		`select repeat(chr(1), 1000) || repeat('"\', 1000) || repeat(E'\n\t\r', 1000) || repeat('ä€', 1000) as a`,
		`select array[repeat(chr(1), 1000), repeat('"\', 1000), null, 'x'] as a`, `select '[-3:1]={1,2,3,4,5}'::int[] as a`,
		`select array['{"a":"b"}'::json, '[1,  "\"\\"]'] as a`, `select repeat('"', 5000)::bytea as a`, `select array[true, false, null] as a`,
	} {
		var whole, same bytes.Buffer
		if _, err := sqlwire.Execute(t.Context(), pg, single(sql), sqlwire.Options{}, 1<<20, &whole); err != nil {
			t.Fatal(err)
		}
		if _, err := sqlwire.Execute(t.Context(), pg, single(sql), sqlwire.Options{}, int64(whole.Len()), &same); err != nil {
			t.Errorf("%s: an answer of %d bytes: %v", sql, whole.Len(), err)
		}
	}
}

func TestAStreamsRowIsNoGreaterThanTheCallerAllows(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql   string
		fails bool
	}{
		{"select repeat('x', 2000) as a from generate_series(1, 100)", false},
		{"select repeat('x', 3000) as a", true},
		{"select repeat('x', 2000000) as a", true}, // on the wire already
		{"select repeat(chr(1), 1000) as a", true},
	} {
		sink := &bytes.Buffer{}
		outcome, err := sqlwire.Stream(t.Context(), connect(t), query(tt.sql), sqlwire.Options{}, 2500, sink, func() error { return nil })
		large, ok := errors.AsType[*sqlwire.TooLargeError](err)
		if tt.fails != ok || ok && (large.Max != 2500 || !outcome.Discard) {
			t.Errorf("%s: %+v, %v", tt.sql, outcome, err)
		}
	}
	// An error is told whatever the rows may be.
	pg := connect(t)
	_, err := sqlwire.Stream(t.Context(), pg, query(raising(10_000)), sqlwire.Options{}, 1000, &bytes.Buffer{}, func() error { return nil })
	if report, ok := errors.AsType[*pgconn.PgError](err); !ok || report.Code != "P0001" {
		t.Errorf("%v", err)
	}
}

func TestAStreamsRowIsMeasuredAsJSONBeforeItIsWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sql     string
		started bool
	}{
		{"select repeat(chr(1), 11 * 1024 * 1024)", false},
		{"select repeat(chr(1), i * 11 * 1024 * 1024) from generate_series(0, 1) i", true},
	} {
		sink := &bytes.Buffer{}
		outcome, err := sqlwire.Stream(t.Context(), connect(t), query(tt.sql), sqlwire.Options{}, 0, sink, func() error { return nil })
		if large, ok := errors.AsType[*sqlwire.TooLargeError](err); !ok || large.Max != 64<<20 || !outcome.Discard || outcome.Started != tt.started {
			t.Errorf("%s: %+v, %v", tt.sql, outcome, err)
		}
		if sink.Len() > 1000 || tt.started != bytes.Contains(sink.Bytes(), []byte(`{"error":{"message":"response is too large`)) {
			t.Errorf("%s: wrote %.300s", tt.sql, sink.Bytes())
		}
	}
}
