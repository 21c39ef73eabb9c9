package pgtest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestASecondStartKeepsDataAndPassword(t *testing.T) {
	t.Parallel()
	data := filepath.Join(passable(t), "new", "pg")
	first := start(t, pgtest.Options{Data: data})
	if got := first.Note(); got != "" {
		t.Errorf("the note says %q", got)
	}
	ask(t, first.AdminDSN(""), "select lo_from_bytea(4711, 'here')::text")
	for name, want := range map[string]os.FileMode{"password": 0o600, "postgres.log": 0o600, "lock": 0o600, "data": 0o700} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", name, info.Mode(), err, want)
		}
	}
	dsn := first.AdminDSN("")
	stop(t, first)
	second := start(t, pgtest.Options{Data: data, Port: first.Port()})
	if second.AdminDSN("") != dsn {
		t.Error("the password changed")
	}
	if got := ask(t, second.AdminDSN(""), "select convert_from(lo_get(4711), 'UTF8')"); got != "here" {
		t.Errorf("the data is %q", got)
	}
	if got := ask(t, second.AdminDSN(""), "select current_setting('fsync')"); got != "on" {
		t.Errorf("a server that keeps its data has fsync = %s", got)
	}
}

func TestAFolderHasOneOwner(t *testing.T) {
	t.Parallel()
	o := seeded(t)
	srv := start(t, o)
	_, err := pgtest.Start(t.Context(), o)
	if !errors.Is(err, pgtest.ErrInUse) {
		t.Fatalf("the second start gives %v", err)
	}
	if got := ask(t, srv.AdminDSN(""), "select 'runs'"); got != "runs" {
		t.Error("the first server was disturbed")
	}
}

func TestAServerWhoseOwnerDiedIsStoppedByTheNext(t *testing.T) {
	t.Parallel()
	o := seeded(t)
	first, err := pgtest.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ended := first.Ended()
	first.Abandon()
	second := start(t, o)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the first postgres still runs")
	}
	if second.PID() == first.PID() {
		t.Error("nothing was started")
	}
	ask(t, second.AdminDSN(""), "select 'works'")
}

func TestAPidFileOfAnotherProgramDoesNotKeepTheServerFromStarting(t *testing.T) {
	t.Parallel()
	o := seeded(t)
	srv := start(t, o)
	stop(t, srv)
	pidFile := filepath.Join(srv.DataDir(), "postmaster.pid")
	if err := os.WriteFile(pidFile, fmt.Appendf(nil, "%d\n%s\n", os.Getppid(), srv.DataDir()), 0o600); err != nil {
		t.Fatal(err)
	}
	ask(t, start(t, o).AdminDSN(""), "select 'works'")
}
