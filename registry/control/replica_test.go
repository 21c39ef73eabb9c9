package control_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"
)

func TestWhoIsBehindIsNamedAlsoWhenTheTimeEndsDuringALook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.serving(named("slowcoach"))
	w.exec("CREATE SEQUENCE poolkeeper.looks")
	w.exec("ALTER TABLE poolkeeper.replicas RENAME TO there")
	w.exec("CREATE VIEW poolkeeper.replicas AS SELECT * FROM poolkeeper.there WHERE nextval('poolkeeper.looks') > 0")
	ctx, stop := context.WithCancel(soon(t))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.Applied(ctx, math.MaxInt64) }()

	w.until("SELECT last_value > 1 FROM poolkeeper.looks") // the first look has ended
	w.exec("BEGIN")
	w.exec("LOCK TABLE poolkeeper.there IN ACCESS EXCLUSIVE MODE")
	w.until("SELECT count(*) > 0 FROM pg_locks WHERE relation = 'poolkeeper.there'::regclass AND mode = 'AccessShareLock' AND NOT granted")
	stop()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "waiting for slowcoach") {
		t.Errorf("the error names nobody who is behind: %v", err)
	}
	w.exec("ROLLBACK")
}

// until asks until the answer is yes.
func (w *world) until(question string) {
	w.Helper()
	ctx := soon(w)
	for yes := false; !yes; {
		must(w, w.conn().QueryRow(ctx, question).Scan(&yes))
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			w.Fatal("never: " + question)
		}
	}
}
