//go:build pgbouncer

package doctor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/onboard/doctor"
	"github.com/poolkeeper/poolkeeper/registry"
)

func TestAPoolerThatHandsOnSessionsIsFound(t *testing.T) {
	t.Parallel()
	for _, pooler := range []struct{ name, config string }{
		{"Transaction", "pool_mode = transaction"},
		{"RoundRobin", "pool_mode = transaction\nserver_round_robin = 1"},
		{"OneConnection", "pool_mode = transaction\ndefault_pool_size = 1"},
	} {
		t.Run(pooler.name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.cluster.DSN = bounce(t, w, pooler.config)
			w.finds("pooler", doctor.Error, "hands sessions from client to client", "pool_mode = session")
		})
	}
}

// Others keep the pooler's connections busy: the probe must still see it.
func TestABusyPoolerIsFound(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.cluster.DSN = bounce(t, w, "pool_mode = transaction\ndefault_pool_size = 4")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 3)
	for range cap(ended) {
		conn, err := pgx.Connect(t.Context(), w.cluster.DSN.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
			for ctx.Err() == nil {
				if _, err := conn.Exec(ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeSimpleProtocol); err != nil && ctx.Err() == nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
	}
	w.finds("pooler", doctor.Error, "hands sessions from client to client")
	cancel()
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestAPoolerThatGivesEachClientASessionIsOnlyMentioned(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.cluster.DSN = bounce(t, w, "pool_mode = session")
	w.finds("pooler", doctor.Info, "a pooler or a proxy; each connection has a session of its own")
}

// bounce starts a PgBouncer between the ward's login and the server, and
// returns the connection string through it.
func bounce(t *testing.T, w *ward, config string) registry.Secret {
	t.Helper()
	direct, err := url.Parse(w.cluster.DSN.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := direct.User.Password()
	port := freePort(t)
	dir, err := os.MkdirTemp("", "pgbouncer") //nolint:usetesting // below t.TempDir the other user cannot enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	files := map[string]string{
		"users.txt": fmt.Sprintf("%q %q\n", direct.User.Username(), password),
		"pgbouncer.ini": fmt.Sprintf("[databases]\n* = host=%s port=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
			"unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = %s\n%s\n",
			direct.Hostname(), direct.Port(), port, filepath.Join(dir, "users.txt"), config),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	launch(t, dir, port)
	direct.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return registry.NewSecret(direct.String())
}

// launch runs PgBouncer, which refuses to be root, until the test ends.
func launch(t *testing.T, dir string, port int) {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // which the PATH of users may lack
	}
	cmd := exec.CommandContext(t.Context(), program, filepath.Join(dir, "pgbouncer.ini"))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = give(t, dir)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range ended { // it was killed, which is an error like any other
		}
	})
	await(t, port, ended)
}

// give makes an ordinary user the owner of the folder.
func give(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	if err := errors.Join(errUID, errGID); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "users.txt"), filepath.Join(dir, "pgbouncer.ini")} {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// await returns when the port takes connections.
func await(t *testing.T, port int, ended <-chan error) {
	t.Helper()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case err := <-ended:
			t.Fatalf("pgbouncer ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("pgbouncer does not listen")
		case <-retry.C:
		}
	}
}

// freePort is below the ports that the system gives to outgoing connections:
// one of those could be taken before PgBouncer listens.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 15000 + rand.IntN(15000)
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return port
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
}
