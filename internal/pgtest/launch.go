package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// launch starts postgres on the port, or on a free one when it is 0, and waits
// until it accepts. The caller holds mu, or is the only one to know s.
func (s *Server) launch(ctx context.Context, port int) error {
	for try := 0; ; try++ {
		chosen := port
		if port == 0 {
			var err error
			if chosen, err = freePort(ctx); err != nil {
				return err
			}
		} else if err := portFree(ctx, port); err != nil {
			return err
		}
		err := s.launchOn(ctx, chosen)
		// Between our look and postgres's own, another may take the port.
		if port != 0 || try == 5 || !errors.Is(err, ErrPortInUse) {
			return err
		}
	}
}

func (s *Server) launchOn(ctx context.Context, port int) error {
	log, err := os.OpenFile(s.LogFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return permission(err, s.LogFile())
	}
	begin, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(fmt.Errorf("pgtest: %w", err), log.Close())
	}
	program := filepath.Join(s.bin.Dir, "postgres")
	proc, err := startProcess(ctx, s.acct, s.output(log), program, s.arguments(port)...)
	if err != nil {
		return errors.Join(fail(ErrFailed, fmt.Sprintf("%s cannot be started: %v", program, err)), log.Close())
	}
	s.proc, s.port = proc, port
	if err := s.await(ctx, begin); err != nil {
		proc.kill()
		return err
	}
	return nil
}

// output is where postgres writes: straight to the file, or through us when
// somebody wants a copy.
func (s *Server) output(log *os.File) output {
	if s.copyTo == nil {
		return output{Writer: log, file: log}
	}
	return output{Writer: io.MultiWriter(log, s.copyTo), file: log}
}

// arguments of postgres: on 127.0.0.1 alone, without a socket in the file
// system. The log is a file that stays, so it says what went wrong but quotes
// no statement, which may hold a password or a customer's data; the client has
// been told everything. The settings come later and win.
func (s *Server) arguments(port int) []string {
	args := []string{
		"-D", s.DataDir(), "-c", "listen_addresses=127.0.0.1", "-c", "port=" + strconv.Itoa(port),
		"-c", "unix_socket_directories=",
		"-c", "log_statement=none", "-c", "log_min_error_statement=panic",
		"-c", "log_parameter_max_length_on_error=0", "-c", "log_error_verbosity=terse",
	}
	for name, value := range s.settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}

// await returns when postgres accepts a connection, has ended, or ctx has.
// begin is where its own words begin in the log.
func (s *Server) await(ctx context.Context, begin int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cfg, err := pgx.ParseConfig(dsn(s.port, "postgres", superuser, s.password, sslOff))
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err == nil && s.proc.ended() {
			_ = conn.Close(ctx) // that was another server on the same port
		} else if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.proc.done:
			return diagnose(s.logSince(begin), "PostgreSQL did not start on "+s.DataDir())
		case <-ctx.Done():
			return fmt.Errorf("pgtest: waiting for PostgreSQL on port %d: %w (its last words: %s)",
				s.port, ctx.Err(), lastLine(s.logSince(begin)))
		case <-tick.C:
		}
	}
}

// logSince returns what the log says from an offset on.
func (s *Server) logSince(begin int64) string {
	text, err := os.ReadFile(s.LogFile())
	if err != nil || begin > int64(len(text)) {
		return ""
	}
	return string(text[begin:])
}

// freePort finds a free port below those that the system gives to outgoing
// connections: a client that keeps redialling a stopped server could otherwise
// be given the server's own port.
func freePort(ctx context.Context) (int, error) {
	var err error
	for range 50 {
		port := 15000 + rand.IntN(15000) //nolint:gosec // no secret
		if err = portFree(ctx, port); err == nil {
			return port, nil
		}
	}
	return 0, err
}

// portFree reports why a port of 127.0.0.1 cannot be listened on, or nil.
func portFree(ctx context.Context, port int) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case err == nil:
		return listener.Close()
	case errors.Is(err, syscall.EADDRINUSE):
		return fail(ErrPortInUse, fmt.Sprintf("port %d on 127.0.0.1 is in use; choose another, or 0 for a free one", port))
	case errors.Is(err, syscall.EACCES):
		return fail(ErrPermission, fmt.Sprintf("port %d on 127.0.0.1 is not ours to use; choose one above 1023, or 0 for a free one", port))
	}
	return fmt.Errorf("pgtest: %w", err)
}

// dataVersion returns the major version of the PostgreSQL that made a data
// folder, or 0 when there is none yet.
func dataVersion(data string, acct account) (int, error) {
	entries, err := os.ReadDir(data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case errors.Is(err, fs.ErrPermission):
		return 0, fail(ErrPermission, fmt.Sprintf("the data folder %s cannot be read: it belongs to another user", data))
	case err != nil:
		return 0, fail(ErrFolder, data+" is not a folder, but the data is to be kept there")
	case len(entries) == 0:
		return 0, os.Remove(data)
	}
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION")) //nolint:gosec // a path of ours
	major, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || convErr != nil {
		return 0, fail(ErrFolder, data+" holds something else than PostgreSQL's data; name another folder")
	}
	info, err := os.Stat(data)
	if err != nil {
		return 0, fmt.Errorf("pgtest: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != acct.uid {
		return 0, fail(ErrPermission, fmt.Sprintf(
			"%s belongs to the user with the number %d, but PostgreSQL would run as %s; start as its owner, or name another folder",
			data, st.Uid, acct.name))
	}
	return major, nil
}
