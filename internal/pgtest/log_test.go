package pgtest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolkeeper/poolkeeper/internal/pgtest"
)

func TestTheLogQuotesNoStatement(t *testing.T) {
	t.Parallel()
	srv := start(t, pgtest.Options{Settings: map[string]string{"fsync": "off"}})
	conf, err := os.OpenFile(filepath.Join(srv.DataDir(), "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conf.WriteString("\nlog_statement = all\nlog_parameter_max_length_on_error = -1\n") // ours come first
	if err := errors.Join(err, conf.Close(), srv.Restart(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, srv.AdminDSN(""), "show log_parameter_max_length_on_error"); got != "0" {
		t.Errorf("parameters are logged up to %s", got)
	}
	conn, err := pgx.Connect(t.Context(), srv.AdminDSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, sql := range []string{
		"alter role absent password 'swordfish'",
		"do $$ begin execute 'alter role absent password ''swordfish'''; end $$", // quoted as the context
		"create temp table t (secret text unique check (secret <> 'swordfish')); insert into t values ('swordfish')",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Fatalf("%s is accepted", sql)
		}
	}
	if _, err := conn.Exec(t.Context(), "select 1 / length($1) * 0 / ($2::int)", "swordfish", 0); err == nil {
		t.Fatal("a division by zero is accepted")
	}
	text, err := os.ReadFile(srv.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `role "absent" does not exist`) {
		t.Errorf("the log does not say what went wrong:\n%s", text)
	}
	if strings.Contains(string(text), "swordfish") {
		t.Errorf("the log quotes a statement:\n%s", text)
	}
}

func TestTheLogIsCopied(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	srv := start(t, pgtest.Options{Log: &log})
	file, err := os.ReadFile(srv.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	stop(t, srv)
	if got := log.String(); !strings.Contains(got, "ready to accept connections") || !strings.HasPrefix(got, string(file)) {
		t.Errorf("the log is %q", got)
	}
}

// lockedBuffer is written by the server's log and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
