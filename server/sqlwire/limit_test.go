package sqlwire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/poolkeeper/poolkeeper/server/sqlwire"
)

func TestAnAnswerBeyondTheLimitStopsTheQuery(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		// In the target list, where PostgreSQL makes the rows one by one; in FROM it would make them all first.
		"many rows":      "select generate_series(1, 100000000), repeat('x', 100)",
		"one huge value": "select repeat('x', 50 * 1024 * 1024)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pg := connect(t)
			dst := bytes.NewBufferString("before")
			outcome, err := sqlwire.Execute(t.Context(), pg, single(sql), sqlwire.Options{}, 10_000, dst)
			var large *sqlwire.TooLargeError
			if !errors.As(err, &large) || err.Error() != "response is too large (max is 10000 bytes)" {
				t.Errorf("got %v", err)
			}
			if !outcome.Discard || dst.String() != "before" || dst.Cap() > 100_000 {
				t.Errorf("%+v, %d bytes of buffer", outcome, dst.Cap())
			}
		})
	}
}

func TestAnAnswerUpToTheLimitIsWhole(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	var dst bytes.Buffer
	req := single("select repeat('x', 5000) as a from generate_series(1, 3)")
	if _, err := sqlwire.Execute(t.Context(), pg, req, sqlwire.Options{}, 15_300, &dst); err != nil {
		t.Fatal(err)
	}
	dst.Reset()
	exec(t, pg, "set client_min_messages = error")
	if outcome, err := sqlwire.Execute(t.Context(), pg, single("select null, null, '' from generate_series(1, 700)"), sqlwire.Options{ArrayMode: true, RawText: true}, 15_000, &dst); err != nil || outcome.Rows != 700 {
		t.Fatalf("%+v, %v", outcome, err)
	}
}

func TestTheLimitEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	pg := connect(t)
	if _, err := sqlwire.Execute(t.Context(), pg, single("select 1"), sqlwire.Options{}, 1000, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	exec(t, pg, "select repeat('x', 1000 * 1000)")
	if _, err := sqlwire.Stream(t.Context(), pg, query("select 1"), sqlwire.Options{}, 0, &bytes.Buffer{}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	exec(t, pg, "select repeat('x', 65 * 1024 * 1024)")
}
