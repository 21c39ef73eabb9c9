package pgtest_test

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestStopLeavesNoProcessAndNoFolder(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{})
	conn, err := pgx.Connect(t.Context(), srv.AdminDSN("")) // a session does not keep it
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	pids := append(pgtest.ChildrenOf(srv.PID()), srv.PID())
	if len(pids) < 4 {
		t.Fatalf("the server has the processes %v only", pids)
	}
	stop(t, srv)
	for _, pid := range pids {
		if pgtest.Alive(pid) {
			t.Errorf("process %d (%s) is left", pid, pgtest.CommandLine(pid))
		}
	}
	if _, err := os.Stat(srv.Base()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
	stop(t, srv) // again
	if err := srv.Restart(t.Context()); !errors.Is(err, pgtest.ErrStopped) {
		t.Errorf("Restart after Stop: %v", err)
	}
	if err := srv.Kill(); !errors.Is(err, pgtest.ErrStopped) {
		t.Errorf("Kill after Stop: %v", err)
	}
}

func TestStopIsCompleteAlsoWhenThereIsNoTime(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{})
	conn, err := pgx.Connect(t.Context(), srv.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	pids := append(pgtest.ChildrenOf(srv.PID()), srv.PID())
	if err := srv.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if pgtest.Alive(pid) {
			t.Errorf("process %d is left", pid)
		}
	}
}

func TestAKilledServerComesBackOnItsPortWithItsData(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{})
	dsn, port := srv.AdminDSN(""), srv.Port()
	ask(t, dsn, "with x as (select set_config('x.y', 'z', false)) select * from x")
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "create table kept (v text); insert into kept values ('here')"); err != nil {
		t.Fatal(err)
	}
	pids := append(pgtest.ChildrenOf(srv.PID()), srv.PID())
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if pgtest.Alive(pid) {
			t.Errorf("process %d survived", pid)
		}
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a session survived")
	}
	if err := srv.Kill(); err != nil { // of what is dead
		t.Error(err)
	}
	for _, why := range []string{"killed", "running"} {
		if err := srv.Restart(t.Context()); err != nil {
			t.Fatalf("%s: %v", why, err)
		}
		if got := ask(t, dsn, "select v from kept"); got != "here" || srv.Port() != port {
			t.Errorf("%s: %q on port %d, before %d", why, got, srv.Port(), port)
		}
	}
}

func TestOnlyAnEndThatNobodyAskedForIsAnExit(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	first := srv.Exited()
	if err := srv.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	killed := srv.Exited()
	if err := errors.Join(srv.Kill(), srv.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	running := srv.Exited()
	stopped := start(t, pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	last := stopped.Exited()
	stop(t, stopped)
	for _, exited := range []<-chan struct{}{first, killed, running, last} {
		select {
		case <-exited:
			t.Error("an end that was asked for counts as an exit")
		default:
		}
	}
	if err := syscall.Kill(srv.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-running:
	case <-time.After(time.Minute):
		t.Fatal("nobody noticed that postgres was killed")
	}
}
